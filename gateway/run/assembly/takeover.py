"""Takeover: when a node is gone, another one delivers what it has kept, if the outboxes are on a server.

Each node has its outbox in its own schema, and one node at a time has it open. The schemas say which nodes there have
been; the directory says which of them are there. The outbox of a node that is gone belongs to a shard, as an account
does, so one node takes it over: it ends the session of the former owner, which cannot write from then on, moves the
rows to its own outbox, and closes the other one again.

A node that is cut off from NATS, but not from PostgreSQL, opens its outbox again afterwards, and continues.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.cluster.node import ClusterNode
from gateway.cluster.shards import shard_of
from gateway.notices.notices import Level, Publish, Remark, counted
from gateway.outbox.adoption import Adopted, adopt
from gateway.outbox.conditions import Condition
from gateway.outbox.durable import Tell
from gateway.outbox.errors import OutboxError, OutboxUnavailable
from gateway.outbox.interfaces import IOutbox
from gateway.outbox.opening import WhenOpened, nodes_with_outbox, open_left, schema_of
from gateway.timing.reactor import IReactor
from gateway.xmpp.addresses import Domain, DomainPair

TICK_SECONDS = 1.0
ASK_SECONDS = 15.0
"""How often the database is asked which nodes have an outbox."""
AGAIN_SECONDS = 60.0
"""How often the outbox of a node that stays away is looked at again: it may have kept something when it was cut off."""
RETRY_SECONDS = 5.0
ABSENT_SECONDS = 10.0
"""How long a node must be out of sight before its outbox is taken over."""


class OutboxesOfNodes(Protocol):
    """The outboxes of all nodes, on their server."""

    def nodes(self) -> Deferred[list[str] | None]:
        """Return the nodes that have ever had an outbox; None while the server cannot be asked."""

    def open_left(self, node: str, *, takes_over: bool, tell: Tell) -> IOutbox:
        """Open the outbox of a node, as `opening.open_left` does."""


class OwnKept(Protocol):
    """Our own outbox, and the part of the gateway that sends what is in it."""

    @property
    def outbox(self) -> IOutbox | None:
        """The outbox, once it is open."""

    def learn(self, pair: DomainPair) -> None:
        """Send what another node has left for a pair, and what is in our outbox now."""

    def hold(self, domains: Collection[Domain]) -> None:
        """Send nothing to these domains."""


class OutboxesOnServer:
    """OutboxesOfNodes for a cluster with its outboxes on a PostgreSQL server."""

    def __init__(self, url: str, cluster: str, reactor: IReactor, key_file: Path | None) -> None:
        self._url = url
        self._cluster = cluster
        self._reactor = reactor
        self._key_file = key_file

    def nodes(self) -> Deferred[list[str] | None]:
        """As `OutboxesOfNodes.nodes`."""
        return deferToThread(nodes_with_outbox, self._url, self._cluster)

    def open_left(self, node: str, *, takes_over: bool, tell: Tell) -> IOutbox:
        """As `OutboxesOfNodes.open_left`."""
        schema = schema_of(self._url, self._cluster, node)
        assert schema is not None
        left: IOutbox = open_left(
            self._url, self._reactor, schema, key_file=self._key_file, takes_over=takes_over, tell=tell
        )
        return left


class Takeover(Service):
    """Takes over what nodes that are gone have kept."""

    _log = Logger("gateway.takeover")

    def __init__(
        self, node: ClusterNode, kept: OwnKept, outboxes: OutboxesOfNodes, clock: IReactorTime, publish: Publish
    ) -> None:
        self.setName("takeover")
        self._node = node
        self._kept = kept
        self._outboxes = outboxes
        self._clock = clock
        self._publish = publish
        self._nodes: list[str] = []  # that have an outbox
        self._ask_at = float("-inf")
        self._absent_since: dict[str, float] = {}
        self._due: dict[str, float] = {}  # when a node that stays away is looked at again
        self._problems: dict[str, str] = {}  # why the last attempt has failed
        self._running: Deferred[None] | None = None
        self._left: IOutbox | None = None  # that is being emptied
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = clock

    def startService(self) -> None:
        super().startService()
        self._ticks.start(TICK_SECONDS, now=False)

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        if self._ticks.running:
            self._ticks.stop()
        return self._left.close() if self._left is not None else None

    def _tick(self) -> None:
        now = self._clock.seconds()
        if self._running is not None or not self._node.membership.lease.holds(now):
            return
        if now >= self._ask_at:
            self._ask_at = now + ASK_SECONDS
            self._run(self._ask())
            return
        self._note_absent(now)
        name = next((each for each in self._absent_since if self._is_due(each, now)), None)
        if name is not None:
            self._run(self._take_over(name))

    def _note_absent(self, now: float) -> None:
        directory = self._node.directory
        for name in self._nodes:
            if directory.is_live(name):
                self._absent_since.pop(name, None)
                self._due.pop(name, None)
            elif name not in self._absent_since:
                is_known_gone = name in directory.nodes  # which it is only after a lease without a sign of life
                self._absent_since[name] = now - ABSENT_SECONDS if is_known_gone else now

    def _is_due(self, name: str, now: float) -> bool:
        return self._owns(name) and now >= self._due.get(name, self._absent_since[name] + ABSENT_SECONDS)

    def _owns(self, name: str) -> bool:
        return self._node.membership.owns(shard_of(f"outbox of {name}"))

    def _run(self, job: Deferred[None]) -> None:
        self._running = job

        def done(result: object) -> None:
            self._running = None
            if isinstance(result, Failure):
                self._log.failure("a takeover has failed", result)

        job.addBoth(done)

    def _ask(self) -> Deferred[None]:
        def found(nodes: list[str] | None) -> None:
            if nodes is not None:
                self._nodes = [name for name in nodes if name != self._node.name]

        return self._outboxes.nodes().addCallback(found)

    def _take_over(self, name: str) -> Deferred[None]:
        first = name not in self._due
        self._due[name] = self._clock.seconds() + AGAIN_SECONDS
        return Deferred.fromCoroutine(self._empty(name, takes_over=first))

    async def _empty(self, name: str, *, takes_over: bool) -> None:
        """Move what a node has kept; `takes_over` even if it has its outbox open."""
        own = self._kept.outbox
        if own is None or not own.condition.is_ready:
            self._due.pop(name)  # at once, when that has changed
            return
        opened = WhenOpened()
        left = self._left = self._outboxes.open_left(name, takes_over=takes_over, tell=opened.tell)
        held = self._kept.hold if takes_over else None  # later, the operator may have released them here
        try:
            await opened.waited()
            adopted = await adopt(left, own, moved=self._kept.learn, held=held, goes_on=partial(self._goes_on, name))
        except OutboxError as error:
            self._not_taken(name, error, takes_over=takes_over)
        else:
            self._tell(name, adopted)
            if not adopted.is_complete:
                self._due.pop(name, None)
        finally:
            self._left = None
            await left.close()

    def _goes_on(self, name: str) -> bool:
        return bool(self.running) and self._owns(name) and not self._node.directory.is_live(name)

    def _not_taken(self, name: str, error: OutboxError, *, takes_over: bool) -> None:
        """Try again soon; a node that is only cut off has its outbox open, and that is as it should be."""
        is_in_use = isinstance(error, OutboxUnavailable) and error.condition is Condition.TAKEN_OVER
        if is_in_use or not self.running:
            return
        if takes_over:
            del self._due[name]
            self._absent_since[name] = self._clock.seconds() + RETRY_SECONDS - ABSENT_SECONDS
        text = f"what node {name} has kept could not be taken over: {error}"
        if self._problems.get(name) != text:
            self._problems[name] = text
            self._publish(Remark(text=text, weight=Level.WARN))

    def _tell(self, name: str, adopted: Adopted) -> None:
        self._problems.pop(name, None)
        if adopted.stanzas:
            text = f"node {name} is gone: {counted(adopted.stanzas, 'stanza')} that it has kept will be sent from here"
            self._publish(Remark(text=text))
