"""Why something could not be delivered, from the verdict of an attempt to the bounce."""

from __future__ import annotations

import pytest

from gateway.federation.delivery_failures import DeliveryFailed, failure_of
from gateway.federation.stream_end import by_pair
from gateway.notices.attempts.verdicts import Verdict
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StreamCondition
from tests.support.trees import stanza

UNWILLING_VERDICTS = {
    Verdict.NO_TLS,
    Verdict.CERTIFICATE_EXPIRED,
    Verdict.NOT_TRUSTED,
    Verdict.NOT_IN_TLSA,
    Verdict.NOT_PINNED,
    Verdict.REVOKED,
    Verdict.NO_COMMON_PROOF,
    Verdict.PROOF_REFUSED,
}


def answer(failed: DeliveryFailed) -> tuple[str, str]:
    """Return what the sender gets to see, as `condition` and type."""
    error = failed.stanza_error("far.test")
    return str(error.condition), error.error_type


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict.is_failure])
def test_a_verdict_tells_the_sender_whether_to_come_back(verdict: Verdict) -> None:
    failed = failure_of(verdict, "our reason")
    if verdict is Verdict.NO_SUCH_DOMAIN:
        assert answer(failed) == ("remote-server-not-found", "cancel")
    else:
        assert answer(failed) == ("remote-server-timeout", "cancel" if verdict in UNWILLING_VERDICTS else "wait")
    assert failed.is_definite == (verdict is Verdict.NO_SUCH_DOMAIN)


@pytest.mark.parametrize(
    ("their_error", "told"),
    [
        ("host-unknown", ("remote-server-not-found", "cancel")),
        ("host-gone", ("remote-server-not-found", "cancel")),
        ("not-authorized", ("remote-server-timeout", "cancel")),
        ("policy-violation", ("remote-server-timeout", "cancel")),
        ("invalid-from", ("remote-server-timeout", "cancel")),
        ("unsupported-version", ("remote-server-timeout", "cancel")),
        ("unsupported-feature", ("remote-server-timeout", "cancel")),
        ("system-shutdown", ("remote-server-timeout", "wait")),
        ("resource-constraint", ("remote-server-timeout", "wait")),
        ("internal-server-error", ("remote-server-timeout", "wait")),
        ("undefined-condition", ("remote-server-timeout", "wait")),
    ],
)
def test_the_error_with_which_the_other_server_left_says_more(their_error: str, told: tuple[str, str]) -> None:
    assert answer(failure_of(Verdict.CLOSED_BY_PEER, "our reason", StreamCondition(their_error))) == told


@pytest.mark.parametrize(
    ("verdict", "of_the_pair"),
    [
        (Verdict.NO_SUCH_DOMAIN, False),
        (Verdict.UNREACHABLE, False),
        (Verdict.TLS_FAILED, False),
        (Verdict.TIMEOUT, False),
        (Verdict.PROOF_REFUSED, True),
        (Verdict.CLOSED_BY_PEER, True),
        (Verdict.CLOSED_AFTER_PROOF, True),
        (Verdict.NO_COMMON_PROOF, True),
    ],
)
def test_what_they_have_against_one_domain_they_need_not_have_against_another(
    verdict: Verdict, of_the_pair: bool
) -> None:
    assert failure_of(verdict, "").of_the_pair == of_the_pair


def test_the_sender_hears_the_kind_of_failure_and_not_our_reasons() -> None:
    error = failure_of(Verdict.UNREACHABLE, "10.0.0.5:5269 refused").stanza_error("far.test")
    assert error.text == "the server of far.test could not be reached"
    assert error.reason == "10.0.0.5:5269 refused"
    assert error.error_type == "wait"


def test_stanzas_are_sorted_by_pair_in_order() -> None:
    texts = ["a.test/1", "b.test/1", "a.test/2"]
    stanzas = [stanza(f"<message from='{text}' to='far.test'/>") for text in texts]
    a, b = (DomainPair(Domain(name), Domain("far.test")) for name in ("a.test", "b.test"))
    assert by_pair(stanzas) == {a: [stanzas[0], stanzas[2]], b: [stanzas[1]]}
