"""Subscribers: who sees the presence of a service (RFC 6121 §3), kept in storage, and what they see.

Somebody subscribes to an address of the service: the domain itself, or any name in it. The service approves or denies,
and from then on the subscriber gets its presence: when it starts, when it changes, and when it stops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, succeed

from gateway.bounds.tables import family
from gateway.handlers.storing import ServiceStorage
from gateway.xmpp.addresses import Address
from gateway.xmpp.building import Builder
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import Stanza

_CLIENT = Builder(CLIENT)

MOST_SUBSCRIBERS = 10_000
"""The most subscriptions to one service."""
MOST_OF_A_DOMAIN = 1000
"""The most of them from one domain and those below it."""


class Subscribers:
    """The subscriptions to one service. Nothing is sent until it is opened."""

    def __init__(self, send: Callable[[Element], None], storage: ServiceStorage) -> None:
        self._send = send
        self._storage = storage
        self._subscribed: dict[tuple[str, str], Address] = {}  # by our address and the subscriber's
        self._of_family: Counter[str] = Counter()
        self._is_read = False
        self._shown: list[Element] | None = None  # the content of our presence; None while we are not available

    @property
    def is_open(self) -> bool:
        """Return whether the subscribers see the service."""
        return self._shown is not None

    def __iter__(self) -> Iterator[Address]:
        """Yield the addresses of the subscribers, one for each subscription."""
        return iter(list(self._subscribed.values()))

    async def open(self, status: str = "", show: str = "") -> None:
        """Read who has subscribed, and be available to them; see `broadcast`."""
        for key in await self._storage.items():
            ours, _, theirs = key.partition(" ")
            self._note(ours, Address.parse(theirs))
        self._is_read = True
        self.broadcast(status, show)

    def broadcast(self, status: str = "", show: str = "") -> None:
        """Be available to all subscribers, with a text, and `away`, `chat`, `dnd` or `xa` if that is so."""
        self._shown = [*([_CLIENT.show(show)] if show else []), *([_CLIENT.status(status)] if status else [])]
        for ours, theirs in list(self._subscribed):
            self._present(ours, theirs)

    def close(self) -> None:
        """Be unavailable to all subscribers."""
        if self._shown is not None:
            self._shown = None
            for ours, theirs in list(self._subscribed):
                self._say(ours, theirs, "unavailable")

    async def approve(self, request: Stanza) -> None:
        """Approve a request for subscription; the subscriber sees the service at once.

        StanzaError `resource-constraint` if there are too many subscribers, or too many from one domain.
        """
        ours, theirs = _pair(request)
        assert request.from_ is not None
        if (ours, theirs) not in self._subscribed:
            crowd = self._of_family[family(request.from_.domain)]
            if len(self._subscribed) >= MOST_SUBSCRIBERS or crowd >= MOST_OF_A_DOMAIN:
                raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "there are too many subscribers")
            self._note(ours, Address.parse(theirs))
            try:
                await self._storage.set(f"{ours} {theirs}", True)
            except BaseException:
                self._drop(ours, theirs)
                raise
        self._say(ours, theirs, "subscribed")
        self._present(ours, theirs)

    def deny(self, request: Stanza) -> Deferred[None]:
        """Deny a request for subscription, or end a subscription."""
        ours, theirs = _pair(request)
        self._say(ours, theirs, "unsubscribed")
        return self._forget(ours, theirs)

    def answer(self, presence: Stanza) -> Any:
        """Answer what has but one right answer: probes, and the end of a subscription. Ignore everything else."""
        ours, theirs = _pair(presence)
        is_subscribed = (ours, theirs) in self._subscribed
        if presence.type == "probe":
            return self._present(ours, theirs) if is_subscribed else self._say(ours, theirs, "unsubscribed")
        if presence.type == "unsubscribe" and is_subscribed:
            self._say(ours, theirs, "unavailable")
            return self._forget(ours, theirs)
        return None

    def _note(self, ours: str, theirs: Address) -> None:
        if (ours, theirs.full) not in self._subscribed:
            self._subscribed[ours, theirs.full] = theirs
            self._of_family[family(theirs.domain)] += 1

    def _forget(self, ours: str, theirs: str) -> Deferred[None]:
        if not self._drop(ours, theirs) and self._is_read:
            return succeed(None)  # so that a stranger who asks and is denied costs no write
        return self._storage.delete(f"{ours} {theirs}")

    def _drop(self, ours: str, theirs: str) -> bool:
        """Forget a subscription in memory; return whether there was one."""
        gone = self._subscribed.pop((ours, theirs), None)
        if gone is None:
            return False
        cause = family(gone.domain)
        self._of_family[cause] -= 1
        if not self._of_family[cause]:
            del self._of_family[cause]
        return True

    def _present(self, ours: str, theirs: str) -> None:
        if self._shown is not None:
            self._send(_CLIENT.presence(*self._shown, from_=ours, to=theirs))

    def _say(self, ours: str, theirs: str, type_: str) -> None:
        self._send(_CLIENT.presence(type=type_, from_=ours, to=theirs))


def _pair(presence: Stanza) -> tuple[str, str]:
    """Return our address and the other, as subscriptions have them."""
    if presence.name != "presence" or presence.to is None or presence.from_ is None:
        raise Misuse(f"subscriptions are a matter of presence, not of {presence!r}")
    return str(presence.to.bare), str(presence.from_.bare)
