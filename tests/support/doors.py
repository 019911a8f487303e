"""A client door without sockets: real streams, sessions, domain and store, and clients who type.

house = House("alice")
phone = house.connect()
phone.login("alice", resource="phone")
phone.say("<presence/>")
assert "<presence" in phone.heard()
phone.cut()                      # the network is gone, and nobody said so
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from itertools import count

from twisted.internet.defer import Deferred, maybeDeferred

from gateway.clients.headers import ClientPolicy
from gateway.clients.login import Login
from gateway.clients.people import client_features
from gateway.clients.resumable_clients import ResumableClients
from gateway.clients.session import ClientServices, ClientSession
from gateway.im.limits import AccountLimits
from gateway.notices.attempts.records import Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.storage.records import StoreLimits
from gateway.stream.budget import Budget
from gateway.stream.events import CloseTransport, Secured, SecureTransport, Send, StanzasReceived, StreamClosed
from gateway.stream.facts import ClientFacts, Facts, Role, Terms, TLSFacts
from gateway.stream.negotiation import Step
from gateway.stream.sessions import ending_of
from gateway.stream.stream import Output, Stream, StreamTools
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.errors import StreamError
from tests.support.accounts import HERE, Home
from tests.support.logins import DECOYS, KEYS, PASSWORD
from tests.support.pair import Certificate

HEADER = (
    f"<?xml version='1.0'?><stream:stream to='{HERE}' version='1.0' xmlns='jabber:client'"
    " xmlns:stream='http://etherx.jabber.org/streams'>"
)
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
CLOSING = "</stream:stream>"
TLS = TLSFacts(version="TLSv1.3", channel_bindings={"tls-exporter": b"of this connection"})


def plain(local: str, password: str = PASSWORD) -> str:
    """A login by PLAIN."""
    payload = b64encode(f"\0{local}\0{password}".encode()).decode()
    return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{payload}</auth>"


def bind(resource: str | None = None) -> str:
    """A request to bind."""
    wish = f"<resource>{resource}</resource>" if resource else ""
    return f"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wish}</bind></iq>"


class House(Home):
    """A domain with accounts, and a door to it."""

    def __init__(
        self,
        *accounts: str,
        limits: AccountLimits | None = None,
        store_limits: StoreLimits | None = None,
        slow: bool = False,
        most_parked: int = 100,
    ) -> None:
        super().__init__(*accounts, limits=limits, store_limits=store_limits, slow=slow)
        for local in accounts:
            self.memory.set_keys(f"{local}@{HERE}", list(KEYS.values()))
        ids = count(1)
        self.tools = StreamTools(addresses=AddressCache(), new_id=lambda: f"id-{next(ids)}")
        self.resumable_clients = ResumableClients(self.tools.new_id, self.clock, seconds=300, most_parked=most_parked)
        self.homes: dict[str, str | None] = {}  # where the accounts live that do not live here
        self.services = ClientServices(
            home_of=lambda account: self.homes.get(account, ""),
            domains={HERE: self.domain},
            login=Login(self.memory, maybeDeferred, self.clock),
            resumable_clients=self.resumable_clients,
            clock=self.clock,
        )
        self.profile = client_features(DECOYS, self.tools.new_id)
        self.policy = ClientPolicy(frozenset({HERE}))
        self.numbers = count(1)

    def connect(self, certificate: Certificate | None = None) -> Line:
        """Somebody comes to the door."""
        return Line(self, certificate)


class Line:
    """One connection, seen from the client's side; to the session it is its Connection."""

    def __init__(self, house: House, certificate: Certificate | None = None) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.peer_address = "192.0.2.1:40000"
        self.full: Deferred[None] | None = None  # set by a test: there is no room
        self.reading_waits = 0
        self.is_lost = False
        self.error: StreamError | None = None
        self._house = house
        self._certificate = certificate
        self._said = b""
        facts = ClientFacts(role=Role.RECEIVING, terms=Terms(stanza_bytes=262144))
        self.stream = Stream(house.profile, facts, house.policy.accept, house.tools, Budget())
        attempt = StreamLog(
            house.notices.append, house.clock.seconds, next(house.numbers), Direction.IN, kind=Kind.CLIENT
        )
        self.session = ClientSession(self, house.services, attempt)

    # -- what the client does ----------------------------------------------------------------------------------------

    def say(self, *texts: str) -> Line:
        """Type this, each text in its own segment."""
        for text in texts:
            self.bytes_in += len(text)
            self._carry_out(self.stream.received(text.encode()))
        return self

    def secure(self) -> Line:
        """Begin the stream and start TLS."""
        self.say(HEADER, STARTTLS)
        self.heard()
        return self.say(HEADER)

    def authenticate(self, local: str) -> Line:
        """Prove an account."""
        self.secure().say(plain(local), HEADER)
        return self

    def login(self, local: str, resource: str | None = None) -> Line:
        """Prove an account and bind a resource; what was said on the way is forgotten."""
        self.authenticate(local).say(bind(resource))
        assert "<jid>" in self.heard()
        return self

    def online(self, local: str, resource: str | None = None) -> Line:
        """Log in, ask for the roster and say presence."""
        self.login(local, resource)
        self.say("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>", "<presence/>")
        self.heard()
        return self

    def heard(self) -> str:
        """Return what the door has said since the last time."""
        said, self._said = self._said, b""
        return said.decode()

    def told(self, pattern: str) -> str:
        """Return the group of this pattern, which must occur in what the door has said since the last time."""
        heard = self.heard()
        found = re.search(pattern, heard)
        assert found is not None, f"{pattern} is not in {heard}"
        return found[1] if found.groups() else found[0]

    def cut(self) -> None:
        """The connection breaks, unless it is lost already."""
        if self.is_lost:
            return
        self.is_lost = True
        self.session.lost(ending_of(self.stream, "the connection was lost"))

    # -- as a Connection ---------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.bytes_out += len(data)
        self._said += data

    @property
    def has_room(self) -> bool:
        return self.full is None

    def room(self) -> Deferred[None] | None:
        return self.full

    def answer(self, answer: object) -> None:
        self._carry_out(self.stream.answer(answer))

    def perform(self, step: Callable[[Facts], Step]) -> None:
        self._carry_out(self.stream.perform(step))

    def close(self, error: StreamError | None = None) -> None:
        self._carry_out(self.stream.close(error))

    def when_lost(self) -> Deferred[None]:
        raise NotImplementedError

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.write(output.data)
            elif isinstance(output, SecureTransport):
                self._carry_out(self.stream.answer(Secured(tls=TLS, certificate=self._certificate)))
            elif isinstance(output, StanzasReceived):
                self.reading_waits += self.session.stanzas_received(output.stanzas) is not None
            else:
                self.session.happened(output)
                if isinstance(output, CloseTransport):
                    self.error = self.error or output.error
        if any(isinstance(output, StreamClosed) for output in outputs):
            self.cut()
