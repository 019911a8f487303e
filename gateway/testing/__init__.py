"""A kit for the tests of services: hand in XML, and see what the service sends; no network, no router, no waiting.

    driver = ServiceDriver(Echo(), "echo.example.com")
    driver.start()
    [answer] = driver.receive("<message from='juliet@example.net/b' type='chat'><body>Hi</body></message>")
    assert answer.body == "Hi"

The service runs in a real route of the gateway, so its life, its limits and its errors are those of production. Time is
a `twisted.internet.task.Clock`, storage is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.handlers.context import ServiceSurroundings
from gateway.handlers.directory import Directory
from gateway.handlers.disco import Disco
from gateway.handlers.route import HandlerRoute
from gateway.notices.notices import Board
from gateway.routing.interfaces import ILocalHandler, IRouter
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.xmpp.addresses import Domain, prepare_domain
from gateway.xmpp.elements import Element, parse_element
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import CONTENT, AddressedStanza, Stanza, error_reply

SOMEBODY = "somebody@example.net/client"
"""The sender of XML that does not say who sends it."""

T = TypeVar("T")


def element(xml: str) -> Element:
    """Return the tree of this XML, in which `jabber:client` is the default namespace."""
    return parse_element(xml.encode(), f"<root xmlns='{CONTENT}'>".encode())


def outcome(result: Deferred[T]) -> T:
    """Return the result of a Deferred, or raise its exception; AssertionError if it has not fired."""
    results: list[Any] = []
    result.addBoth(results.append)
    assert results, f"{result} has not fired: advance the clock, or hand in what it waits for"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]  # type: ignore[no-any-return]


class ServiceDriver:
    """Drives one service, which is alone in the world."""

    def __init__(
        self,
        service: ILocalHandler,
        domain: str = "service.example.com",
        admins: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> None:
        """`admins` are bare addresses; `clock` may be Twisted's MemoryReactorClock, for a service that opens ports."""
        self.domain = prepare_domain(domain)
        self.service = service
        self.clock = clock or Clock()
        self._numbers = count(1)
        self.store = MemoryStore(token=self._new_id, limits=StoreLimits())
        self._collector = _Collector()
        directory = Directory()
        self._route = HandlerRoute(
            self.domain,
            [service, Disco([directory], directory=directory)],
            self._collector,
            Board().publish,
            self.clock,
            surroundings=ServiceSurroundings(
                directory=directory, admins=frozenset(admins), store=lambda: self.store, new_id=self._new_id
            ),
        )

    def start(self) -> list[Stanza]:
        """Start the service; return what it sends. Raise ConfigError, with the reason, if it fails."""
        outcome(self._route.start())
        return self.sent()

    def stop(self) -> list[Stanza]:
        """Stop the service; return what it still sends."""
        outcome(self._route.stop())
        return self.sent()

    def receive(self, xml: str) -> list[Stanza]:
        """Hand in a stanza; return what the service sends, and errors that the gateway sends for it.

        A stanza that does not say so is from SOMEBODY, to the domain; an iq has an id.
        """
        tree = element(xml)
        missing = {"from": SOMEBODY, "to": self.domain, **({"id": "1"} if tree.name == "iq" else {})}
        added = {key: value for key, value in missing.items() if tree.get(key) is None}
        self._route.deliver(AddressedStanza.from_element(tree.replace(attributes=added)))
        return self.sent()

    def advance(self, seconds: float) -> list[Stanza]:
        """Let time pass; return what the service sends."""
        self.clock.advance(seconds)
        return self.sent()

    def sent(self) -> list[Stanza]:
        """Return what the service has sent since this was last asked."""
        sent, self._collector.sent = self._collector.sent, []
        return sent

    def _new_id(self) -> str:
        return f"id-{next(self._numbers)}"


@implementer(IRouter)
class _Collector:
    """Keeps all that would have been sent."""

    def __init__(self) -> None:
        self.sent: list[Stanza] = []

    def route(self, stanza: Stanza) -> None:
        self.sent.append(stanza)

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        if (reply := error_reply(stanza, error)) is not None:
            self.sent.append(reply)

    def ask(self, question: Stanza, answered: Callable[[AddressedStanza], None]) -> None:
        self.sent.append(question)

    def is_own(self, domain: Domain) -> bool:
        return False

    def flush(self) -> None:
        """Do nothing: what was routed has been written."""
