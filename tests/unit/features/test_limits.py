"""Stream limits as a feature."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.features.limits import StreamLimits
from gateway.stream.facts import PeerLimits, Role, ServerFacts, Terms, TLSFacts
from gateway.stream.negotiation import Step, Then
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import parse_element

FEATURE = StreamLimits()
TERMS = Terms(stanza_bytes=20000, idle_seconds=600)
RECEIVING = ServerFacts(role=Role.RECEIVING, local=Domain("here.test"), remote=Domain("there.test"), terms=TERMS)


def features(limits: str) -> bytes:
    return f"<features xmlns='http://etherx.jabber.org/streams'>{limits}</features>".encode()


def test_what_we_take_from_a_domain_is_told_to_it_under_tls() -> None:
    offer = FEATURE.offer(replace(RECEIVING, tls=TLSFacts()))
    assert offer is not None
    assert offer.serialize() == (
        b"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>20000</max-bytes>"
        b"<idle-seconds>600</idle-seconds></limits>"
    )


def test_nothing_is_told_while_tls_has_to_be_started_first() -> None:
    assert FEATURE.offer(RECEIVING) is None


def test_a_stream_that_never_idles_says_nothing_of_idling() -> None:
    offer = FEATURE.offer(replace(RECEIVING, terms=replace(TERMS, idle_seconds=0, require_tls=False)))
    assert offer is not None
    assert offer.first(name="idle-seconds") is None


@pytest.mark.parametrize(
    ("told", "noted"),
    [
        (
            "<max-bytes>10000</max-bytes><idle-seconds> 1800 </idle-seconds>",
            PeerLimits(stanza_bytes=10000, idle_seconds=1800),
        ),
        ("<idle-seconds>5</idle-seconds>", PeerLimits(idle_seconds=5)),
        ("<max-bytes>-1</max-bytes>", PeerLimits()),
        ("<max-bytes>many</max-bytes>", PeerLimits()),
        ("<max-bytes>" + "9" * 5000 + "</max-bytes>", PeerLimits()),
        ("<max-bytes>\u0663</max-bytes>", PeerLimits()),
    ],
)
def test_what_the_other_side_takes_is_noted(told: str, noted: PeerLimits) -> None:
    facts = replace(RECEIVING, role=Role.INITIATING)
    offered = parse_element(features(f"<limits xmlns='urn:xmpp:stream-limits:0'>{told}</limits>"))
    assert FEATURE.begin(facts, offered) == Step(facts=replace(facts, peer_limits=noted), then=Then.CONTINUE)


def test_silence_is_no_limit() -> None:
    facts = replace(RECEIVING, role=Role.INITIATING)
    step = FEATURE.begin(facts, parse_element(features("")))
    assert step is not None
    assert step.facts.peer_limits == PeerLimits()
