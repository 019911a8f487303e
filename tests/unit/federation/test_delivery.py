"""Why something could not be delivered, from the verdict of an attempt to the bounce."""

from __future__ import annotations

import pytest

from gateway.addresses import Domain, DomainPair
from gateway.attempts.verdicts import Verdict
from gateway.federation.delivery import by_pair, failure_of
from tests.support.trees import stanza


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict.is_failure])
def test_only_a_domain_that_is_not_there_is_not_found(verdict: Verdict) -> None:
    failed = failure_of(verdict, "our reason")
    not_there = verdict is Verdict.NO_SUCH_DOMAIN
    assert failed.condition == ("remote-server-not-found" if not_there else "remote-server-timeout")
    assert failed.is_definite == not_there


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
