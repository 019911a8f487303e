"""Evidence: when it is looked for, what waits for it, and what follows from it, on both sides of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.dialback.keys import KeyMaker
from gateway.features.dialback import Dialback
from gateway.features.evidence import Evidence
from gateway.features.sasl_servers import accepting_servers, proving_to_servers
from gateway.features.starttls import StartTLS
from gateway.stream.events import CloseTransport, EvidenceFound, FindEvidence, PairVerified, Send
from gateway.stream.evidence import check_certificate, sought_means
from gateway.stream.facts import Facts, Means, Role, ServerFacts, Terms
from gateway.stream.profiles import server_profile
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StreamCondition, StreamError
from tests.support.pair import Certificate, End, Pair, accept_anything, make_stream
from tests.support.steps import OURS, THEIRS, facts, received

ALL = Terms(means=(Means.EXTERNAL, Means.DANE, Means.DIALBACK))
ONLY_DANE = Terms(means=(Means.DANE,))
REQUIRED = replace(ALL, required=Means.DANE)
PAIR = DomainPair(OURS, THEIRS)


@dataclass(frozen=True)
class Certified(Certificate):
    """A certificate that may be proved by its domain's records."""

    recorded: frozenset[str] = frozenset()

    def proves(self, domain: Domain, means: Means = Means.EXTERNAL) -> bool:
        return domain in self.recorded if means is Means.DANE else super().proves(domain, means)

    def why_not(self, domain: Domain, means: Sequence[Means] = ()) -> str:
        return "" if any(self.proves(domain, each) for each in means) else self.problem


TRUSTED = Certified(frozenset({THEIRS}))
UNKNOWN = Certified(problem="self-signed")
RECORDED = Certified(problem="self-signed", recorded=frozenset({THEIRS, OURS}))


@pytest.mark.parametrize(
    ("known", "sought"),
    [
        (facts(terms=ALL, certificate=UNKNOWN), (Means.DANE,)),
        (facts(terms=ALL, certificate=TRUSTED), ()),  # proved already
        (facts(terms=REQUIRED, certificate=TRUSTED), (Means.DANE,)),  # but not by that
        (facts(terms=ALL, certificate=UNKNOWN, tls=None), ()),
        (facts(terms=ALL, certificate=UNKNOWN, remote=None), ()),
        (facts(terms=ALL, certificate=None), ()),
        (facts(terms=ALL, certificate=UNKNOWN, tried=frozenset({"evidence"})), ()),  # once is enough
        (facts(terms=Terms(), certificate=UNKNOWN), ()),  # not accepted
    ],
)
def test_when_evidence_is_looked_for(known: Facts, sought: tuple[Means, ...]) -> None:
    assert sought_means(known) == sought


@pytest.mark.parametrize(
    ("terms", "certificate", "passes"),
    [
        (ALL, UNKNOWN, True),  # there is dialback
        (REQUIRED, UNKNOWN, False),
        (REQUIRED, TRUSTED, False),
        (REQUIRED, RECORDED, True),
        (ONLY_DANE, TRUSTED, False),
        (ONLY_DANE, RECORDED, True),
        (Terms(means=(Means.EXTERNAL,)), RECORDED, False),
    ],
)
def test_who_passes_when_all_is_known(terms: Terms, certificate: Certificate, passes: bool) -> None:
    known = facts(terms=terms, certificate=certificate, tried=frozenset({"evidence"}))
    if passes:
        assert check_certificate(known) is known
    else:
        with pytest.raises(StreamError) as refused:
            check_certificate(known)
        assert refused.value.condition is StreamCondition.NOT_AUTHORIZED


