"""Offline messages: kept while nobody may receive them, delivered to the first client that may (XEP-0160, XEP-0203).

A kept message is stamped with the time at which it came. If the store has no room, the sender gets the error for an
account that is offline.

A message is given to one client at a time, and deleted when that client has it. Until then it stays in the store:
whatever breaks meanwhile, it is delivered again rather than lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.im.account import Account, Resource
from gateway.im.edits import with_child
from gateway.im.failures import explain
from gateway.im.kept import KeptMessage
from gateway.im.work import Later
from gateway.storage.errors import StoreFull
from gateway.storage.interfaces import IStore
from gateway.storage.records import OfflineMessage
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import CLIENT, DELAY, HINTS
from gateway.xmpp.stanzas import Stanza, restored

CHAT_STATES = "http://jabber.org/protocol/chatstates"
AT_ONCE = 100


def is_worth_keeping(stanza: Stanza) -> bool:
    """Return whether a message is useful later, by its hints and its content (XEP-0334, XEP-0160 §3)."""
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
        """`now` returns the seconds since 1970."""
        self._store = store
        self._domain = domain
        self._now = now

    async def keep(self, account: Account, stanza: Stanza) -> None:
        """Keep a message that is worth it; the sender gets an error only if it cannot be kept."""
        try:
            await self._store.add_offline(account.address.bare, self._stamped(stanza))
        except StoreFull as error:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, reason=str(error)) from error

    async def deliver(self, resource: Resource) -> None:
        """Give the resource everything that waits, oldest first, no faster than it reads."""
        account, last = resource.account, 0
        while messages := await self._store.offline(account.address.bare, last, AT_ONCE):
            if not resource.is_bound:
                break
            last = messages[-1].id
            waiting = [message for message in messages if message.id not in account.handed_out]
            if waiting and (room := self._hand_out(resource, waiting)) is not None:
                await room

    def _hand_out(self, resource: Resource, waiting: Sequence[OfflineMessage]) -> Deferred[None] | None:
        messages = [KeptMessage(each.id, restored("message", each.stanza)) for each in waiting]
        resource.account.handed_out |= {message.number for message in messages}
        resource.session.deliver_kept(messages)
        return resource.session.flush()

    def taken(self, account: Account, messages: Sequence[KeptMessage]) -> Deferred[None]:
        """Delete messages that the client has received."""
        numbers = {message.number for message in messages}

        def forgotten(_: object) -> None:
            account.handed_out -= numbers

        removed = self._store.remove_offline(account.address.bare, numbers)
        return removed.addErrback(_not_forgotten).addCallback(forgotten)

    def give_back(self, account: Account, messages: Sequence[KeptMessage]) -> Later:
        """Let messages wait again whose client is gone and does not have them."""
        account.handed_out -= {message.number for message in messages}
        return self.deliver(account.receivers[0]) if account.receivers else None

    def _stamped(self, stanza: Stanza) -> bytes:
        """Return the bytes of a message with the time at which it came."""
        moment = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return with_child(stanza, Element(DELAY, "delay", {"from": self._domain, "stamp": moment}))


def _not_forgotten(failure: Failure) -> None:
    """Accept that the store could not be written: the message comes once more, which is better than not at all."""
    explain(failure)
