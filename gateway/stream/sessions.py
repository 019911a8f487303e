"""The interfaces between a connection and the session that owns it.

A connection carries out; a session decides. A session is made with its connection, by a `NewSession`, before anything
is sent on it, and ends with it: `lost` is the last call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from gateway.stream.negotiation import Step
from gateway.stream.records import record
from gateway.stream.stream import Output, Stream
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import Stanza


class PeerReading(StrEnum):
    """Whether the other side was reading when a connection ended."""

    READ = "it was reading"
    STUCK = "it was reading nothing"
    STALLED = "it had read nothing for too long, so we cut the connection"


@record(frozen=True, kw_only=True)
class Ending:
    """How a connection ended."""

    reason: str  # in plain words
    closed: bool = False  # the other side has closed its stream
    error: StreamCondition | None = None  # the error with which it did so
    answered: bool = False  # it ended the connection properly, after we had closed our stream
    reading: PeerReading = PeerReading.READ

    @property
    def closed_properly(self) -> bool:
        """Return whether everything written has been read: both sides are done, and nothing was wrong."""
        return (self.closed or self.answered) and self.error is None

    @property
    def is_theirs(self) -> bool:
        """Return whether the other side ended the stream, or the connection broke while it was still reading."""
        return self.error is not None or (self.reading is PeerReading.READ and not self.answered)


def ending_of(
    stream: Stream, reason: str, *, answered: bool = False, reading: PeerReading = PeerReading.READ
) -> Ending:
    """Return how the connection of this stream has ended, or would if it ended now."""
    return Ending(
        reason=reason,
        closed=stream.closed_by_them,
        error=stream.their_error,
        answered=answered,
        reading=reading,
    )


class Connection(Protocol):
    """The connection, as its session sees it."""

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
        """Return whether stanzas may be written now."""

    def room(self) -> Deferred[None] | None:
        """Return None if there is room to write, else a Deferred that fires when there is, or
        the connection is gone.
        """

    def answer(self, answer: object) -> None:
        """Answer an order that was a question."""

    def perform(self, step: Callable[[Any], Step]) -> None:
        """Have a feature act on its own initiative."""

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream: error if any, closing tag, then the connection."""

    def abort(self, because: str) -> None:
        """Cut the connection, for this reason in plain words."""

    def when_lost(self) -> Deferred[None]:
        """Return a Deferred that fires when the connection is gone."""


class StreamRecord(Protocol):
    """The log of a stream, as far as it says which stream this is (`notices.attempts` writes it)."""

    @property
    def number(self) -> int:
        """The number that identifies it within the process."""

    @property
    def kind(self) -> str:
        """The kind of the other side."""

    @property
    def direction(self) -> str:
        """The side that opened it."""

    @property
    def remote(self) -> str:
        """The other side's name, as far as it is known."""

    @property
    def began(self) -> float:
        """The time of day at which it began."""


class Session(Protocol):
    """The owner of a connection."""

    @property
    def log(self) -> StreamRecord:
        """The log of the stream."""

    def room(self) -> Deferred[None] | None:
        """Return None if stanzas may be sent, else a Deferred that fires when they may, or the connection is gone."""

    def happened(self, output: Output) -> None:
        """Take an event, or an order that is not about the transport."""

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Take stanzas; return a Deferred if reading should wait for it."""

    def outstanding(self) -> Deferred[None] | None:
        """Return None if everything that the other side asked is answered, else a Deferred that fires when it is.

        Called when the other side has closed its stream.
        """

    def lost(self, ending: Ending) -> None:
        """Note that the connection is gone. Called once, and last."""


NewSession = Callable[[Connection], Session]
"""Makes the session of a new connection."""
