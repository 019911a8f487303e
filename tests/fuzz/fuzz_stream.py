"""Streams under mutated talks, with owners that answer every question.

For every input: nothing is raised; what comes out is of the declared kinds; nothing is sent behind our
closing tag; no stanza passes before negotiation is complete; nothing is proved without an event that says so; and all
that was sent is well-formed. A segment that does not restart the stream does the same whole and in pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from gateway.clients.people import client_features
from gateway.dialback.keys import KeyMaker
from gateway.features.bidi import Bidirectional
from gateway.features.bind import BindResource, ResourceBound
from gateway.features.dialback import Dialback, DialbackQuestions
from gateway.features.handshake import AttachComponent, ComponentAttached, Handshake
from gateway.features.limits import StreamLimits
from gateway.features.sasl import Compute, CredentialsFound, FindCredentials, Pause, Paused, carry_out
from gateway.features.sasl_servers import accepting_servers, proving_to_servers
from gateway.features.starttls import StartTLS
from gateway.features.stream_management import (
    GrantManagement,
    ManagementGranted,
    ResumeStream,
    ResumptionDecided,
    between_servers,
)
from gateway.sasl.keys import Decoys
from gateway.stream.budget import Budget
from gateway.stream.events import (
    CloseTransport,
    Event,
    NegotiationCompleted,
    Order,
    PairChecked,
    PairVerified,
    Secured,
    SecureTransport,
    Send,
    StanzasReceived,
    VerifyPair,
)
from gateway.stream.expat import XMLChecker
from gateway.stream.facts import ClientFacts, ComponentFacts, Facts, NegotiatedFacts, Role, ServerFacts, Terms, TLSFacts
from gateway.stream.profiles import Profile, component_profile, server_profile
from gateway.stream.states import State
from gateway.stream.stream import Output, Stream
from gateway.stream.tools import StreamTools
from gateway.xmpp.addresses import Address, AddressCache, Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition
from tests.fuzz.mutation import cut, mutate
from tests.fuzz.transcripts import BOUND, CLIENTS, COMPONENT, INBOUND, OUTBOUND
from tests.support.pair import Certificate, accept_anything

OURS, THEIRS, BRIDGE = Domain("ours.test"), Domain("theirs.test"), Domain("bridge.ours.test")
BANNED = Domain("banned.test")
ADDRESSES = AddressCache()
TERMS = (Terms(), Terms(require_tls=False), Terms(bidirectional=True, managed=True))
CERTIFICATES = (Certificate(names=frozenset({THEIRS})), Certificate(names=frozenset({"other.test"})), None)
DIALBACK = Dialback(
    KeyMaker(b"0123456789abcdef"),
    lambda domain: domain == OURS,
    lambda pair: StanzaCondition.FORBIDDEN if pair.sender == BANNED else Terms(),
)
SENT_HEADER = b"<?xml version='1.0'?>"
_ERROR = re.compile(rb"<stream:error>.*?</stream:error>", re.DOTALL)


@dataclass(frozen=True)
class Kind:
    """One kind of stream: its profile, what is known at its start, what is said to it."""

    profile: Profile
    facts: Callable[[Terms], Facts]
    talks: Sequence[Sequence[str]]


def _server(role: Role, terms: Terms) -> Facts:
    return ServerFacts(role=role, local=OURS if role is Role.INITIATING else None, terms=terms,
                 remote=THEIRS if role is Role.INITIATING else None)  # fmt: skip


def _component(_: Terms) -> Facts:
    return ComponentFacts(role=Role.RECEIVING, local=BRIDGE, remote=BRIDGE, terms=Terms(require_tls=False))


def _client(account: str | None, terms: Terms) -> Facts:
    if account is None:
        return ClientFacts(role=Role.RECEIVING, terms=terms)
    return ClientFacts(role=Role.RECEIVING, terms=terms, tls=TLSFacts(), client=Address.parse(account))


RECEIVING, INITIATING = (
    Kind(
        server_profile(
            StartTLS(), accepting_servers(lambda: "n"), DIALBACK, Bidirectional(), StreamLimits(), between_servers()
        ),
        partial(_server, Role.RECEIVING),
        INBOUND,
    ),
    Kind(
        server_profile(
            StartTLS(), Bidirectional(), proving_to_servers(lambda: "n"), DIALBACK, StreamLimits(), between_servers()
        ),
        partial(_server, Role.INITIATING),
        OUTBOUND,
    ),
)
KINDS = (
    RECEIVING,
    INITIATING,
    Kind(server_profile(StartTLS(), DialbackQuestions(DIALBACK)), partial(_server, Role.INITIATING), OUTBOUND),
    Kind(component_profile(Handshake({BRIDGE: "secret"}.get)), _component, COMPONENT),
    Kind(client_features(Decoys(b"0123456789abcdef"), lambda: "n"), partial(_client, None), CLIENTS),
    Kind(client_features(Decoys(b"0123456789abcdef"), lambda: "n"), partial(_client, "alice@ours.test"), BOUND),
)


def one_input(rng: Random) -> None:
    """Make a talk, have it once in whole segments and once in pieces, and check all that is promised."""
    kind = rng.choice(KINDS)
    segments = [mutate(rng, text.encode()) if rng.random() < 0.3 else text.encode() for text in rng.choice(kind.talks)]
    terms, certificate = rng.choice(TERMS), rng.choice(CERTIFICATES)
    whole, pieces = Owner(kind, terms, certificate), Owner(kind, terms, certificate)
    for segment in segments:
        whole.hear([segment])
        pieces.hear(cut(rng, segment))
        # A large token is judged when its end is here; until then the pieces may be behind.
        if pieces.restarted_inside or pieces.stream._codec._checker._held is not None:
            return
        assert pieces.said == whole.said, segments
        assert pieces.stream.state is whole.stream.state, segments
        assert _settled(pieces.stream.facts) == _settled(whole.stream.facts), segments


CLOSED = "closed"


@dataclass(frozen=True)
class Sent:
    """Bytes that went out."""

    data: bytes


@dataclass
class Owner:
    """The owner of a stream: answers its questions after each segment, and watches what it says."""

    kind: Kind
    terms: Terms
    certificate: Certificate | None
    said: list[object] = field(default_factory=list)
    restarted_inside: bool = False

    def __post_init__(self) -> None:
        ids = iter(map(str, range(1000)))
        tools = StreamTools(addresses=ADDRESSES, new_id=lambda: next(ids))
        facts = self.kind.facts(self.terms)
        self.stream = Stream(self.kind.profile, facts, accept_anything, tools, Budget(stanza_bytes=5000, depth=10))
        self._questions: list[Output] = []
        self._sent = XMLChecker()
        self._completed = False
        self._verified: set[DomainPair] = set()
        if facts.role is Role.INITIATING:
            self._note(self.stream.open())

    def hear(self, pieces: list[bytes]) -> None:
        for number, piece in enumerate(pieces, 1):
            before = self.stream.state
            self._note(self.stream.received(piece))
            restarts = self.stream.state is State.AWAITING_HEADER and before is not State.AWAITING_HEADER
            restarts |= any(isinstance(question, SecureTransport) for question in self._questions)
            self.restarted_inside |= restarts and number < len(pieces)
        questions, self._questions = self._questions, []
        for question in questions:
            self._note(self.stream.answer(self._answer(question)))

    def _answer(self, question: Output) -> object:
        match question:
            case SecureTransport():
                return Secured(tls=TLSFacts(version="TLSv1.3"), certificate=self.certificate)
            case VerifyPair(pair=pair, key=key):
                valid = {"0": False, "1": None}.get(key[-1], True)
                return PairChecked(pair=pair, valid=valid, condition="remote-server-timeout")
            case AttachComponent():
                return ComponentAttached(accepted=True)
            case FindCredentials():
                return CredentialsFound(keys=None)
            case Compute():
                return carry_out(question)
            case Pause():
                return Paused()
            case BindResource(account=account, id=id_):
                return ResourceBound(id=id_, address=account.with_resource("r"))
            case GrantManagement():
                return ManagementGranted(id="resumable", seconds=60)
            case ResumeStream(id=id_):
                return ResumptionDecided(id=id_, resumed=False)
        raise AssertionError(question)

    def _note(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            assert isinstance(output, Event | Order)
            assert CLOSED not in self.said or not isinstance(output, Order), output
            if isinstance(output, Send):
                self._check_sent(output.data)
            elif isinstance(output, StanzasReceived):
                assert self._completed
                self.said.extend(stanza.raw for stanza in output.stanzas)
            elif isinstance(output, CloseTransport):
                self.said.append(CLOSED)
            else:
                self.said.append(output if isinstance(output, Event) else type(output))
            if isinstance(output, NegotiationCompleted):
                self._completed = True
            elif isinstance(output, PairVerified):
                self._verified.add(output.pair)
            elif isinstance(output, Order) and not isinstance(output, Send | CloseTransport):
                self._questions.append(output)
        if self.kind.profile.content_namespace == "jabber:server":
            assert set(self.stream.facts.proofs) <= self._verified
        assert self.stream.is_open != (CLOSED in self.said)

    def _check_sent(self, data: bytes) -> None:
        """Check that everything sent from one header to the next is one well-formed document."""
        first, *restarts = data.split(SENT_HEADER)
        self._sent.feed(first)
        for restarted in restarts:
            self._sent = XMLChecker()
            self._sent.feed(SENT_HEADER + restarted)
        if self.said and isinstance(self.said[-1], Sent):
            data = self.said.pop().data + data  # type: ignore[attr-defined]
        # Which of two faults is named may depend on which was seen first; see `fuzz_codec`.
        self.said.append(Sent(_ERROR.sub(b"<stream:error/>", data)))


def _settled(facts: Facts) -> Facts:
    """Return the facts without SASL under way, whose objects are never equal."""
    return replace(facts, conversation=None) if isinstance(facts, NegotiatedFacts) else facts
