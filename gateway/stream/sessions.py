"""What a connection and the session that owns it know of each other.

A connection carries out; a session decides. One session belongs to one connection, from `connected` to `lost`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.stream.facts import Facts
from gateway.stream.negotiation import Step
from gateway.stream.stream import Output, Stream
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import Stanza


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a connection ended."""

    reason: str  # in plain words
    closed: bool = False  # the other side has closed its stream
    error: StreamCondition | None = None  # with which it did so
    answered: bool = False  # it ended the connection in good order, after we had closed our stream
    stalled: bool = False  # it took nothing for too long, and we cut the connection
    stuck: bool = False  # it took nothing when the connection was lost

    @property
    def closed_properly(self) -> bool:
        """Whether what was written has been read: both sides are done, and nothing was wrong."""
        return (self.closed or self.answered) and self.error is None


def ending_of(
    stream: Stream, reason: str, *, answered: bool = False, stalled: bool = False, stuck: bool = False
) -> Ending:
    """Return how the connection of this stream has ended, or would if it ended now."""
    return Ending(
        reason=reason,
        closed=stream.closed_by_them,
        error=stream.their_error,
        answered=answered,
        stalled=stalled,
        stuck=stuck,
    )


class Connection(Protocol):
    """What a session may ask of its connection."""

    stream: Stream
    bytes_in: int
    bytes_out: int

    @property
    def peer_address(self) -> str:
        """The other side's IP address and port, as text."""

    def write(self, data: bytes) -> None:
        """Write stanzas, on an established stream."""

    @property
    def has_room(self) -> bool:
        """Whether stanzas may be written now."""

    def room(self) -> Deferred[None] | None:
        """None when there is room to write; else a Deferred that fires when there is, or the connection is gone."""

    def answer(self, answer: object) -> None:
        """Answer an order that was a question."""

    def perform(self, step: Callable[[Facts], Step]) -> None:
        """Have a feature do something of its own accord."""

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream: error if any, closing tag, then the connection."""

    def abort(self, because: str) -> None:
        """Cut the connection, for this reason in plain words."""

    def when_lost(self) -> Deferred[None]:
        """Fires when the connection is gone."""


class Session(Protocol):
    """The owner of a connection."""

    def connected(self, connection: Connection) -> None:
        """Take over a connection that has just been made; nothing has been sent yet."""

    def happened(self, output: Output) -> None:
        """An event, or an order that is not about the transport."""

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Stanzas came; a Deferred where reading should wait for it."""

    def outstanding(self) -> Deferred[None] | None:
        """The other side has closed its stream: None when all that it asked for is answered; else fires when it is."""

    def lost(self, ending: Ending) -> None:
        """The connection is gone. Called once, and nothing after it."""
