"""Stream management as a feature: who may say what, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from gateway.features.stream_management import (
    REQUEST,
    Acknowledged,
    AcknowledgementRequested,
    GrantManagement,
    LastAcknowledgement,
    ManagementEnabled,
    ManagementGranted,
    ManagementRefused,
    ResumeStream,
    ResumptionDecided,
    ResumptionRefused,
    StreamManagement,
    StreamResumed,
    acknowledgement,
)
from gateway.stream.facts import ClientFacts, Facts, Management, Means, Resumable, Role, ServerFacts
from gateway.stream.negotiation import Step, Then
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import STANZA_ERRORS, STREAM_MANAGEMENT, STREAMS

PAIR = DomainPair(Domain("capulet.test"), Domain("montague.test"))
PROVED = {PAIR: Means.EXTERNAL}


def proved(facts: Facts) -> bool:
    return bool(facts.proofs)


FEATURE = StreamManagement(offers=proved, may_enable=proved)
NEW = ServerFacts(role=Role.INITIATING, local=PAIR.sender, remote=PAIR.target)
INITIATING = replace(NEW, proofs=PROVED)
RESUMING = replace(INITIATING, resuming=Resumable(id="mantua", h=7), management=Management.RESUMING)
RECEIVING = ServerFacts(role=Role.RECEIVING, local=PAIR.target, remote=PAIR.sender, proofs=PROVED)
OFFER = Element(STREAMS, "features", {}, [Element(STREAM_MANAGEMENT, "sm")])


def managed(facts: Facts) -> Facts:
    return replace(facts, management=Management.ON)


def sm(name: str, condition: str = "", **attributes: str) -> Element:
    return Element(STREAM_MANAGEMENT, name, attributes, [Element(STANZA_ERRORS, condition)] if condition else [])


ENABLE = sm("enable", resume="true")


@dataclass(frozen=True)
class Case:
    """One element arrives in a situation: the output, and the state of the stream afterwards."""

    situation: str
    facts: Facts
    gets: Element
    outputs: list[object]
    management: Management
    then: Then = Then.AWAIT


CASES = [
    Case("asked to enable", RECEIVING, sm("enable"), [GrantManagement(resumable=False)], Management.NONE, Then.SUSPEND),
    Case("asked for resumable", RECEIVING, ENABLE, [GrantManagement(resumable=True)], Management.NONE, Then.SUSPEND),
    Case(
        "asked to enable before any proof",
        replace(RECEIVING, proofs={}),
        ENABLE,
        [sm("failed", "unexpected-request")],
        Management.NONE,
    ),
    Case(
        "asked to resume",
        RECEIVING,
        sm("resume", previd="mantua", h="7"),
        [ResumeStream(id="mantua", h=7)],
        Management.NONE,
        Then.SUSPEND,
    ),
    Case(
        "asked to resume before any proof",
        replace(RECEIVING, proofs={}),
        sm("resume", previd="mantua", h="7"),
        [sm("failed", "unexpected-request")],
        Management.NONE,
    ),
    Case("enabled", managed(INITIATING), sm("enabled"), [ManagementEnabled()], Management.ON),
    Case(
        "enabled, resumable",
        managed(INITIATING),
        sm("enabled", id="mantua", resume="1", max="60"),
        [ManagementEnabled(id="mantua", seconds=60)],
        Management.ON,
    ),
    Case(
        "enabled with an id that is not for resuming",
        managed(INITIATING),
        sm("enabled", id="mantua"),
        [ManagementEnabled()],
        Management.ON,
    ),
    Case(
        "not enabled",
        managed(INITIATING),
        sm("failed", "internal-server-error"),
        [ManagementRefused()],
        Management.NONE,
    ),
    Case(
        "resumed",
        RESUMING,
        sm("resumed", previd="mantua", h="12"),
        [StreamResumed(h=12)],
        Management.ON,
        Then.CONTINUE,
    ),
    Case(
        "not resumed, with what was handled",
        RESUMING,
        sm("failed", "item-not-found", h="12"),
        [ENABLE, ResumptionRefused(h=12)],
        Management.ON,
        Then.CONTINUE,
    ),
    Case(
        "not resumed",
        RESUMING,
        sm("failed", "item-not-found"),
        [ENABLE, ResumptionRefused()],
        Management.ON,
        Then.CONTINUE,
    ),
    Case("asked for an acknowledgement", managed(RECEIVING), sm("r"), [AcknowledgementRequested()], Management.ON),
    Case("acknowledged", managed(INITIATING), sm("a", h="4294967295"), [Acknowledged(h=2**32 - 1)], Management.ON),
    Case("acknowledged, unmanaged", INITIATING, sm("a", h="5"), [], Management.NONE),
    Case("asked for an acknowledgement, unmanaged", RECEIVING, sm("r"), [], Management.NONE),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.situation)
def test_every_element_has_its_consequence(case: Case) -> None:
    step = FEATURE.receive(case.facts, case.gets)
    assert (list(step.outputs), step.facts.management, step.then) == (case.outputs, case.management, case.then)


@pytest.mark.parametrize(
    ("facts", "element"),
    [
        (managed(RECEIVING), ENABLE),
        (managed(RECEIVING), sm("resume", previd="mantua", h="7")),
        (INITIATING, ENABLE),
        (RECEIVING, sm("enabled")),
        (INITIATING, sm("enabled")),
        (RESUMING, sm("resumed", previd="verona", h="7")),
        (INITIATING, sm("failed")),
    ],
)
def test_what_comes_out_of_turn_ends_the_stream(facts: Facts, element: Element) -> None:
    with pytest.raises(StreamError) as raised:
        FEATURE.receive(facts, element)
    assert raised.value.condition is StreamCondition.UNSUPPORTED_STANZA_TYPE


@pytest.mark.parametrize("h", [None, "", "-1", "4294967296", "1.0", "\u0663", "9" * 5000])
def test_an_h_must_be_an_unsigned_int(h: str | None) -> None:
    with pytest.raises(StreamError) as raised:
        FEATURE.receive(managed(INITIATING), Element(STREAM_MANAGEMENT, "a", {"h": h}))
    assert raised.value.condition is StreamCondition.INVALID_XML


def test_it_is_offered_once_a_domain_is_proved() -> None:
    assert FEATURE.offer(RECEIVING) == sm("sm")
    assert FEATURE.offer(replace(RECEIVING, proofs={})) is None


def test_it_is_enabled_where_it_is_offered_and_stanzas_follow_at_once() -> None:
    step = FEATURE.begin(INITIATING, OFFER)
    assert step == Step(facts=managed(INITIATING), outputs=[ENABLE], then=Then.CONTINUE)


@pytest.mark.parametrize(("facts", "offer"), [(NEW, OFFER), (INITIATING, Element(STREAMS, "features"))])
def test_it_is_passed_over_without_proof_or_offer(facts: Facts, offer: Element) -> None:
    assert FEATURE.begin(facts, offer) is None


def test_a_broken_stream_is_resumed_where_it_is_offered() -> None:
    facts = replace(INITIATING, resuming=Resumable(id="mantua", h=2**32 + 7))
    assert FEATURE.begin(facts, OFFER) == Step(
        facts=replace(facts, management=Management.RESUMING),
        outputs=[sm("resume", h="7", previd="mantua")],
        then=Then.CONTINUE,
    )


def test_a_granted_stream_says_how_it_can_be_resumed() -> None:
    step = FEATURE.answered(RECEIVING, ManagementGranted(id="mantua", seconds=60))
    assert list(step.outputs) == [sm("enabled", id="mantua", resume="true", max="60")]
    assert step.facts.management is Management.ON
    assert list(FEATURE.answered(RECEIVING, ManagementGranted()).outputs) == [sm("enabled")]


def test_a_resumed_stream_says_what_was_handled() -> None:
    step = FEATURE.answered(RECEIVING, ResumptionDecided(id="mantua", resumed=True, h=12))
    assert list(step.outputs) == [sm("resumed", h="12", previd="mantua")]
    assert (step.facts, step.then) == (replace(RECEIVING, management=Management.ON), Then.CONTINUE)


def test_a_resumed_stream_of_a_client_has_its_address() -> None:
    client = Address.parse("romeo@montague.test/orchard")
    known = ClientFacts(role=Role.RECEIVING, client=client.bare_address)
    step = FEATURE.answered(known, ResumptionDecided(id="mantua", resumed=True, h=12, client=client))
    assert step.facts == replace(known, management=Management.ON, client=client)


def test_a_stream_that_is_not_resumed_may_still_be_managed() -> None:
    step = FEATURE.answered(RECEIVING, ResumptionDecided(id="mantua", resumed=False, h=12))
    assert list(step.outputs) == [sm("failed", "item-not-found", h="12")]
    assert step.facts.management is Management.NONE


def test_the_bytes_that_are_written_behind_stanzas_are_the_elements() -> None:
    assert sm("r").serialize() == REQUEST
    assert acknowledgement(12) == sm("a", h="12").serialize()


def test_whoever_closes_a_managed_stream_acknowledges_before() -> None:
    assert list(FEATURE.closing(managed(RECEIVING))) == [LastAcknowledgement()]
    assert not FEATURE.closing(RECEIVING)