def stream_pair(terms: Terms, shown: Certificate, found: Certificate | None) -> Pair:
    """A server with these terms, and a caller that shows this certificate; None: nothing is found out yet."""
    dialback = Dialback(KeyMaker(b"s" * 32), lambda domain: True, lambda pair: terms)
    calling = server_profile(StartTLS(), Evidence(), proving_to_servers(lambda: "token"), dialback)
    called = server_profile(StartTLS(), Evidence(), accepting_servers(lambda: "token"), dialback)
    answers = {} if found is None else {FindEvidence: lambda order: EvidenceFound(certificate=found)}

    def accept(header: Any, known: Facts) -> Facts:
        return check_certificate(replace(accept_anything(header, known), terms=terms))

    out = ServerFacts(role=Role.INITIATING, local=OURS, remote=THEIRS, terms=Terms())
    receiving = End(make_stream(called, ServerFacts(role=Role.RECEIVING, terms=terms), accept), answers=answers)
    pair = Pair(End(make_stream(calling, out), certificate=shown), receiving)
    pair.start()
    return pair


def test_a_caller_is_let_in_by_what_was_found_and_its_means_are_named() -> None:
    pair = stream_pair(ALL, UNKNOWN, RECORDED)
    assert PairVerified(pair=PAIR, means=Means.DANE) in pair.receiving.outputs
    orders = [output for output in pair.receiving.outputs if isinstance(output, FindEvidence)]
    assert orders == [FindEvidence(domain=OURS, means=(Means.DANE,))]  # once, though there are three headers


def test_features_wait_for_the_answer() -> None:
    waiting = stream_pair(ALL, UNKNOWN, None).receiving
    assert b"<stream:features" not in waiting.written[-1]
    waiting.stream.received(b"<message/>")  # which nobody reads yet
    assert waiting.stream.is_open
    outputs = waiting.stream.answer(EvidenceFound(certificate=RECORDED))
    assert isinstance(outputs[0], Send)
    assert b"EXTERNAL" in outputs[0].data
    assert not waiting.stream.is_open  # now it was read, and came too early


def test_a_caller_about_whom_nothing_is_found_is_left_to_dialback() -> None:
    pair = stream_pair(ALL, UNKNOWN, UNKNOWN)
    assert not [output for output in pair.receiving.outputs if isinstance(output, PairVerified)]
    assert not [output for output in pair.receiving.outputs if isinstance(output, CloseTransport)]


@pytest.mark.parametrize("certificate", [UNKNOWN, TRUSTED])
def test_a_caller_that_has_to_be_proved_so_and_is_not_is_turned_away(certificate: Certificate) -> None:
    pair = stream_pair(REQUIRED, certificate, certificate)
    (closing,) = [output for output in pair.receiving.outputs if isinstance(output, CloseTransport)]
    assert closing.error is not None
    assert closing.error.condition is StreamCondition.NOT_AUTHORIZED


# -- keys that are pinned ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Keyed(Certificate):
    """A certificate with a key."""

    key: str = "aa"


PINNED = Terms(pins=frozenset({"aa", "bb"}))


@pytest.mark.parametrize(("key", "passes"), [("aa", True), ("bb", True), ("cc", False), ("", False)])
@pytest.mark.parametrize("names", [frozenset({THEIRS}), frozenset()], ids=["trusted", "dialback"])
def test_no_other_key_than_those_pinned_passes_however_well_it_is_certified(
    key: str, passes: bool, names: frozenset[str]
) -> None:
    known = facts(terms=PINNED, certificate=Keyed(names, key=key))
    if passes:
        assert check_certificate(known) is known
    else:
        with pytest.raises(StreamError) as refused:
            check_certificate(known)
        assert refused.value.condition is StreamCondition.NOT_AUTHORIZED
        assert "[peers] pin" in (refused.value.reason or "")


def test_a_further_domain_on_the_stream_is_held_to_its_own_pins() -> None:
    dialback = Dialback(KeyMaker(b"s" * 32), lambda domain: True, lambda pair: PINNED)
    known = facts(terms=Terms(), certificate=Keyed(frozenset({"more.test"}), key="cc"))
    asserted = "<db:result from='more.test' to='ours.test'>key</db:result>"
    assert received(dialback, known, asserted).outputs == ("<result error>", "PairRefused")  # type: ignore[union-attr]
    pinned = replace(known, certificate=Keyed(frozenset({"more.test"}), key="aa"))
    assert "PairVerified" in received(dialback, pinned, asserted).outputs  # type: ignore[union-attr]
