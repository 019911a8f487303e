"""ElsewhereSession: a component that is attached at another node, as the route of its domain here sees it.

It is a session like a connection: stanzas are written to it, and it can go. What is written crosses to the other node,
whose route takes it over. Its acknowledgement proves that kept stanzas have arrived; no ping is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from gateway.cluster.crossing import OpenLane
from gateway.components.slots import WithoutConnection
from gateway.outbox.backlog import Waiting
from gateway.routing.outflow import Lately
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import AddressedStanza

WhenCounted = Callable[[Sequence[AddressedStanza]], None]


class ElsewhereSession(WithoutConnection):
    """The component of a domain at another node."""

    is_elsewhere = True

    def __init__(self, lane: OpenLane, counted: WhenCounted) -> None:
        """`counted` is called with every batch that is written."""
        self.node = lane.node
        self.process = lane.process
        self.address = f"node {lane.node}"
        self.written = Lately()
        self._lane = lane
        self._counted = counted

    # -- as a Channel ------------------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """As `Channel.has_room`."""
        return self._lane.has_room

    def send(self, batch: Sequence[AddressedStanza]) -> None:
        """As `Channel.send`."""
        self._counted(batch)
        self._lane.send(batch)

    def room(self) -> Deferred[None] | None:
        """As `Channel.room`."""
        return self._lane.room()

    # -- as Attachable -----------------------------------------------------------------------------------------------

    def write_kept(self, stanzas: Sequence[AddressedStanza]) -> None:
        """As `Attachable.write_kept`."""
        self._counted(stanzas)
        self._lane.send(stanzas)

    def prove(self, ping: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        """As `Attachable.prove`: an acknowledgement proves as much as an answer."""
        self._lane.when_taken(lambda: answered(ping))

    def end(self, error: StreamError, *, disowned: bool) -> None:
        """As `Attachable.end`: the connection at the other node is not ours to close."""
        self.finish()

    # -- the rest ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Give the lane up as soon as everything in it has been taken over."""
        self._lane.when_taken(self._lane.end)


def not_kept(stanzas: Sequence[AddressedStanza]) -> list[AddressedStanza]:
    """Return those that nobody keeps: kept ones are written again by themselves."""
    return [stanza for stanza in stanzas if not isinstance(stanza, Waiting)]
