"""Presence: show that a resource is available to those who may see it (RFC 6121 §4).

A client sends presence once, without 'to'. The server sends it to the account's subscribers and its other resources,
and unavailable presence also to those whom the client addressed directly. A client's last presence is kept unchanged
and given to those who may ask. Updates are throttled, because each goes to everybody (see `throttle`).

Nothing here waits for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from gateway.im.account import Account, Resource
from gateway.im.answers import presence
from gateway.im.edits import to_recipient
from gateway.im.limits import AccountLimits
from gateway.im.work import Later
from gateway.routing.interfaces import IRouter
from gateway.stream.stanza_reader import AddressLookup
from gateway.xmpp.addresses import Address
from gateway.xmpp.digits import read_signed
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import AddressedStanza, DirectedPresence, SentStanza, Stanza

UNAVAILABLE = "unavailable"

# Called when a resource has become available, or may now receive what waited for the account.
Arrived = Callable[[Resource, bool, bool], Later]


def read_priority(stanza: Stanza) -> int:
    """Return the priority in presence, 0 if there is none (§4.7.2.3)."""
    if b"priority" not in stanza.raw:
        return 0
    element = stanza.element.first(CLIENT, "priority")
    if element is None:
        return 0
    priority = read_signed(element.text.strip(), 127)  # xs:byte
    if priority is None:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "a priority must be a number from -128 to 127")
    return priority


class Presences:
    """The availability of clients, and its effects."""

    def __init__(
        self,
        *,
        router: IRouter,
        addresses: AddressLookup,
        limits: AccountLimits,
        arrived: Arrived,
        later: Callable[[Resource, Callable[[], Later]], None],
        show: Callable[[Account, SentStanza], None],
    ) -> None:
        """`later` runs a step for a resource when the account has time for it, and flushes what it wrote; `show` shows
        a broadcast to components that may see it.
        """
        self._router = router
        self._lookup = addresses.lookup
        self._limits = limits
        self._arrived = arrived
        self._later = later
        self._show = show

    def update(self, resource: Resource, stanza: SentStanza) -> Later:
        """Take presence without 'to': the resource comes, has another state, or goes (§4.2, §4.4, §4.5)."""
        if len(stanza.raw) > self._limits.presence_bytes:
            limit = self._limits.presence_bytes
            raise StanzaError(StanzaCondition.POLICY_VIOLATION, f"presence may have at most {limit} bytes")
        step = partial(self._announce, resource, stanza, read_priority(stanza))
        if resource.throttle.lets_pass():
            return step()
        resource.throttle.postpone(partial(self._later, resource, step))
        return None

    def _announce(self, resource: Resource, stanza: SentStanza, priority: int) -> Later:
        if not resource.is_bound:
            return None
        if stanza.type == UNAVAILABLE:
            self._withdraw(resource, stanza)
            return None
        is_new = resource.presence is None
        may_receive = priority >= 0 and (is_new or resource.priority < 0)
        resource.presence, resource.priority = stanza, priority
        resource.account.presence_changed()
        self._tell_subscribers(resource.account, stanza)
        if is_new:
            self._look_around(resource)
        return self._arrived(resource, is_new, may_receive) if is_new or may_receive else None

    def leave(self, resource: Resource) -> None:
        """Make a resource unavailable whose client is gone, whether it said so or not (§4.5.2)."""
        resource.throttle.stop()
        self._withdraw(resource, presence(UNAVAILABLE, resource.address))

    def _withdraw(self, resource: Resource, stanza: SentStanza) -> None:
        account, was_available = resource.account, resource.presence is not None
        directed, resource.directed = resource.directed, {}
        resource.presence, resource.priority = None, 0
        account.presence_changed()
        if was_available:
            self._tell_subscribers(account, stanza)
            if resource.is_bound:  # also "the resource that generated it in the first place" (§4.5.2)
                resource.send(to_recipient(stanza, account.address))
        roster = account.roster
        told = roster.has_subscriber if roster is not None and was_available else lambda address: False
        self._tell(account, (address for address in directed if not told(address)), stanza)

    def direct(self, resource: Resource, stanza: AddressedStanza) -> None:
        """Send presence with 'to' to that entity alone, and remember the entity until it gets unavailable presence
        (§4.6).
        """
        target = stanza.to
        if stanza.type == UNAVAILABLE:
            resource.directed.pop(target, None)
        elif target.bare != resource.account.address.bare:
            if target not in resource.directed and len(resource.directed) >= self._limits.directed:
                problem = f"directed presence may go to at most {self._limits.directed} entities"
                raise StanzaError(StanzaCondition.POLICY_VIOLATION, problem)
            resource.directed[target] = None
        self._router.route(DirectedPresence.of(stanza))

    def _tell_subscribers(self, account: Account, stanza: SentStanza) -> None:
        """Send a stanza to subscribers and the account's own available resources, which count
        as subscribers (§4.2.2).
        """
        if account.roster is not None:
            self._tell(account, map(self._lookup, account.roster.subscribers()), stanza)
        to_ourselves = to_recipient(stanza, account.address)
        for each in account.available():
            each.send(to_ourselves)
        self._show(account, stanza)

    def _tell(self, account: Account, recipients: Iterable[Address], stanza: SentStanza) -> None:
        for recipient in recipients:
            if not account.blocks(recipient):
                self._router.route(to_recipient(stanza, recipient))

    def _look_around(self, resource: Resource) -> None:
        """Send a new resource the presence of the others, and probe the contacts (§4.2.2)."""
        account = resource.account
        for each, said in account.shown():
            if each is not resource:
                resource.send(to_recipient(said, account.address))
        if account.roster is not None:
            probe = presence("probe", account.address)
            self._tell(account, map(self._lookup, account.roster.subscriptions()), probe)

    def show_to(self, account: Account, contact: Address) -> None:
        """Send somebody who may now see the account the last presence of each available resource (§3.1.5)."""
        for _, said in account.shown():
            self._tell(account, (contact,), said)

    def hide_from(self, account: Account, contact: Address) -> None:
        """Send somebody who may no longer see the account unavailable presence (§3.2.2,
        §3.3.3); call before blocking.
        """
        for resource in account.available():
            self._tell(account, (contact,), presence(UNAVAILABLE, resource.address))

    def hide_directed(self, resource: Resource, is_hidden: Callable[[Address], bool]) -> None:
        """Send unavailable presence to those whom a resource had addressed; call before blocking takes effect."""
        hidden = [address for address in resource.directed if is_hidden(address)]
        for address in hidden:
            del resource.directed[address]
        self._tell(resource.account, hidden, presence(UNAVAILABLE, resource.address))
