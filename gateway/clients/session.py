"""ClientSession: one connection of a client, from the first byte to the last.

It answers the questions of the stream's features: for keys, for work, for a resource, for stream management. Once a
resource is bound, or a parked client resumed, stanzas go to and from that `Client`. When the connection ends, so does
the client, unless it broke and the client may come back.

The table `_on` at the end says what happens for each event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.bounds.tables import address_of
from gateway.clients.client import Client
from gateway.clients.life import SESSIONS, SessionLife, SessionMove
from gateway.clients.liveness import Liveness
from gateway.clients.login import Login, LoginTry
from gateway.clients.narration import ClientNarrator
from gateway.clients.resumable_clients import ResumableClients
from gateway.features.bind import BindResource, ResourceBound
from gateway.features.client_state import ClientStateChanged
from gateway.features.sasl import Compute, CredentialsFound, FindCredentials, Pause
from gateway.features.sasl_clients import ClientAuthenticated
from gateway.features.stream_management import (
    REQUEST,
    Acknowledged,
    AcknowledgementRequested,
    GrantManagement,
    ManagementGranted,
    ResumeStream,
    ResumptionDecided,
    acknowledgement,
)
from gateway.im.answers import UNREACHED
from gateway.im.domain import AccountDomain
from gateway.notices.attempts.stream_log import StreamLog
from gateway.stream.events import CloseTransport, NegotiationCompleted, StreamClosed
from gateway.stream.facts import ClientFacts, Management
from gateway.stream.lives import after
from gateway.stream.sessions import Connection, Ending
from gateway.stream.stream import Output
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import (
    MalformedAddress,
    Misuse,
    SaslCondition,
    SaslFailure,
    SeeOtherHost,
    StanzaError,
    StreamCondition,
    StreamError,
)
from gateway.xmpp.namespaces import PING
from gateway.xmpp.stanzas import CONTENT, Stanza

HOME_SECONDS = 5.0
"""How long a login waits while its account lives nowhere; then it is refused for the moment."""
HOME_LOOK_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class ClientServices:
    """The services that all sessions of clients share."""

    domains: Mapping[Domain, AccountDomain]
    login: Login
    resumable_clients: ResumableClients
    clock: IReactorTime
    # returns a Deferred while stanzas to other servers would not survive a crash
    unsafe: Callable[[], Deferred[None] | None] = lambda: None
    # where clients reach the node that an account lives at: empty if that is here; None if nobody knows
    home_of: Callable[[str], str | None] = lambda account: ""


class ClientSession:
    """One connection of a client."""

    def __init__(self, connection: Connection, services: ClientServices, log: StreamLog) -> None:
        self.log = log
        self.narrator = ClientNarrator(log)
        self.narrator.connected(connection)
        self.connection = connection
        self.client: Client | None = None
        self._services = services
        self._liveness: Liveness | None = None
        self._life = SessionLife.NEGOTIATING
        self._acknowledging = False
        self._is_asked_again = False
        self._try: LoginTry | None = None  # an attempt to log in, until its outcome is known

    # -- as a Session ------------------------------------------------------------------------------------------------

    def happened(self, output: Output) -> None:
        self.narrator.happened(output)
        action = self._on.get(type(output))
        if action is not None:
            action(self, output)

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Pass every stanza of a bound client to its domain."""
        if self._owned is None:
            return None
        self.log.passed(stanzas, sum([len(stanza.raw) for stanza in stanzas]), came_in=True)
        return self._owned.take(stanzas)

    def outstanding(self) -> Deferred[None] | None:
        """Return None if everything is answered; some answers wait for the store."""
        client = self._owned
        wait = client.cleared() if client is not None else None
        if client is None or wait is None:
            return None

        def written(_: object) -> None:
            client.flush()

        return wait.addCallback(written)

    def room(self) -> Deferred[None] | None:
        """Session.room."""
        return self.connection.room()

    @property
    def _is_gone(self) -> bool:
        return self._life is SessionLife.GONE

    def lost(self, ending: Ending) -> None:
        was_closed = self._life is SessionLife.CLOSED
        self._move(SessionMove.LOSE)
        self.narrator.lost(ending.reason)
        if self._liveness is not None:
            self._liveness.stop()
        client = self._owned
        if client is None:
            return
        client.owner = None
        if client.is_resumable and not was_closed:
            self._services.resumable_clients.park(client)
        else:
            self._services.resumable_clients.end(client)

    def _move(self, move: SessionMove) -> None:
        self._life = after(SESSIONS, self._life, move)

    # -- authentication and binding ----------------------------------------------------------------------------------

    def _find(self, order: FindCredentials, since: float | None = None) -> None:
        if self._is_gone:
            return
        home = self._services.home_of(order.account)
        clock = self._services.clock
        if home is None:
            began = clock.seconds() if since is None else since
            if clock.seconds() - began < HOME_SECONDS:
                clock.callLater(HOME_LOOK_SECONDS, self._find, order, began)
                return
            refusal = SaslFailure(SaslCondition.TEMPORARY_AUTH_FAILURE, reason="the account has no home at the moment")
            self._answer(CredentialsFound(keys=refusal))
            return
        if home:
            self.connection.close(SeeOtherHost(home))  # RFC 6120 §4.9.3.19
            return
        self._try = LoginTry(address=address_of(self.connection.peer_address), account=order.account)
        self._services.login.find(order, self._try).addCallback(self._answer)

    def _compute(self, order: Compute) -> None:
        self._services.login.compute(order).addCallback(self._answer)

    def _pause(self, _: Pause) -> None:
        a_try, self._try = self._try, None
        self._services.login.pause(a_try).addCallback(self._answer)

    def _authenticated(self, _: ClientAuthenticated) -> None:
        if self._try is not None:
            self._services.login.succeeded(self._try)
            self._try = None

    def _answer(self, answer: object) -> None:
        if not self._is_gone:
            self.connection.answer(answer)

    def _bind(self, order: BindResource) -> None:
        home = self._services.home_of(order.account.bare)
        if home is None:
            self._answer(ResourceBound(id=order.id, address=UNREACHED))
            return
        if home:  # the account has moved since the client has proved itself
            self.connection.close(SeeOtherHost(home))
            return
        self._make_room(order)
        domain = self._services.domains[order.account.domain]
        try:
            client = Client(order.account, domain, self._services.clock, order.wish)
        except StanzaError as error:
            self._answer(ResourceBound(id=order.id, address=error))
            return
        self._own(client)
        self._answer(ResourceBound(id=order.id, address=client.address))

    def _make_room(self, order: BindResource) -> None:
        """End the session of a client that lost its connection, if this one takes its resource (RFC 6120 §7.7.2.2)."""
        try:
            wished = order.account.with_resource(order.wish) if order.wish else None
        except MalformedAddress:
            return
        parked = self._services.resumable_clients.parked_at(wished) if wished is not None else None
        if parked is not None:
            self._services.resumable_clients.end(parked)

    def _own(self, client: Client) -> None:
        self._move(SessionMove.OWN)
        self.client = client
        client.owner = self
        client.log = self.log

    @property
    def _owned(self) -> Client | None:
        """Return the client, unless another session has taken it over."""
        return self.client if self.client is not None and self.client.owner is self else None

    @property
    def _own_client(self) -> Client:
        if (client := self._owned) is None:
            raise Misuse("this stream has no client of its own")
        return client

    @property
    def _facts(self) -> ClientFacts:
        return ClientFacts.of(self.connection.stream.facts)

    def _established(self, _: NegotiationCompleted) -> None:
        client = self._own_client
        self._liveness = Liveness(self.connection, self._services.clock, self._ask_for_life)
        client.attach(self.connection)

    def _ask_for_life(self) -> None:
        facts = self._facts
        if facts.management is Management.ON:
            self._write(REQUEST)
            return
        to = facts.client.full if facts.client is not None else None
        ping = Element(
            CONTENT, "iq", {"type": "get", "id": "alive", "from": facts.local, "to": to}, [Element(PING, "ping")]
        )
        self._write(ping.serialize(CONTENT))

    def _state_changed(self, changed: ClientStateChanged) -> None:
        if self._owned is not None:
            self._owned.activate() if changed.active else self._owned.deactivate()

    # -- stream management -------------------------------------------------------------------------------------------

    def _grant_management(self, order: GrantManagement) -> None:
        client = self._own_client
        client.manage()
        if not order.resumable:
            self._answer(ManagementGranted())
            return
        resumable_clients = self._services.resumable_clients
        self._answer(ManagementGranted(id=resumable_clients.grant(client), seconds=resumable_clients.seconds))

    def _resume(self, order: ResumeStream) -> None:
        """Resume once everything received on the broken stream is done and safe, so that `h` is known."""
        client = self._resumable(order.id)
        wait = self._until_safe(client) if client is not None else None
        if wait is None:
            self._decide(order)
        else:
            wait.addCallback(lambda _: self._decide(order))

    def _resumable(self, id_: str) -> Client | None:
        if self._is_gone:
            return None
        account = self._facts.client
        return self._services.resumable_clients.find(id_, account) if account is not None else None

    def _decide(self, order: ResumeStream) -> None:
        client = self._resumable(order.id)
        if client is None:
            self._answer(ResumptionDecided(id=order.id, resumed=False))
            return
        try:
            client.acknowledged(order.h)
        except StreamError as error:
            self.connection.close(error)
            return
        self._take_over(client)
        self._answer(ResumptionDecided(id=order.id, resumed=True, h=client.h, client=client.address))

    def _take_over(self, client: Client) -> None:
        """Own a resumed client; its former connection is closed with `conflict` (RFC 6120 §4.9.3.3)."""
        before = client.owner
        self._services.resumable_clients.take_up(client)
        client.detach()
        self._own(client)
        if isinstance(before, ClientSession):
            before.connection.close(StreamError(StreamCondition.CONFLICT, "the stream was resumed elsewhere"))

    def _acknowledge(self, _: object) -> None:
        """Acknowledge what is done once it is safe: an acknowledged stanza must survive even a
        crash right afterwards.
        """
        client = self._owned
        if client is None or self._acknowledging:
            self._is_asked_again = self._acknowledging
            return
        taken = client.taken()
        if taken is not None:  # the stanzas before the question count, and come first
            self._acknowledging = True
            taken.addCallback(lambda _: self._acknowledge_taken())
            return
        h, wait = client.h, self._until_safe(client)
        if wait is None:
            self._write(acknowledgement(h))
        else:
            self._acknowledging = True
            wait.addCallback(lambda _: self._acknowledge_now(client, h))

    def _until_safe(self, client: Client) -> Deferred[None] | None:
        """Return None if everything received is done and would survive a crash, else a Deferred that fires then."""
        cleared = client.cleared()
        unsafe = self._services.unsafe
        return unsafe() if cleared is None else cleared.addCallback(lambda _: unsafe())

    def _acknowledge_taken(self) -> None:
        self._acknowledging = self._is_asked_again = False
        self._acknowledge(None)

    def _acknowledge_now(self, client: Client, h: int) -> None:
        self._acknowledging = False
        if self._owned is client:
            self._write(acknowledgement(h))
        if self._is_asked_again:
            self._is_asked_again = False
            self._acknowledge(None)

    def _acknowledged(self, acknowledged: Acknowledged) -> None:
        client = self._owned
        if client is None:
            return
        try:
            client.acknowledged(acknowledged.h)
        except StreamError as error:
            self.connection.close(error)

    def _write(self, data: bytes) -> None:
        if not self._is_gone and self.connection.stream.is_open:
            self.connection.write(data)

    def _closed_by_client(self, _: StreamClosed) -> None:
        if self._owned is not None and self._life is not SessionLife.CLOSED:
            self._owned.said_goodbye()
        self._move(SessionMove.CLOSE)

    def _closed(self, closed: CloseTransport) -> None:
        """Note that we end the stream properly; one that we give up for dead has not ended properly for its client."""
        error = closed.error
        is_given_up = error is not None and error.condition is StreamCondition.CONNECTION_TIMEOUT
        self._move(SessionMove.GIVE_UP if is_given_up else SessionMove.CLOSE)

    # The handler of each event.
    _on: ClassVar[Mapping[type, Callable[..., None]]] = {
        FindCredentials: _find,
        Compute: _compute,
        Pause: _pause,
        ClientAuthenticated: _authenticated,
        BindResource: _bind,
        NegotiationCompleted: _established,
        ClientStateChanged: _state_changed,
        GrantManagement: _grant_management,
        ResumeStream: _resume,
        AcknowledgementRequested: _acknowledge,
        Acknowledged: _acknowledged,
        StreamClosed: _closed_by_client,
        CloseTransport: _closed,
    }
