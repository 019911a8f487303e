"""Bidirectional streams as a feature, and what they let pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.features.bidi import Bidirectional
from gateway.stream.facts import Means, PeerLimits, Role, ServerFacts, Terms, TLSFacts
from gateway.stream.negotiation import Step, Then
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import BIDI, BIDI_FEATURE, LIMITS, STREAMS
from tests.support.pair import Certificate

FEATURE = Bidirectional()
PAIR = DomainPair(Domain("capulet.test"), Domain("montague.test"))
TERMS = Terms(stanza_bytes=20000)
INITIATING = ServerFacts(role=Role.INITIATING, local=PAIR.sender, remote=PAIR.target, tls=TLSFacts(), terms=TERMS)
RECEIVING = ServerFacts(role=Role.RECEIVING, local=PAIR.target, remote=PAIR.sender, tls=TLSFacts(), terms=TERMS)
OFFER = Element(STREAMS, "features", {}, [Element(BIDI_FEATURE, "bidi")])
LIMITED = Element(BIDI, "bidi", {}, [Element(LIMITS, "limits", {}, [Element(LIMITS, "max-bytes", {}, ["20000"])])])
UNTIMELY = [
    pytest.param({"tls": None}, id="before TLS"),
    pytest.param({"proofs": {PAIR: Means.EXTERNAL}}, id="after a proof"),
    pytest.param({"terms": replace(TERMS, bidirectional=False)}, id="not wanted"),
]


def test_it_is_offered_between_tls_and_proof() -> None:
    assert FEATURE.offer(RECEIVING) == Element(BIDI_FEATURE, "bidi")


@pytest.mark.parametrize("change", UNTIMELY)
def test_it_is_neither_offered_nor_taken_at_another_time(change: dict[str, object]) -> None:
    facts = replace(RECEIVING, **change)
    assert FEATURE.offer(facts) is None
    with pytest.raises(StreamError) as raised:
        FEATURE.receive(facts, Element(BIDI, "bidi"))
    assert raised.value.condition is StreamCondition.UNSUPPORTED_STANZA_TYPE


def test_the_initiating_server_asks_for_it_and_goes_on_to_its_proof() -> None:
    assert FEATURE.begin(INITIATING, OFFER) == Step(
        facts=replace(INITIATING, bidirectional=True), outputs=[LIMITED], then=Then.CONTINUE
    )


@pytest.mark.parametrize("change", UNTIMELY)
def test_the_initiating_server_does_not_ask_at_another_time(change: dict[str, object]) -> None:
    assert FEATURE.begin(replace(INITIATING, **change), OFFER) is None


def test_it_is_not_asked_for_unoffered() -> None:
    assert FEATURE.begin(INITIATING, Element(STREAMS, "features")) is None


@pytest.mark.parametrize(
    ("names", "means", "asks"),
    [
        ((), (Means.EXTERNAL,), False),
        (("other.test",), (Means.EXTERNAL,), False),
        ((PAIR.target,), (Means.EXTERNAL,), True),
        ((PAIR.target,), (Means.DIGEST_MD5,), False),
        ((), (Means.EXTERNAL, Means.DIALBACK), True),
    ],
)
def test_it_is_asked_only_of_whom_we_know_well_enough(
    names: tuple[str, ...], means: tuple[Means, ...], asks: bool
) -> None:
    facts = replace(INITIATING, certificate=Certificate(frozenset(names)), terms=replace(TERMS, means=means))
    assert (FEATURE.begin(facts, OFFER) is not None) == asks


def test_the_receiving_server_notes_it_with_the_others_limits() -> None:
    step = FEATURE.receive(RECEIVING, LIMITED)
    assert step == Step(facts=replace(RECEIVING, bidirectional=True, peer_limits=PeerLimits(stanza_bytes=20000)))


def test_it_is_taken_once() -> None:
    with pytest.raises(StreamError):
        FEATURE.receive(replace(RECEIVING, bidirectional=True), Element(BIDI, "bidi"))


def test_it_is_not_asked_by_the_receiving_server() -> None:
    with pytest.raises(StreamError):
        FEATURE.receive(INITIATING, Element(BIDI, "bidi"))


@pytest.mark.parametrize("facts", [INITIATING, RECEIVING])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_h_07_only_what_was_proved_passes_and_its_reverse_where_both_ways_are_open(
    facts: ServerFacts, bidirectional: bool
) -> None:
    facts = replace(facts, bidirectional=bidirectional, proofs={PAIR: Means.EXTERNAL})
    forth, back = PAIR, PAIR.reversed()
    other = DomainPair(PAIR.sender, Domain("escalus.test"))
    we_send, they_send = (forth, back) if facts.role is Role.INITIATING else (back, forth)
    assert facts.carries(we_send) == (bidirectional or we_send == forth)
    assert (they_send in facts.admitted) == (bidirectional or they_send == forth)
    for wrong in (they_send, other, other.reversed()):
        assert not facts.carries(wrong)
    for wrong in (we_send, other, other.reversed()):
        assert wrong not in facts.admitted
