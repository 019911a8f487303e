"""ICluster: the calls to an engine, and its notifications.

An engine keeps small entries with revisions, tells everybody about each change, and carries bytes from node to node. It
decides nothing: from these, each node works out which nodes are alive, what each owns and what was accepted. So the
logic is the same with every engine; `alone` has one within a process, `net.engine` one over NATS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from gateway.cluster.records import Entry
from gateway.xmpp.errors import GatewayError


class EngineAway(GatewayError):
    """The engine cannot be reached at the moment, or did not answer in time; perhaps the write was done."""


class Conflict(GatewayError):
    """The entry is no longer the one on which the write was conditional."""


class EngineListener(Protocol):
    """The part of a node that is notified of what happens in the engine."""

    def engine_came(self, entries: Sequence[Entry]) -> None:
        """Note that the engine can be reached, and has these entries; later changes are passed on one by one."""

    def engine_changed(self, entry: Entry) -> None:
        """Note that an entry was written or removed, by whomever."""

    def engine_went(self, reason: str) -> None:
        """Note that the engine cannot be reached; changes are missed from now on."""

    def frame_arrived(self, data: bytes) -> None:
        """Take bytes that another node has sent to this one."""


class ICluster(Interface):
    """An engine between nodes, as one node sees it."""

    is_connected = Attribute("Whether the engine can be reached at the moment.")
    most_bytes = Attribute("How many bytes can be sent at once, MOST_FRAME_BYTES or more.")

    def start(listener: EngineListener) -> None:
        """Begin to connect, and connect again whenever the connection is lost."""

    def stop() -> Deferred[None]:
        """End the connection; the listener is no longer called."""

    def write(key: str, value: bytes, expected: int) -> Deferred[int]:
        """Write an entry if the last revision of its key is `expected`, 0 if there is none; return the new revision.

        Fail with Conflict, or with EngineAway.
        """

    def put(key: str, value: bytes) -> Deferred[int]:
        """Write an entry whatever was there; return its revision. Fail with EngineAway."""

    def remove(key: str) -> Deferred[None]:
        """Remove an entry, if there is one. Fail with EngineAway."""

    def send(node: str, data: bytes) -> None:
        """Send bytes to a node: in order with what was sent to it before, unless something is lost on the way.

        There is no notice of whether they arrive. More than `most_bytes` are dropped.
        """
