"""ServiceContext: what a service may do besides answering, from its start to the end of its stop.

A service sends and asks here. An answer belongs to a request if its kind, its sender and its id fit; the sender of
every stanza has been proved, so nobody can answer for somebody else. After the stop nothing is sent: what a forgotten
timer still wants to send is dropped, and the log names the service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway.handlers.adhoc import ServiceCommands
from gateway.handlers.directory import Directory
from gateway.handlers.storing import ServiceStorage
from gateway.handlers.subscribers import Subscribers
from gateway.routing.interfaces import Answer
from gateway.storage.interfaces import IStore
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import GatewayError, Misuse, StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza, Stanza, error_of_reply

T = TypeVar("T")


REQUEST_SECONDS = 30.0
"""How long a service waits for an answer, unless it says otherwise."""
MOST_ASKED = 1000
"""The most requests of one service that wait for an answer."""


class ServiceStopped(GatewayError):
    """The service was stopped while it waited for an answer, or before it asked."""


class Outlet:
    """The way out for the stanzas of one handler, until it is closed."""

    _log = Logger()

    def __init__(self, domain: Domain, name: str, send: Callable[[Stanza], None]) -> None:
        self.domain = domain
        self.name = name
        self._send: Callable[[Stanza], None] | None = send

    @property
    def is_open(self) -> bool:
        """Return whether the handler may send."""
        return self._send is not None

    def send(self, stanza: Stanza) -> None:
        """Send a stanza; drop it and log the handler's name if the outlet is closed."""
        if self._send is not None:
            self._send(stanza)
            return
        self._log.warn(
            "{handler} of {domain} has been stopped and still sends: {name} to {to} is dropped",
            handler=self.name,
            domain=self.domain,
            name=stanza.name,
            to=stanza.to,
        )

    def close(self) -> None:
        """Let nothing more out."""
        self._send = None


def _new_id() -> str:
    return token_urlsafe(12)


def _no_store() -> IStore | None:
    return None


@dataclass(frozen=True, kw_only=True)
class ServiceSurroundings:
    """What the gateway lends to the services of one domain."""

    directory: Directory = field(default_factory=Directory)
    admins: frozenset[str] = frozenset()  # bare addresses
    store: Callable[[], IStore | None] = _no_store
    new_id: Callable[[], str] = _new_id  # nobody can guess the ids of requests


class ServiceContext:
    """What a running service may use."""

    def __init__(self, outlet: Outlet, clock: IReactorTime, surroundings: ServiceSurroundings) -> None:
        self.domain = outlet.domain
        self.admins = surroundings.admins
        self.disco = surroundings.directory
        self.commands = ServiceCommands(outlet.domain, surroundings.directory, self._is_admin)
        self.storage = ServiceStorage(outlet.domain, surroundings.store)
        self.presence = Subscribers(self.send, ServiceStorage(f"{outlet.domain}/presence", surroundings.store))
        self.clock = clock
        self.log = Logger(namespace=f"service.{outlet.domain}")
        self._outlet = outlet
        self._new_id = surroundings.new_id
        self._asked: dict[tuple[str, str | None], Deferred[Stanza]] = {}

    def send(self, stanza: Stanza | Element) -> None:
        """Send a stanza; one without 'from' is from the domain. Raise Misuse if it has no 'to', or is from elsewhere.

        An address may be any address in the domain. Nothing is sent after the service has been stopped.
        """
        self._outlet.send(self._complete(stanza))

    def request(self, iq: Stanza | Element, timeout: float = REQUEST_SECONDS) -> Deferred[Stanza]:
        """Send an iq of type get or set; return a Deferred of the result, which can be awaited.

        It fails with StanzaError if the answer is an error, or if there is none in `timeout` seconds, and with
        ServiceStopped if the service is stopped first. An iq without an id is given one. Cancel the Deferred to wait no
        longer.
        """
        element = iq.element if isinstance(iq, Stanza) else iq
        if element.get("id") is None:
            element = element.replace(attributes={"id": self._new_id()})
        asked = self._complete(element)
        if not asked.is_request:
            raise Misuse(f"a request must be an iq of type get or set, not {asked.name} of type {asked.type}")
        if not self._outlet.is_open:
            return fail(ServiceStopped(f"{self._outlet.name} of {self.domain} has been stopped and still asks"))
        key = (str(asked.to), asked.id)
        if key in self._asked:
            raise Misuse(f"a request to {asked.to} with the id {asked.id} is still open")
        if len(self._asked) >= MOST_ASKED:
            crowded = f"{MOST_ASKED} requests of {self.domain} already wait for answers"
            return fail(StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, crowded))
        answer: Deferred[Stanza] = Deferred()
        self._asked[key] = answer

        def give_up() -> None:
            self._asked.pop(key, None)
            answer.errback(
                StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, f"no answer from {asked.to} in {timeout:g} s")
            )

        timer = self.clock.callLater(timeout, give_up)

        def over(result: T) -> T:
            self._asked.pop(key, None)
            if timer.active():
                timer.cancel()
            return result

        answer.addBoth(over)
        try:
            self._outlet.send(asked)
        except BaseException:
            answer.addErrback(lambda _: None).cancel()
            raise
        return answer

    def handle(self, stanza: AddressedStanza) -> Answer | Deferred[Answer]:
        """Answer for the service what it declines: its commands."""
        return self.commands.handle(stanza)

    def take(self, stanza: Stanza) -> bool:
        """Return whether a stanza answers a request of the service; if so, the request is over."""
        if stanza.name != "iq" or not stanza.is_response:
            return False
        answer = self._asked.pop((str(stanza.from_), stanza.id), None)
        if answer is None:
            return False
        if stanza.type == "error":
            answer.errback(error_of_reply(stanza))
        else:
            answer.callback(stanza)
        return True

    def close(self) -> None:
        """End: subscribers see it, nothing more is sent, and open requests fail with ServiceStopped."""
        self.presence.close()
        self.disco.clear()
        self._outlet.close()
        for answer in list(self._asked.values()):
            answer.errback(ServiceStopped(f"{self._outlet.name} of {self.domain} has been stopped"))

    def _is_admin(self, somebody: Address) -> bool:
        return somebody.bare in self.admins

    def _complete(self, stanza: Stanza | Element) -> Stanza:
        if isinstance(stanza, Stanza) and stanza.from_ is not None:
            return stanza
        element = stanza.element if isinstance(stanza, Stanza) else stanza
        if element.get("from") is None:
            element = element.replace(attributes={"from": self.domain})
        return Stanza.from_element(element)
