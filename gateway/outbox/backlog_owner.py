"""BacklogOwner: what a backlog needs of the route that owns it, and the terms that it gets from there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.outbox.settlement import Proof
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import AddressedStanza

WhenProved = Callable[[Proof], None]
"""Called with what the answer to a ping proves."""


@dataclass(frozen=True, kw_only=True)
class KeepTerms:
    """The terms of keeping: which stanzas are kept, and for how long; and what may wait behind them."""

    level: str = "no"
    hours: float = 24
    silence_seconds: float = 65  # anything written longer ago has arrived, or the stream has been given up
    patience: float = 30  # seconds that a stanza which is not kept waits for those before it
    most_followers: int = 10_000


class BacklogOwner(Protocol):
    """The route that owns a backlog."""

    @property
    def keep_terms(self) -> KeepTerms: ...
    @property
    def asks_for_several(self) -> bool:
        """Return whether one ping serves several backlogs, so that each requests it at the end of a turn."""

    @property
    def proof(self) -> Proof:
        """Return what the answer to a ping proves."""

    @property
    def stamps_as(self) -> Domain:
        """The domain of ours that appears in the stamp of a late stanza (XEP-0203)."""

    @property
    def largest(self) -> int | None:
        """The most bytes that the other side accepts in one stanza; None: unknown, or any number."""

    def bounce(self, stanza: AddressedStanza, error: StanzaError) -> None:
        """Answer a stanza with an error."""

    def write_kept(self, batch: Sequence[AddressedStanza]) -> Collection[AddressedStanza]:
        """Write these to the stream; return those that could not be written at all and have been bounced."""

    def write_follower(self, stanza: AddressedStanza) -> None:
        """Write a stanza that is not kept: what was kept before it has been written."""

    def ask(self, resource: str, answered: WhenProved) -> None:
        """Write a ping to the stream; call `answered` with what an answer proves."""

    def doubted(self, count: int) -> None:
        """Note that this many stanzas count as delivered, and that only time speaks for it."""

    def room(self) -> Deferred[None] | None:
        """Return None if there is room on the stream, else a Deferred that fires when there is."""

    def remember_only(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Let these wait in memory, as if there were no outbox, because it accepts none at the moment."""

    def caught_up(self) -> None:
        """Note that nothing is left to be sent."""

    def emptied(self) -> None:
        """Note that nothing is kept any longer."""
