"""One established stream of each kind, with a real stream, session and router behind it, and no socket.

end = server()                     # or relayed(), component(), client()
end.type(end.good("1"), "<message from='not proved' .../>")
assert end.arrived() == ["1"]      # ids of messages, at those for whom they were
assert end.condition == "invalid-from"
assert end.told() == []            # error stanzas for the other end of the stream
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.components.route import ComponentRoute
from gateway.components.session import ComponentSession
from gateway.dialback.keys import KeyMaker
from gateway.features.dialback import Dialback
from gateway.features.handshake import Handshake
from gateway.features.stream_management import between_servers
from gateway.federation.admission import Admission
from gateway.federation.broken_streams import BrokenStreams
from gateway.federation.inbound import InboundSession
from gateway.federation.resumable_streams import ResumableStreams
from gateway.federation.session import SessionTools
from gateway.notices.attempts.records import Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.notices import Notice, StanzaBounced
from gateway.outbox.keeper import Keeper
from gateway.routing.outflow import Outflow, OutflowBounds, QueueSpace
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.stream.budget import Budget
from gateway.stream.events import CloseTransport, Send, StanzasReceived
from gateway.stream.facts import ClientFacts, ComponentFacts, Means, Role, ServerFacts, Terms, TLSFacts
from gateway.stream.profiles import component_profile, server_profile
from gateway.stream.stream import Output, Stream
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.elements import parse_element
from gateway.xmpp.errors import StanzaCondition, StreamError
from gateway.xmpp.faults import StreamKind
from gateway.xmpp.stanzas import Stanza
from tests.support.doors import House
from tests.support.pair import make_stream
from tests.support.routers import Recorder
from tests.support.talk import header
from tests.support.trees import stanza

OURS, THEIRS, RELAYED, COMPONENT = (Domain(f"{name}.test") for name in ("ours", "theirs", "relayed", "component"))
UNKNOWN = Domain("unknown.test")
DIALBACK = Dialback(
    KeyMaker(b"0123456789abcdef"),
    lambda domain: True,
    lambda pair: StanzaCondition.ITEM_NOT_FOUND if pair.target == UNKNOWN else Terms(),
)
LIMITS = Budget(depth=10, elements=50, attributes=20)
STANZA_BYTES = 10_000
MANAGED = "<enable xmlns='urn:xmpp:sm:3'/>"
ASK = "<r xmlns='urn:xmpp:sm:3'/>"


class End:
    """What all kinds have in common; to its session this is the Connection."""

    kind: StreamKind
    sender: str  # who is there, as others see it
    recipient: str  # somebody else
    session: Any
    stream: Stream

    def __init__(self) -> None:
        self.written = b""  # to the other end of the stream
        self.error: StreamError | None = None
        self.notices: list[Notice] = []
        self.clock = Clock()
        self.bytes_in = self.bytes_out = 0
        self.is_lost = False
        self.has_room = True
        self.peer_address = "192.0.2.1:40000"
        self.there = Recorder()  # everybody who is not at this end of the stream
        self.own = Domains({OURS: DomainRule(), COMPONENT: DomainRule(with_subdomains=True), RELAYED: self.relay_rule})
        self.router = Router(self.own, lambda pair: self.there, self.notices.append)
        for domain in (OURS, COMPONENT):
            self.router.attach(domain, self.there)

    relay_rule = DomainRule(terms=Terms(require_tls=False))

    def new_log(self, kind: Kind) -> StreamLog:
        """The record of this stream."""
        return StreamLog(self.notices.append, self.clock.seconds, 1, Direction.IN, kind=kind)

    # -- what a test does ----------------------------------------------------------------------------------------------

    def type(self, *texts: str | bytes) -> End:
        """The other end sends this, each text in its own read."""
        for text in texts:
            self._carry_out(self.stream.received(text.encode() if isinstance(text, str) else text))
        return self

    def good(self, id_: str) -> str:
        """A message of somebody else on the same stream."""
        return f"<message from='{self.neighbour}' to='{self.recipient}' id='{id_}'><body>Hi</body></message>"

    @property
    def neighbour(self) -> str:
        """Another sender on the same stream."""
        return f"another@{self.sender.partition('@')[2] or self.sender}"

    def forget(self) -> None:
        """Forget what was said and what has arrived so far."""
        self.written = b""
        self.notices.clear()
        self.there.got.clear()

    def arrived(self) -> list[str | None]:
        """The ids of the messages that have come to those for whom they were."""
        return [each.id for each in self.there.got if each.type != "error"]

    def told(self) -> list[Stanza]:
        """The error stanzas for the other end of the stream."""
        return [each for each in self.there.got if each.type == "error"]

    def dropped(self) -> list[str]:
        """The names of the rules by which something ended without an answer."""
        return [each.condition for each in self.notices if isinstance(each, StanzaBounced) and not each.answered]

    @property
    def condition(self) -> str | None:
        """With which we have closed the stream."""
        return str(self.error.condition) if self.error is not None else None

    # -- as a Connection -----------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.written += data

    def room(self) -> Deferred[None] | None:
        return None

    def answer(self, answer: object) -> None:
        self._carry_out(self.stream.answer(answer))

    def perform(self, step: Any) -> None:
        self._carry_out(self.stream.perform(step))

    def close(self, error: StreamError | None = None) -> None:
        self._carry_out(self.stream.close(error))

    def abort(self, because: str) -> None:
        self.is_lost = True

    def _carry_out(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.write(output.data)
            elif isinstance(output, StanzasReceived):
                self.session.stanzas_received(output.stanzas)
            else:
                if isinstance(output, CloseTransport):
                    self.error = self.error or output.error
                self.session.happened(output)


class _Nobody:
    """Lenders where nothing is ever lent."""

    def __init__(self) -> None:
        self.broken = BrokenStreams(Clock(), lambda broken: Deferred())

    def lend(self, session: object, pair: DomainPair) -> None:
        pass

    def unlend(self, session: object) -> None:
        pass


class ServerEnd(End):
    """A stream that another server has opened and on which one pair is proved; stanzas are acknowledged."""

    def __init__(self, kind: StreamKind, remote: Domain, recipient: str, *, proves: bool = True) -> None:
        super().__init__()
        self.kind, self.sender, self.recipient = kind, f"somebody@{remote}", recipient
        pair = DomainPair(remote, OURS)
        facts = ServerFacts(
            role=Role.RECEIVING,
            local=OURS,
            remote=remote,
            terms=Terms(require_tls=False, stanza_bytes=STANZA_BYTES),
            tls=TLSFacts(version="TLSv1.3"),
            proofs={pair: Means.EXTERNAL} if proves else {},
        )
        profile = server_profile(DIALBACK, between_servers())
        self.stream = make_stream(profile, facts, lambda header, facts: facts, LIMITS)
        self.session = InboundSession(
            self,
            self.new_log(Kind.SERVER),
            DIALBACK,
            SessionTools(admission=Admission(self.own, self.router, self.notices.append), clock=self.clock),
            verify=lambda order, asker: Deferred(),
            reached=lambda pair: None,
            lenders=_Nobody(),  # type: ignore[arg-type]
            resumable_streams=ResumableStreams(lambda: "id", lambda: 0.0),
        )
        self.type(header(remote, OURS))
        if proves:
            self.type(MANAGED)
        self.written = b""

    def handled(self) -> int:
        """Return how many stanzas we acknowledge."""
        self.written = b""
        self.type(ASK)
        return int(self.written.partition(b"h='")[2].partition(b"'")[0])


class ComponentEnd(End):
    """The stream of a component that is attached."""

    kind = StreamKind.COMPONENT
    sender, recipient = f"somebody@{COMPONENT}", "juliet@far.test"

    def __init__(self, *, proves: bool = True) -> None:
        super().__init__()
        outflow = Outflow(OutflowBounds(), QueueSpace(1 << 20), self.clock)
        keeper = Keeper(self.clock, self.clock.seconds)
        route = ComponentRoute(COMPONENT, self.router, [outflow], self.clock, self.notices.append, keeper=keeper)
        self.router.attach(COMPONENT, route)
        terms = Terms(require_tls=False, stanza_bytes=STANZA_BYTES)
        facts = ComponentFacts(role=Role.RECEIVING, local=COMPONENT, terms=terms)
        profile = component_profile(Handshake({COMPONENT: "secret"}.get))
        self.stream = make_stream(profile, facts, lambda header, facts: facts, LIMITS)
        self.session = ComponentSession(
            self, self.new_log(Kind.COMPONENT), {COMPONENT: route}.get, self.router, self.notices.append
        )
        self.type(header(None, COMPONENT, version=None, namespace="jabber:component:accept"))
        stream_id = self.written.decode().partition("id='")[2].partition("'")[0]
        if proves:
            self.type(f"<handshake>{sha1(f'{stream_id}secret'.encode()).hexdigest()}</handshake>")
        self.written = b""

    def told(self) -> list[Stanza]:
        return errors_in(self.written)


class ClientEnd(End):
    """The stream of a client that has bound a resource."""

    kind = StreamKind.CLIENT
    sender, recipient = "alice@example.com/phone", "juliet@far.test"

    def __init__(self, *, proves: bool = True) -> None:
        super().__init__()
        self._house = House("alice")
        line = self._house.connect()
        line.stream._budget = LIMITS
        line.stream.facts = ClientFacts(role=Role.RECEIVING, terms=Terms(stanza_bytes=STANZA_BYTES))
        self._line = line.login("alice", resource="phone") if proves else line.secure()
        self.stream = line.stream

    @property
    def neighbour(self) -> str:
        return self.sender

    def type(self, *texts: str | bytes) -> End:
        self._line.say(*(text if isinstance(text, str) else text.decode() for text in texts))
        self.written += self._line.heard().encode()
        self.error = self._line.error
        return self

    def forget(self) -> None:
        super().forget()
        self._house.world.got.clear()
        self._house.notices.clear()

    def arrived(self) -> list[str | None]:
        return [each.id for each in self._house.world.got if each.type != "error"]

    def told(self) -> list[Stanza]:
        return errors_in(self.written)

    def dropped(self) -> list[str]:
        return []


def server(*, proves: bool = True) -> ServerEnd:
    """A server of another domain."""
    return ServerEnd(StreamKind.SERVER, THEIRS, f"juliet@{OURS}", proves=proves)


def relayed(*, proves: bool = True) -> ServerEnd:
    """A server behind us."""
    return ServerEnd(StreamKind.RELAYED, RELAYED, f"juliet@{OURS}", proves=proves)


ENDS: dict[StreamKind, Callable[..., End]] = {
    StreamKind.SERVER: server,
    StreamKind.RELAYED: relayed,
    StreamKind.COMPONENT: ComponentEnd,
    StreamKind.CLIENT: ClientEnd,
}


def errors_in(written: bytes) -> list[Stanza]:
    """The error stanzas among what was written to a stream."""
    return [stanza(text) for text in _top_level(written) if " type='error'" in text.partition(">")[0]]


def _top_level(written: bytes) -> list[str]:
    """The whole elements that a stream was written."""
    whole = b"<all>" + written.replace(b"</stream:stream>", b"") + b"</all>"
    root = b"<root xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    return [each.serialize("jabber:client").decode() for each in parse_element(whole, root).elements()]


def condition_of(error: Stanza) -> str:
    """The condition that an error stanza names."""
    children = error.element.first(name="error")
    assert children is not None
    return next(children.elements("urn:ietf:params:xml:ns:xmpp-stanzas")).name
