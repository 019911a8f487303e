"""What happens on a stream becomes steps, and its end one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.components.narration import ComponentNarrator
from gateway.features.handshake import AttachComponent
from gateway.notices.attempts.narration import Narrator, features_in_words
from gateway.notices.attempts.records import Attempt, AttemptStep, Direction, FurtherPair, Kind, StreamEnded
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Level, Notice
from gateway.stream.events import (
    CloseTransport,
    KeyAnswered,
    NegotiationCompleted,
    PairRefused,
    PairVerified,
    ProofFailed,
    Secured,
    StreamErrorReceived,
    StreamOpened,
)
from gateway.stream.facts import Means, Role, ServerFacts, TLSFacts
from gateway.stream.header import StreamHeader
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError, TLSRequired
from gateway.xmpp.namespaces import DIALBACK_FEATURE, SASL, STREAMS, TLS

OURS, THEIRS = Domain("im.test"), Domain("far.test")
PAIR = DomainPair(OURS, THEIRS)
TLS13 = TLSFacts(version="TLSv1.3", cipher="AES")
OPENED = StreamOpened(header=StreamHeader(content_namespace="jabber:server"))
OFFERED = Element(
    STREAMS,
    "features",
    {},
    [
        Element(SASL, "mechanisms", {}, [Element(SASL, "mechanism", {}, ["EXTERNAL"])]),
        Element(DIALBACK_FEATURE, "dialback"),
    ],
)


class Certificate:
    """What was shown."""

    description = "for far.test, valid until 2026-01-01"

    def __init__(self, problem: str = "", *, has_expired: bool = False) -> None:
        self.problem = problem
        self.has_expired = has_expired
        self.valid = not problem
        self.is_revoked = False
        self.unchecked = ""

    def proves(self, domain: Domain, means: Means = Means.EXTERNAL) -> bool:
        return self.valid and means is Means.EXTERNAL

    def why_not(self, domain: Domain, means: Sequence[Means] = ()) -> str:
        return self.problem

    def record(self, domain: Domain, means: Means) -> str:
        return ""


GOOD = Certificate()
EXPIRED = Certificate("the certificate expired on 2026-01-01", has_expired=True)
UNKNOWN = Certificate("the certificate is self-signed, and not among those that we trust")


class Scene:
    """A narrator, and the connection that it follows."""

    def __init__(self, direction: Direction = Direction.OUT, kind: Kind = Kind.SERVER) -> None:
        self.notices: list[Notice] = []
        self.log = StreamLog(self.notices.append, Clock().seconds, 1, direction, kind=kind)
        role = Role.INITIATING if direction is Direction.OUT else Role.RECEIVING
        self.stream = SimpleNamespace(
            facts=ServerFacts(role=role, local=OURS, remote=THEIRS), offered=None, header=None
        )
        self.connection: Any = SimpleNamespace(
            stream=self.stream, peer_address="192.0.2.1:5269", bytes_in=100, bytes_out=100
        )
        self.narrator = ComponentNarrator(self.log) if kind is Kind.COMPONENT else Narrator(self.log)
        self.narrator.connected(self.connection)

    def happened(self, *outputs: Any, **facts: Any) -> Scene:
        self.stream.facts = replace(self.stream.facts, **facts)
        for output in outputs:
            self.narrator.happened(output)
        return self

    def lost(self, reason: str) -> Attempt:
        self.narrator.lost(reason)
        return self.record

    @property
    def record(self) -> Attempt:
        assert self.log.record is not None
        return self.log.record


def we_end_it(condition: StreamCondition, reason: str = "so it is") -> CloseTransport:
    return CloseTransport(error=StreamError(condition, reason))


def test_a_stream_that_stands_has_its_steps() -> None:
    scene = Scene()
    scene.stream.offered = OFFERED
    scene.happened(OPENED, Secured(tls=TLS13, certificate=GOOD), tls=TLS13)  # type: ignore[arg-type]
    scene.happened(PairVerified(pair=PAIR, means=Means.EXTERNAL), NegotiationCompleted())
    record = scene.record
    assert [(step.step, step.told) for step in record.steps] == [
        (AttemptStep.CONNECT, "to 192.0.2.1:5269"),
        (AttemptStep.TLS, "TLSv1.3 with AES"),
        (AttemptStep.CERTIFICATE, "proves far.test"),
        (AttemptStep.PROOF, "by external"),
    ]
    assert record.steps[2].offered == "for far.test, valid until 2026-01-01"
    assert record.steps[2].required == "a valid certificate for far.test, or else dialback"
    assert record.steps[3].offered == "SASL EXTERNAL, dialback"
    assert record.verdict is Verdict.ESTABLISHED


@pytest.mark.parametrize(
    ("events", "facts", "verdict"),
    [
        ([we_end_it(StreamCondition.NOT_AUTHORIZED)], {"certificate": EXPIRED}, Verdict.CERTIFICATE_EXPIRED),
        ([we_end_it(StreamCondition.NOT_AUTHORIZED)], {"certificate": UNKNOWN}, Verdict.NOT_TRUSTED),
        ([we_end_it(StreamCondition.UNSUPPORTED_FEATURE)], {}, Verdict.NO_COMMON_PROOF),
        ([CloseTransport(error=TLSRequired())], {}, Verdict.NO_TLS),
        ([we_end_it(StreamCondition.POLICY_VIOLATION)], {}, Verdict.REFUSED_BY_US),
        ([we_end_it(StreamCondition.POLICY_VIOLATION)], {"tls": TLS13}, Verdict.REFUSED_BY_US),
        ([we_end_it(StreamCondition.CONNECTION_TIMEOUT)], {}, Verdict.TIMEOUT),
        ([we_end_it(StreamCondition.SYSTEM_SHUTDOWN)], {}, Verdict.CLOSED_BY_US),
        ([StreamErrorReceived(condition=StreamCondition.HOST_UNKNOWN, text="")], {}, Verdict.CLOSED_BY_PEER),
        (
            [
                PairRefused(pair=PAIR, condition="invalid", text=""),
                we_end_it(StreamCondition.UNSUPPORTED_FEATURE),
            ],
            {},
            Verdict.PROOF_REFUSED,
        ),
    ],
)
def test_the_end_of_a_stream_that_we_open_is_one_verdict(
    events: list[Any], facts: dict[str, Any], verdict: Verdict
) -> None:
    assert Scene().happened(*events, **facts).record.verdict is verdict


@pytest.mark.parametrize(
    ("direction", "events", "reason", "verdict"),
    [
        (Direction.OUT, [], "the other side closed the connection", Verdict.CONNECTION_LOST),
        (Direction.OUT, [], "TLS failed: no shared cipher", Verdict.TLS_FAILED),
        (
            Direction.OUT,
            [PairVerified(pair=PAIR, means=Means.EXTERNAL)],
            "the connection broke",
            Verdict.CLOSED_AFTER_PROOF,
        ),
        (
            Direction.OUT,
            [ProofFailed(means=Means.EXTERNAL, condition="not-authorized", text="")],
            "the other side closed the connection",
            Verdict.PROOF_REFUSED,
        ),
        (
            Direction.IN,
            [ProofFailed(means=Means.EXTERNAL, condition="not-authorized", text="")],
            "the other side closed the connection",
            Verdict.NOT_TRUSTED,
        ),
        (
            Direction.IN,
            [KeyAnswered(pair=PAIR, known=True, valid=True)],
            "the other side closed the stream",
            Verdict.QUESTIONS_ANSWERED,
        ),
    ],
)
def test_a_stream_that_breaks_off_is_judged_by_how_far_it_came(
    direction: Direction, events: list[Any], reason: str, verdict: Verdict
) -> None:
    assert Scene(direction).happened(*events).lost(reason).verdict is verdict


def test_who_connects_and_says_nothing_has_not_failed() -> None:
    scene = Scene(Direction.IN)
    scene.connection.bytes_in = 0
    record = scene.lost("the other side closed the connection")
    assert record.verdict is Verdict.SAID_NOTHING
    assert not record.verdict.is_failure


def test_with_tls_from_the_first_byte_the_certificate_is_judged_once_the_domain_is_known() -> None:
    scene = Scene(Direction.IN)
    scene.happened(Secured(tls=TLS13, certificate=EXPIRED), remote=None, tls=TLS13)  # type: ignore[arg-type]
    scene.happened(OPENED, remote=THEIRS, certificate=EXPIRED)
    scene.happened(OPENED)
    record = scene.lost("the other side closed the connection")
    assert [(step.step, step.ok) for step in record.steps] == [
        (AttemptStep.TLS, True),
        (AttemptStep.CERTIFICATE, False),
    ]


def test_a_component_with_a_wrong_secret_is_told_so() -> None:
    scene = Scene(Direction.IN, Kind.COMPONENT)
    scene.happened(OPENED, we_end_it(StreamCondition.NOT_AUTHORIZED), local=Domain("bridge.test"), remote=None)
    assert (scene.record.verdict, scene.record.remote) == (Verdict.WRONG_SECRET, "bridge.test")
    assert scene.record.steps[0].step is AttemptStep.PROOF
    assert scene.record.steps[0].required == 'the secret in [domains."bridge.test"]'


def test_a_component_that_nobody_expects_is_named() -> None:
    scene = Scene(Direction.IN, Kind.COMPONENT)
    called = Address.parse("stranger.test")
    scene.stream.header = StreamHeader(content_namespace="jabber:component:accept", to=called)
    scene.happened(we_end_it(StreamCondition.HOST_UNKNOWN), local=None, remote=None)
    assert scene.record.who == "component stranger.test (192.0.2.1:5269)"


def test_a_component_that_knows_the_secret_stands() -> None:
    scene = Scene(Direction.IN, Kind.COMPONENT)
    scene.happened(OPENED, local=Domain("bridge.test"), remote=None)
    scene.happened(AttachComponent(domain=Domain("bridge.test")), NegotiationCompleted())
    assert scene.record.verdict is Verdict.ESTABLISHED


def test_h_42_the_names_of_offered_features_are_bounded() -> None:
    many = [Element("urn:x", "y" * 500) for _ in range(200)]
    assert len(features_in_words(Element(STREAMS, "features", {}, many))) < 600
    starttls = Element(TLS, "starttls", {}, [Element(TLS, "required")])
    assert features_in_words(Element(STREAMS, "features", {}, [starttls])) == "STARTTLS (required)"
    assert features_in_words(Element(STREAMS, "features")) == "nothing"


@pytest.mark.parametrize(
    ("event", "level", "sentence"),
    [
        (
            PairVerified(pair=DomainPair(Domain("more.test"), THEIRS), means=Means.DIALBACK),
            Level.INFO,
            "stream from im.test to far.test (192.0.2.1:5269): proof of more.test towards far.test by dialback",
        ),
        (
            PairRefused(pair=DomainPair(Domain("more.test"), THEIRS), condition="invalid", text="no"),
            Level.WARN,
            "stream from im.test to far.test (192.0.2.1:5269): no proof of more.test towards far.test"
            " by dialback: refused (invalid: no)",
        ),
    ],
)
def test_a_further_pair_is_told_by_itself(event: PairVerified | PairRefused, level: Level, sentence: str) -> None:
    scene = Scene().happened(OPENED, PairVerified(pair=PAIR, means=Means.DIALBACK), NegotiationCompleted())
    scene.happened(event)
    notice = scene.notices[-1]
    assert isinstance(notice, FurtherPair)
    assert (notice.level, notice.sentence) == (level, sentence)
    assert scene.narrator.last_error == ""


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        (
            StreamErrorReceived(condition=StreamCondition.POLICY_VIOLATION, text="you are on our list"),
            Verdict.CLOSED_BY_PEER,
        ),
        (StreamErrorReceived(condition=StreamCondition.HOST_UNKNOWN, text=""), Verdict.CLOSED_BY_PEER),
        (StreamErrorReceived(condition=StreamCondition.SYSTEM_SHUTDOWN, text=""), Verdict.ENDED),
        (StreamErrorReceived(condition=StreamCondition.CONNECTION_TIMEOUT, text="idle"), Verdict.ENDED),
        (we_end_it(StreamCondition.POLICY_VIOLATION), Verdict.REFUSED_BY_US),
        (we_end_it(StreamCondition.SYSTEM_SHUTDOWN), Verdict.ENDED),
        (CloseTransport(error=None), Verdict.ENDED),
    ],
)
def test_an_established_stream_keeps_how_it_ended(end: Any, verdict: Verdict) -> None:
    scene = Scene().happened(PairVerified(pair=PAIR, means=Means.EXTERNAL), NegotiationCompleted(), end)
    scene.lost("the connection was closed")
    [ended] = [notice for notice in scene.notices if isinstance(notice, StreamEnded)]
    assert ended.verdict is verdict
    assert (ended.level is Level.WARN) == verdict.is_failure
