"""Homes: where each account of a cluster lives, and the way of stanzas to those that live at another node.

An account belongs to a shard, and a shard to one node at a time: the *home* of the account. All that concerns an
account happens there: its clients are bound there, its roster is in memory there, and only that node writes for it. A
stanza that comes in elsewhere crosses to the home. While a shard has no owner, stanzas wait for it here, within bounds.

A shard that this node has given up, or for which its lease has run out, is *suspended*: nobody may act for these
accounts, and clients that are bound stay so. When another node owns the shard, the clients are sent there. If it is
ours again and nobody has owned it meanwhile, everything continues.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from gateway.bounds.tables import family
from gateway.cluster.node import ClusterNode
from gateway.cluster.open_lane import OpenLane
from gateway.cluster.shards import shard_of
from gateway.im.answers import UNREACHED
from gateway.routing.interfaces import IRouter
from gateway.routing.outflow import Outflow, OutflowBounds, QueueSpace
from gateway.timing.timers import Timer
from gateway.xmpp.errors import SeeOtherHost, StanzaCondition, StanzaError, StreamCondition, StreamError
from gateway.xmpp.stanzas import AddressedStanza

WAIT_SECONDS = 30.0
"""How long a stanza waits for an account that lives nowhere at the moment."""
MOST_HOMELESS = 10_000
"""The most stanzas that wait so. A sending domain may use as much as is still free, so one alone gets half of it."""
LOOK_SECONDS = 0.2

_TOO_MANY = StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many stanzas are waiting for accounts")

Crossed = Callable[[Sequence[AddressedStanza]], None]
Evict = Callable[[Collection[int], Callable[[str], StreamError]], None]


Claim = Callable[[Sequence[tuple[int, int]]], None]
Cleared = Callable[[], "Deferred[None] | None"]


class _HeldStanza(NamedTuple):
    stanza: AddressedStanza
    since: float


class LaneOfAccounts:
    """The lane to a node, as the channel of an outflow; every batch is published."""

    def __init__(self, lane: OpenLane, crossed: Crossed) -> None:
        self._lane = lane
        self._crossed = crossed
        self.room = lane.room

    @property
    def has_room(self) -> bool:
        """As `Channel.has_room`."""
        return self._lane.has_room

    def send(self, batch: Sequence[AddressedStanza]) -> None:
        """As `Channel.send`."""
        self._crossed(batch)
        self._lane.send(batch)


class Homes:
    """Where the accounts live, as this node sees it."""

    def __init__(
        self,
        node: ClusterNode,
        router: IRouter,
        pass_on: Callable[[AddressedStanza], None],
        space: QueueSpace,
        clock: IReactorTime,
        crossed: Crossed = lambda batch: None,
    ) -> None:
        """`pass_on` delivers a stanza that was let through already; `crossed` is called with what crosses."""
        self.evict: Evict = lambda shards, error: None  # closes the streams of the clients of these shards
        self.claim: Claim = lambda leases: None  # has the store refuse what former owners write
        self.cleared: Cleared = lambda: None  # returns a Deferred while the store is working for accounts here
        self._node = node
        self._router = router
        self._pass_on = pass_on
        self._space = space
        self._clock = clock
        self._crossed = crossed
        self._outflows: dict[str, Outflow] = {}
        self._homeless: dict[int, deque[_HeldStanza]] = {}  # by shard
        self._causes: Counter[str] = Counter()  # of what is homeless, by sending domain
        self._look_soon = Timer(clock)
        self._owned: dict[int, int] = {}  # the epoch in which each of our shards is ours
        self._suspended: dict[int, int] = {}  # the epoch in which each was ours
        self._look_at_suspended = Timer(clock)

    # -- where an account lives --------------------------------------------------------------------------------------

    def is_here(self, account: str) -> bool:
        """Return whether this node may act for an account now."""
        return self._node.membership.owns(shard_of(account))

    def lease_of(self, account: str) -> tuple[int, int]:
        """Return the shard of an account, and the epoch in which this node owns it; 0: it does not."""
        shard = shard_of(account)
        return shard, self._node.membership.epoch_of(shard)

    def home_of(self, account: str) -> str | None:
        """Return where clients reach the home of an account: empty if that is here; None if nobody knows."""
        shard = shard_of(account)
        if self._node.membership.owns(shard):
            return ""
        return self._host(self._elsewhere(shard))

    def _elsewhere(self, shard: int) -> str | None:
        """Return the other node that owns a shard; None if there is none."""
        owned = self._node.directory.owner(shard)
        return owned.node if owned is not None and owned.node != self._node.name else None

    def _host(self, node: str | None) -> str | None:
        known = self._node.directory.nodes.get(node) if node is not None else None
        return known.record.clients or None if known is not None else None

    # -- stanzas -----------------------------------------------------------------------------------------------------

    def takes(self, stanza: AddressedStanza) -> bool:
        """Take over a stanza to an account that lives elsewhere; return False if it lives here."""
        shard = shard_of(stanza.to.bare)
        if not self._homeless and self._node.membership.owns(shard):
            return False
        return self._takes(shard, stanza, self._clock.seconds())

    def _takes(self, shard: int, stanza: AddressedStanza, since: float) -> bool:
        if shard in self._homeless:  # not before what waits already
            self._hold(shard, stanza, since)
        elif self._node.membership.owns(shard):
            return False
        else:
            node = self._elsewhere(shard)
            if node is None or not self._crosses(node, stanza):
                self._hold(shard, stanza, since)
        return True

    def flush(self) -> Deferred[None] | None:
        """Write what crosses; return as `IRoute.flush` does."""
        waits = [wait for outflow in [*self._outflows.values()] if (wait := outflow.flush()) is not None]
        if len(waits) <= 1:
            return waits[0] if waits else None
        return DeferredList(waits).addCallback(lambda _: None)

    @property
    def waiting(self) -> int:
        """Return how many stanzas wait for a home."""
        return self._causes.total()

    def close(self) -> None:
        """Answer what still waits: this node stops."""
        self._look_soon.stop()
        self._look_at_suspended.stop()
        for shard in [*self._homeless]:
            for each in self._release(shard):
                self._router.bounce(each.stanza, UNREACHED)

    def _crosses(self, node: str, stanza: AddressedStanza) -> bool:
        """Have a stanza cross to a node; return False if the node is gone."""
        outflow = self._outflows.get(node)
        if outflow is None:  # an empty one is false
            outflow = self._open(node)
        if outflow is None:
            return False
        if outflow.flows:
            outflow.add(stanza)
        elif not outflow.enqueue(stanza):
            self._router.bounce(stanza, _TOO_MANY)
        return True

    def _open(self, node: str) -> Outflow | None:
        lane = self._node.crossing.open(node, partial(self._ended, node))
        if lane is None:
            return None
        outflow = self._outflows[node] = Outflow(OutflowBounds(), self._space, self._clock)
        outflow.open(LaneOfAccounts(lane, self._crossed))
        return outflow

    def _ended(self, node: str, left: list[AddressedStanza]) -> None:
        """Look for the next home of what a node has not taken over that is gone."""
        outflow = self._outflows.pop(node)
        outflow.shut()
        self._again([_HeldStanza(stanza, self._clock.seconds()) for stanza in [*left, *outflow.take_all()]])
        self._look_again()

    def _again(self, held: Sequence[_HeldStanza]) -> None:
        for stanza, since in held:
            if not self._takes(shard_of(stanza.to.bare), stanza, since):
                self._pass_on(stanza)

    # -- while a shard has no owner ----------------------------------------------------------------------------------

    def _hold(self, shard: int, stanza: AddressedStanza, since: float) -> None:
        cause = family(stanza.from_.domain)
        is_crowded = self._causes[cause] >= MOST_HOMELESS - self._causes.total()
        if is_crowded or not self._space.take(len(stanza.raw)):
            self._router.bounce(stanza, _TOO_MANY)
            return
        self._causes[cause] += 1
        self._homeless.setdefault(shard, deque()).append(_HeldStanza(stanza, since))
        self._look_again()

    def _look_again(self) -> None:
        if not self._look_soon.is_running:
            self._look_soon.start(LOOK_SECONDS, self._look)

    def _release(self, shard: int) -> list[_HeldStanza]:
        held = self._homeless.pop(shard)
        for each in held:
            self._forget(each)
        return list(held)

    def _forget(self, each: _HeldStanza) -> None:
        cause = family(each.stanza.from_.domain)
        self._causes[cause] -= 1
        if not self._causes[cause]:
            del self._causes[cause]
        self._space.give_back(1, len(each.stanza.raw))

    def _look(self) -> None:
        """Send on what has a home by now, and answer what has waited too long."""
        now = self._clock.seconds()
        for shard in [*self._homeless]:
            if self._node.membership.owns(shard) or self._elsewhere(shard) is not None:
                self._again(self._release(shard))
                continue
            held = self._homeless[shard]
            while held and now - held[0].since >= WAIT_SECONDS:
                late = held.popleft()
                self._forget(late)
                self._router.bounce(late.stanza, UNREACHED)
            if not held:
                del self._homeless[shard]
        if self._homeless:
            self._look_soon.start(LOOK_SECONDS, self._look)
        self._router.flush()
        self.flush()

    # -- shards that come and go -------------------------------------------------------------------------------------

    def gained(self, shards: Collection[int]) -> None:
        """Note that these shards are ours now."""
        membership = self._node.membership
        interrupted: set[int] = set()
        for shard in shards:
            before = self._suspended.pop(shard, None)
            if before is not None and before != membership.followed(shard):
                interrupted.add(shard)
            owned = self._node.directory.owner(shard)
            self._owned[shard] = owned.revision if owned is not None else 0
        self.claim([(shard, self._owned[shard]) for shard in shards])
        if interrupted:
            self.evict(interrupted, self._goodbye)

    def lost(self, shards: Collection[int]) -> Deferred[None] | None:
        """Note that these are no longer ours; others may have them when the Deferred fires."""
        self._suspended.update({shard: self._owned.pop(shard, 0) for shard in shards})
        if not self._look_at_suspended.is_running:
            self._look_at_suspended.start(LOOK_SECONDS, self._review_suspended)
        return self.cleared()

    @property
    def suspended(self) -> int:
        """Return how many shards this node had, that nobody else has yet."""
        return len(self._suspended)

    def replaced(self) -> None:
        """Note that another process has taken the name of this node, and its shards with it."""
        suspended, self._suspended = self._suspended, {}
        self.evict(suspended, self._goodbye)

    def _review_suspended(self) -> None:
        """Send the clients of suspended shards on that another node has taken over."""
        taken = {shard for shard in self._suspended if self._elsewhere(shard) is not None}
        for shard in taken:
            del self._suspended[shard]
        if taken:
            self.evict(taken, self._goodbye)
        if self._suspended:
            self._look_at_suspended.start(LOOK_SECONDS, self._review_suspended)

    def _goodbye(self, account: str) -> StreamError:
        """Return the error that ends the stream of a client whose account lives elsewhere now."""
        host = self._host(self._elsewhere(shard_of(account)))
        if host is None:
            return StreamError(StreamCondition.RESET, "connect again")
        return SeeOtherHost(host, reason="the account lives at another node now")
