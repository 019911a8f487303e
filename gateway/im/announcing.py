"""Announcements: messages of an operator to the accounts of a domain.

There are two audiences, as on other servers: those who are online, and all accounts. The first get a headline (RFC 6121
§5.2.2), which nobody keeps for later; the others get an ordinary message, which waits for those who are offline. Both
are from the domain itself, and are routed like every other message, so blocking lists and the limits of offline
messages hold for them as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.routing.interfaces import IRouter
from gateway.storage.interfaces import IStore
from gateway.xmpp.addresses import Domain
from gateway.xmpp.building import Builder
from gateway.xmpp.elements import UnserializableText, escape_text
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import AddressedStanza

MOST_ANNOUNCED = 10_000
"""The most characters of an announcement, its subject included."""
BATCH = 100
"""The messages that are sent before everything else has its turn."""

_CLIENT = Builder(CLIENT)


class Announcement(NamedTuple):
    """What is announced, and whether to all accounts, or to those who are online."""

    text: str
    subject: str = ""
    to_all: bool = False

    @property
    def problem(self) -> str:
        """Return why it cannot be announced; empty if it can."""
        if not self.text.strip():
            return "there is nothing to announce: the text is empty"
        if len(self.text) + len(self.subject) > MOST_ANNOUNCED:
            return f"an announcement may have {MOST_ANNOUNCED} characters"
        try:
            escape_text(self.text + self.subject)
        except UnserializableText as error:
            return f"it has a character that cannot be sent: {error}"
        return ""

    def messages(self, domain: Domain, accounts: Iterable[str]) -> Iterator[AddressedStanza]:
        """Yield the message to each account of a domain."""
        subject = _CLIENT.subject(self.subject) if self.subject else None
        content = _CLIENT.message(
            subject, _CLIENT.body(self.text), from_=domain, type="normal" if self.to_all else "headline"
        )
        for each in accounts:
            yield AddressedStanza.from_element(content.replace(attributes={"to": each}))


class Announcer:
    """Sends announcements, one after the other, a batch in each turn."""

    _log = Logger()

    def __init__(
        self,
        router: IRouter,
        clock: IReactorTime,
        *,
        store: Callable[[], IStore | None],
        online: Callable[[Domain], Iterable[str]],
    ) -> None:
        """`online` returns the accounts of a domain that have an available client."""
        self._router = router
        self._clock = clock
        self._store = store
        self._online = online
        self._one = DeferredLock()
        self._sending: set[Deferred[None]] = set()

    async def announce(self, announcement: Announcement, domains: Iterable[Domain]) -> int:
        """Begin to announce in these domains; return the number of accounts."""
        accounts = {domain: await self._accounts(domain, announcement) for domain in domains}
        sending: Deferred[None] = self._one.run(lambda: Deferred.fromCoroutine(self._send(announcement, accounts)))
        self._sending.add(sending)
        sending.addBoth(self._sent, sending)
        return sum(map(len, accounts.values()))

    async def _accounts(self, domain: Domain, announcement: Announcement) -> tuple[str, ...]:
        if not announcement.to_all:
            return tuple(self._online(domain))
        store = self._store()
        return () if store is None else await store.accounts(domain)

    async def _send(self, announcement: Announcement, accounts: dict[Domain, tuple[str, ...]]) -> None:
        for domain, each in accounts.items():
            for number, message in enumerate(announcement.messages(domain, each), 1):
                self._router.route(message)
                if number % BATCH == 0:
                    await self._turn()
            await self._turn()

    async def _turn(self) -> None:
        """Flush, wait until there is room for more, and let others take their turn."""
        room = self._router.flush()
        if room is not None:
            await room
        await deferLater(self._clock, 0)

    def _sent(self, result: object, sending: Deferred[None]) -> None:
        self._sending.discard(sending)
        if isinstance(result, Failure) and not result.check(CancelledError):
            self._log.failure("an announcement was not sent to everybody", result)

    def stop(self) -> None:
        """Send nothing more."""
        for sending in tuple(self._sending):
            sending.cancel()
