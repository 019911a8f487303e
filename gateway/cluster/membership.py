"""Membership: the life of this node in the cluster: it joins, renews its lease, announces, claims and leaves.

Once a second it looks at its clock and its directory and does what is due. Everything that it decides is in `lease`,
`directory` and `claims`; here are the timer, the writes, and what follows from their outcome. A write whose outcome is
unknown is simply tried again: the directory shows whether it was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.cluster.claims import claims, expected
from gateway.cluster.directory import ClusterDirectory, KnownNode
from gateway.cluster.interfaces import Conflict, EngineAway, ICluster
from gateway.cluster.lease import RENEW_SECONDS, Life, OwnLease
from gateway.cluster.records import Entry, NodeRecord, ShardRecord, Standing, node_key, place_key, shard_in, shard_key
from gateway.cluster.shards import SHARDS
from gateway.timing.timers import Timer

TICK_SECONDS = 1.0
TIDY_SECONDS = 60.0
FORGET_SECONDS = 3600.0
"""Places of a node that has been gone for this long are removed from the engine."""
_MOST_TIDIED = 100


class MembershipOwner(Protocol):
    """The part of a node that acts on what membership finds out."""

    def places_changed(self, domains: set[str]) -> None:
        """Note that these domains may be served elsewhere now."""

    def nodes_changed(self) -> None:
        """Note that a node came, restarted, or is gone."""

    def shards_gained(self, shards: set[int]) -> None:
        """Note that these shards are ours now."""

    def shards_lost(self, shards: set[int]) -> Deferred[None] | None:
        """Note that these are no longer ours; others may have them when the Deferred fires."""

    def life_changed(self, life: Life, why: str) -> None:
        """Note that this node became a member, or is one no longer."""


class Membership:
    """This node's membership."""

    def __init__(
        self,
        name: str,
        process: str,
        engine: ICluster,
        clock: IReactorTime,
        owner: MembershipOwner,
        version: str = "",
        clients: str = "",
    ) -> None:
        """`process` names this run of the program: no other run of any node has the same.

        `clients` is where clients reach this node.
        """
        self.name = name
        self.process = process
        self.directory = ClusterDirectory()
        self.lease = OwnLease()
        self.shards: set[int] = set()
        self.standing = Standing.UP
        self._engine = engine
        self._clock = clock
        self._owner = owner
        self._version = version
        self._clients = clients
        self._followed: dict[int, int] = {}  # the revision of each shard's entry that our claim has replaced
        self._tick = Timer(clock)
        self._tidy_at = clock.seconds() + TIDY_SECONDS
        self._generation = 0  # of the directory, when it was last compared
        self._asked_at = float("-inf")
        self._is_writing = False
        self._claimed_at: tuple[int, ...] = ()  # what was seen when claims were last worked out
        self._claiming: set[int] = set()
        self._announced: set[str] = set()
        self._unsettled: set[str] = set()  # domains whose entry may differ from what we announce
        self._settling: set[str] = set()

    # -- what is asked -----------------------------------------------------------------------------------------------

    @property
    def life(self) -> Life:
        """The state of this node's membership."""
        return self.lease.life

    def owns(self, shard: int) -> bool:
        """Return whether this node may act as the owner of a shard at this moment."""
        return shard in self.shards and self.lease.holds(self._clock.seconds())

    def epoch_of(self, shard: int) -> int:
        """Return the epoch in which this node owns a shard; every write for it carries this. 0: it does not."""
        owned = self.directory.owner(shard)
        return owned.revision if owned is not None and self.owns(shard) else 0

    def followed(self, shard: int) -> int | None:
        """Return the revision of a shard's entry that our last claim has replaced; None: it is not known.

        If that was our own entry, nobody else has owned the shard in between.
        """
        return self._followed.get(shard)

    # -- what it is told to do ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to join, as soon as the engine is there."""
        self._tick.start(TICK_SECONDS, self._look)

    def announce(self, domain: str) -> None:
        """Tell all nodes that this one serves a domain."""
        self._announced.add(domain)
        self._settle(domain)

    def withdraw(self, domain: str) -> None:
        """Tell all nodes that this one no longer serves a domain."""
        self._announced.discard(domain)
        self._settle(domain)

    @property
    def announced(self) -> frozenset[str]:
        """The domains that this node serves."""
        return frozenset(self._announced)

    def drain(self) -> None:
        """Take nothing new, and hand over the shards."""
        self.standing = Standing.DRAINING
        self._renew()

    def leave(self) -> Deferred[None]:
        """Leave: other nodes may take over everything from this one at once."""
        self._tick.stop()
        was_member = self.life in (Life.MEMBER, Life.JOINING)
        self._lose(set(self.shards))
        if self.life is not Life.LEFT:
            self.lease.leave()
        if not was_member or not self._engine.is_connected:
            return succeed(None)
        writes = [self._engine.remove(place_key(self.name, domain)) for domain in sorted(self._announced)]
        writes.append(self._engine.remove(node_key(self.name)))
        return DeferredList(writes, consumeErrors=True).addCallback(lambda _: None)

    # -- what the engine tells ---------------------------------------------------------------------------------------

    def engine_came(self, entries: Sequence[Entry]) -> None:
        """As `EngineListener.engine_came`."""
        now = self._clock.seconds()
        self.directory.replace(entries, now)
        self.directory.resume(now)
        self._unsettled |= self._announced
        self._unsettled.update(self.directory.domains_at(self.name))
        self._noticed()
        self._look()

    def engine_changed(self, entry: Entry) -> None:
        """As `EngineListener.engine_changed`."""
        self._take_in(entry)

    def engine_went(self) -> None:
        """Note that nothing is seen from now on."""
        self.directory.pause()

    # -- once a second -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        if self.life is Life.LEFT:
            return
        self._tick.start(TICK_SECONDS, self._look)
        now = self._clock.seconds()
        if self.lease.lapse_when_due(now):
            self._lose(set(self.shards))
            self._owner.life_changed(self.life, "its lease could not be renewed in time")
        if self.directory.expire(now):
            self._noticed()
        if not self._engine.is_connected or self.life is Life.REPLACED:
            return
        if self.life in (Life.OUTSIDE, Life.LAPSED):
            self._join()
        elif now - self._asked_at >= RENEW_SECONDS:
            self._renew()
        for domain in [*self._unsettled]:
            self._settle(domain)
        if self.lease.holds(now):
            self._claim_when_changed()
            if now >= self._tidy_at:
                self._tidy_at = now + TIDY_SECONDS
                self._tidy(now)

    def _join(self) -> None:
        if not self._is_writing:
            self.lease.join()
            self._write_entry()

    def _renew(self) -> None:
        if self.life is not Life.MEMBER or not self._engine.is_connected:
            return
        entry = self.directory.nodes.get(self.name)
        if entry is not None and entry.record.process != self.process:
            self._lose(set(self.shards))
            self.lease.replaced()
            self._owner.life_changed(self.life, "another gateway has joined with this node's name")
        else:
            self._write_entry()

    def _write_entry(self) -> None:
        if self._is_writing:
            return
        self._is_writing = True
        now = self._asked_at = self._clock.seconds()
        epoch = self.lease.epoch
        record = NodeRecord(
            process=self.process,
            epoch=epoch,
            standing=self.standing,
            version=self._version,
            clients=self._clients,
        )
        key, value = node_key(self.name), record.to_bytes()
        write = self._engine.write(key, value, self.directory.revision(key))
        write.addCallbacks(
            self._written,
            self._not_written,
            callbackArgs=(key, value, now, epoch, record.standing),
            errbackArgs=(epoch,),
        )

    def _written(self, revision: int, key: str, value: bytes, asked_at: float, epoch: int, standing: Standing) -> None:
        self._is_writing = False
        if self.lease.epoch != epoch or self.life not in (Life.JOINING, Life.MEMBER):
            return  # it lapsed or left meanwhile
        has_joined = self.life is Life.JOINING
        self.lease.written(revision, asked_at)
        self._take_in(Entry(key=key, value=value, revision=revision))
        if has_joined:
            self._owner.life_changed(self.life, "")
            self._compare(range(SHARDS))
            self._claim()
        if standing is not self.standing:
            self._renew()

    def _not_written(self, failure: Failure, epoch: int) -> None:
        self._is_writing = False
        failure.trap(Conflict, EngineAway)
        if self.lease.epoch != epoch:
            return
        if self.life is Life.JOINING:
            self.lease.lapse()
        else:
            self._asked_at = float("-inf")  # again with the next look, which sees the entry

    # -- shards ------------------------------------------------------------------------------------------------------

    def _claim_when_changed(self) -> None:
        """Claim and release what is due, if anything has changed since the last look."""
        seen = (self.directory.generation, self.directory.shard_changes, self.lease.epoch)
        if seen != self._claimed_at:
            self._claimed_at = seen
            self._claim()

    def _claim(self) -> None:
        due = claims(self.directory, self.name, self.lease.epoch)
        for shard in due.claim:
            self._write_shard(shard, ShardRecord(node=self.name, epoch=self.lease.epoch))
        released = self.shards.intersection(due.release)
        if released:
            self._release(released)

    def _release(self, shards: set[int]) -> None:
        """Stop acting for shards, then let others have them."""
        epoch = self.lease.epoch
        self._claiming |= shards

        def stopped(_: object) -> None:
            self._claiming -= shards
            self._claimed_at = ()  # a later membership may have left out their claims meanwhile
            if self.lease.epoch == epoch and epoch:
                for shard in shards:
                    self._write_shard(shard, ShardRecord())

        (self._lose(shards) or succeed(None)).addBoth(stopped)

    def _write_shard(self, shard: int, record: ShardRecord) -> None:
        if shard in self._claiming:
            return
        self._claiming.add(shard)
        key, value = shard_key(shard), record.to_bytes()
        before = expected(self.directory, shard)
        self._followed.pop(shard, None)

        def written(revision: int) -> None:
            self._claiming.discard(shard)
            self._followed[shard] = before
            self._take_in(Entry(key=key, value=value, revision=revision))

        def failed(failure: Failure) -> None:
            failure.trap(Conflict, EngineAway)
            self._claiming.discard(shard)
            self._claimed_at = ()
            self._compare((shard,))  # what could not be released is ours again, and released with the next look

        self._engine.write(key, value, before).addCallbacks(written, failed)

    def _lose(self, shards: set[int]) -> Deferred[None] | None:
        self.shards -= shards
        return self._owner.shards_lost(shards) if shards else None

    # -- domains -----------------------------------------------------------------------------------------------------

    def _settle(self, domain: str) -> None:
        """Make the entry of a domain say what this node announces."""
        self._unsettled.add(domain)
        if not self._engine.is_connected or domain in self._settling:
            return
        self._settling.add(domain)
        is_announced = domain in self._announced
        key = place_key(self.name, domain)
        write = self._engine.put(key, self.process.encode()) if is_announced else self._engine.remove(key)

        def settled(_: object) -> None:
            self._settling.discard(domain)
            if is_announced == (domain in self._announced):
                self._unsettled.discard(domain)
            else:
                self._settle(domain)

        def failed(failure: Failure) -> None:
            failure.trap(Conflict, EngineAway)
            self._settling.discard(domain)

        write.addCallbacks(settled, failed)

    def _tidy(self, now: float) -> None:
        """Remove places that nodes have left behind; one node does that, and a little at a time."""
        live = self.directory.live()
        if not live or live[0].name != self.name:
            return
        stale = [*zip(self.directory.stale_keys(now - FORGET_SECONDS), range(_MOST_TIDIED), strict=False)]
        for (node, domain), _ in stale:
            self._engine.remove(place_key(node, domain)).addErrback(lambda failure: failure.trap(EngineAway) and None)

    # -- what is seen ------------------------------------------------------------------------------------------------

    def _take_in(self, entry: Entry) -> None:
        self.directory.changed(entry, self._clock.seconds())
        if (shard := shard_in(entry.key)) is not None:
            self._compare((shard,))
        self._noticed()

    def _noticed(self) -> None:
        if self.directory.generation != self._generation:
            self._generation = self.directory.generation
            self._compare(range(SHARDS))
            self._owner.nodes_changed()
        if touched := self.directory.take_touched():
            self._owner.places_changed(touched)

    def _compare(self, shards: Iterable[int]) -> None:
        """Compare what we act for with what the directory says that we own."""
        if not self.lease.epoch:
            return
        gained: set[int] = set()
        lost: set[int] = set()
        for shard in shards:
            is_ours, acts = self._is_ours(shard), shard in self.shards
            if acts and not is_ours:
                lost.add(shard)
            elif is_ours and not acts and shard not in self._claiming:
                gained.add(shard)
        self._lose(lost)
        if gained:
            self.shards |= gained
            self._owner.shards_gained(gained)

    def _is_ours(self, shard: int) -> bool:
        owned = self.directory.owner(shard)
        return owned is not None and owned.node == self.name and owned.epoch == self.lease.epoch

    def others(self) -> list[KnownNode]:
        """Return the other live nodes."""
        return [node for node in self.directory.live() if node.name != self.name]
