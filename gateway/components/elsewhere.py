"""ElsewhereSession: a component that is attached at another node, as the route of its domain here sees it.

It is a session like a connection: stanzas are written to it, and it can go. What is written crosses to the other node,
whose route takes it over. Its acknowledgement proves that kept stanzas have arrived; no ping is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from gateway.cluster.open_lane import OpenLane
from gateway.components.slots import WithoutConnection
from gateway.routing.outflow import Lately
from gateway.timing.waiters import Waiters
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
        self.is_leaving = False
        self._lane = lane
        self._counted = counted
        self._waits = Waiters()

    # -- as a Channel ------------------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """As `Channel.has_room`."""
        return not self.is_leaving and self._lane.has_room

    def send(self, batch: Sequence[AddressedStanza]) -> None:
        """As `Channel.send`."""
        self._counted(batch)
        self._lane.send(batch)

    def room(self) -> Deferred[None] | None:
        """As `Channel.room`."""
        return self._waits.wait() if self.is_leaving else self._lane.room()

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

    def leave(self, left: Callable[[], None]) -> None:
        """Take nothing more, and call `left` as soon as everything has been taken over; never, if the lane ends first.

        What is in flight has its end there: if it were written elsewhere at once, it would arrive twice.
        """
        if not self.is_leaving:
            self.is_leaving = True
            self._lane.when_taken(left)

    def finish(self) -> None:
        """Give the lane up as soon as everything in it has been taken over."""
        self._waits.release()
        self._lane.when_taken(self._lane.end)

    def replaced(self) -> None:
        """As `Attachable.replaced`."""
        self.finish()
