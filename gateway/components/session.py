"""ComponentSession: one connection of an external component (XEP-0114)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from twisted.internet.defer import Deferred

from gateway.components.life import SPEAKING, TRANSITIONS, Life, Move
from gateway.components.narration import ComponentNarrator
from gateway.components.route import ComponentRoute
from gateway.features.handshake import AttachComponent, ComponentAttached
from gateway.notices.attempts.records import Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.notices import Publish, StanzasPassed
from gateway.outbox.settlement import Proof
from gateway.outbox.window import Break
from gateway.routing.outflow import Lately
from gateway.routing.policy import are_from, check_component
from gateway.routing.router import Router
from gateway.stream.events import CloseTransport
from gateway.stream.lives import after
from gateway.stream.sessions import Connection, Ending
from gateway.stream.stream import Output
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, StanzaDropped, StanzaError, StreamCondition, StreamError
from gateway.xmpp.namespaces import PING
from gateway.xmpp.stanzas import CONTENT, AddressedStanza, Stanza, domains_of

_LIFE = "alive"
_ASKED = Life.ASKED  # looked up once, not with every batch


class ComponentSession:
    """One connection of a component."""

    is_elsewhere = False
    proof = Proof.READ

    def __init__(
        self,
        connection: Connection,
        log: StreamLog,
        routes: Callable[[Domain], ComponentRoute | None],
        router: Router,
        publish: Publish,
    ) -> None:
        self.log = log
        self.narrator = ComponentNarrator(log)
        self.narrator.connected(connection)
        self.connection = connection
        self.address = connection.peer_address
        self._routes = routes
        self._route: ComponentRoute | None = None
        self._router = router
        self._publish = publish
        self.written = Lately()
        self._life = Life.OUTSIDE

    # -- as a Session ------------------------------------------------------------------------------------------------

    def happened(self, output: Output) -> None:
        self.narrator.happened(output)
        if isinstance(output, AttachComponent):
            # Not before: a reload between header and handshake may have put another route in place.
            self._route = self._routes(output.domain)
            self._own_route.attach(self)
        elif isinstance(output, CloseTransport):
            stream = self.connection.stream
            is_theirs = stream.closed_by_them or stream.their_error is not None
            self._leave(self.narrator.last_error or "the stream was closed", Break.THEIRS if is_theirs else Break.OTHER)

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Admit and route a batch; the first stanza that breaks a rule of the stream ends it, after those before it."""
        self.log.stanzas("came in")
        if self._life not in SPEAKING:
            return None
        route = self._own_route
        route.came(self, stanzas)
        if self._life is _ASKED:
            stanzas = self._without_sign_of_life(stanzas, route.domain)
        try:
            for way, run in groupby(stanzas, domains_of):
                together = list(run)
                if are_from(together, way, route.domain):
                    self._router.route_all(together)
                else:
                    self._route_checked(together, route.domain)
        except StreamError as error:
            self.connection.close(error)
        size = sum([len(stanza.raw) for stanza in stanzas])
        self._publish(
            StanzasPassed(
                came_in=True, via=Kind.COMPONENT, source=route.domain, target="others", stanzas=stanzas, size=size
            )
        )
        return self._router.flush()

    @property
    def _own_route(self) -> ComponentRoute:
        if self._route is None:
            raise Misuse("this component has not proved that it knows the secret of a domain that has a route")
        return self._route

    def _route_checked(self, stanzas: Iterable[Stanza], domain: Domain) -> None:
        for stanza in stanzas:
            try:
                admitted = check_component(stanza, domain, self._router.domains)
            except (StanzaError, StanzaDropped) as error:
                self._router.refuse(stanza, error, Address.make("", domain, ""))
            else:
                self._router.route(admitted)

    def _without_sign_of_life(self, stanzas: Sequence[Stanza], domain: Domain) -> Sequence[Stanza]:
        """Return the stanzas without the answer to our own question, which is for nobody else."""
        itself = Address.make("", domain, "")
        others = [each for each in stanzas if (each.id, each.from_, each.to) != (_LIFE, itself, itself)]
        if len(others) < len(stanzas):
            self._move(Move.ANSWER)
        return others

    def outstanding(self) -> Deferred[None] | None:
        """Return None: everything that can be answered at once has been."""
        return None

    def lost(self, ending: Ending) -> None:
        self._move(Move.LOSE)
        self.narrator.lost(ending.reason)
        self._leave(ending.reason, Break.THEIRS if ending.is_theirs else Break.OTHER)
        if self._route is not None:
            self._route.gone(self, ending)

    def _move(self, move: Move) -> None:
        self._life = after(TRANSITIONS, self._life, move)

    def _leave(self, reason: str, made: Break) -> None:
        """Detach, because nothing more can be written."""
        if self._route is not None:
            self._route.detach(self, reason, made)

    # -- for the route -----------------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """As `Channel.has_room`."""
        return self.connection.has_room

    def send(self, batch: Sequence[AddressedStanza]) -> None:
        """As `Channel.send`."""
        self.connection.write(self._own_route.sending(self, batch))

    def write_kept(self, stanzas: Sequence[AddressedStanza]) -> None:
        """As `Attachable.write_kept`."""
        self.connection.write(b"".join([stanza.raw for stanza in stanzas]))

    def prove(self, ping: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        """As `Attachable.prove`."""
        self._router.own_questions.ask(ping, answered)
        self.connection.write(ping.raw)

    def room(self) -> Deferred[None] | None:
        """As `Channel.room`."""
        return self.connection.room()

    def accept(self) -> None:
        """Give the domain to this connection."""
        self._move(Move.ACCEPT)
        self.connection.answer(ComponentAttached(accepted=True))

    def refuse(self) -> None:
        """Refuse this connection, because another one keeps the domain."""
        self.connection.answer(ComponentAttached(accepted=False))

    def ping(self) -> None:
        """Ask for a sign of life."""
        domain = self._own_route.domain
        ping = Element(
            CONTENT, "iq", {"type": "get", "from": domain, "to": domain, "id": _LIFE}, [Element(PING, "ping")]
        )
        self._move(Move.ASK)
        self.connection.write(ping.serialize(CONTENT))

    def replaced(self) -> None:
        """End this connection, because another one has taken over."""
        self._move(Move.REPLACE)
        self.connection.close(StreamError(StreamCondition.CONFLICT, "another connection of this component took over"))

    def end(self, error: StreamError, *, disowned: bool) -> None:
        """As `Attachable.end`."""
        if disowned:
            self._move(Move.DISOWN)
        self.connection.close(error)
