"""Offline messages: kept while nobody may receive them, delivered once to the first who may (XEP-0160, XEP-0203).

What is kept carries the time at which it came, and so is delivered as it is kept. When the store has no room, or the
message is of a kind that is worth nothing later, the sender is told that nobody is there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.addresses import Domain
from gateway.elements import Element
from gateway.errors import StanzaCondition, StanzaError
from gateway.im.account import Account, Resource
from gateway.im.edits import restored, with_child
from gateway.namespaces import CLIENT, DELAY, HINTS
from gateway.stanzas import Stanza
from gateway.storage.errors import StoreFull
from gateway.storage.interfaces import IStore

CHAT_STATES = "http://jabber.org/protocol/chatstates"
AT_ONCE = 100


def is_worth_keeping(stanza: Stanza) -> bool:
    """Whether a message makes sense later: by its hints, and by what else is in it (XEP-0334, XEP-0160 §3)."""
    element = stanza.element
    hints = {hint.name for hint in element.elements(HINTS)}
    if hints & {"no-store", "no-permanent-store"}:
        return False
    if "store" in hints or stanza.type != "chat":
        return True
    says_nothing = {(CHAT_STATES, child.name) for child in element.elements(CHAT_STATES)}
    says_nothing |= {(CLIENT, "thread")} | {(HINTS, hint) for hint in hints}
    return any((child.namespace, child.name) not in says_nothing for child in element.elements())


class Offline:
    """The messages that wait."""

    def __init__(self, store: IStore, domain: Domain, now: Callable[[], float]) -> None:
        """`now` gives the seconds since 1970."""
        self._store = store
        self._domain = domain
        self._now = now

    async def keep(self, account: Account, stanza: Stanza) -> None:
        """Keep a message; the sender hears of it only where it cannot be kept."""
        if not is_worth_keeping(stanza):
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "nobody is there, and this is not kept for later")
        try:
            await self._store.add_offline(account.address.bare, self._stamped(stanza).raw)
        except StoreFull as error:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, reason=str(error)) from error

    async def deliver(self, resource: Resource) -> None:
        """Give the resource everything that waits, oldest first, no faster than it takes it."""
        account, last = resource.account.address.bare, 0
        while resource.is_bound and (messages := await self._store.offline(account, last, AT_ONCE)):
            for message in messages:
                resource.send(restored("message", message.stanza))
            last = messages[-1].id
            room = resource.session.flush()
            await self._store.remove_offline(account, [message.id for message in messages])
            if room is not None:
                await room

    def has_waited(self, stanza: Stanza) -> bool:
        """Whether a message has been kept here before."""
        return any(delay.get("from") == self._domain for delay in stanza.element.elements(DELAY, "delay"))

    def _stamped(self, stanza: Stanza) -> Stanza:
        """The message with the time at which it came first."""
        if self.has_waited(stanza):
            return stanza
        moment = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return with_child(stanza, Element(DELAY, "delay", {"from": self._domain, "stamp": moment}))
