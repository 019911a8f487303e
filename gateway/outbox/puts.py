"""Puts: the way of one pair's stanzas to the disk.

    gathered     stanzas of this turn; the next flush puts them into the outbox
    being put    in a transaction that is not on the disk yet
    spilled      kept because they had no room on an open stream; they wait on the disk until they are sent

Senders wait while more than a megabyte is being put, or spilled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.outbox.attempts import Attempts
from gateway.outbox.backlog_owner import BacklogOwner
from gateway.outbox.errors import OutboxError
from gateway.outbox.followers import EVERYTHING, Followers
from gateway.outbox.keeper import Keeper
from gateway.outbox.progress import Progress
from gateway.outbox.retention import Keep, key_of
from gateway.timing.waiters import Waiters
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import AddressedStanza

_MOST_BYTES = 1 << 20  # beyond this many bytes under way to the disk, senders wait


class PutOutcome(Protocol):
    """The part that goes on with stanzas when the outbox has answered."""

    def was_kept(self, run: Putting, numbers: Sequence[int]) -> None:
        """Note that stanzas are on the disk, under these numbers."""

    def was_not_kept(self, run: Putting, error: OutboxError) -> None:
        """Note that stanzas could not be put."""


class Putting:
    """Stanzas that are put together, and the outcome when the outbox has one."""

    __slots__ = (
        "_keeper",
        "_outcome",
        "_puts",
        "accepted",
        "attempt",
        "expires",
        "job",
        "put",
        "size",
        "stanzas",
    )
    job: int  # of the pair's puts
    put: int  # of the keeper's
    attempt: int  # to reach the domain

    def __init__(
        self,
        puts: Puts,
        keeper: Keeper,
        outcome: PutOutcome,
        stanzas: Sequence[AddressedStanza],
        size: int,
        accepted: float,
        expires: float,
    ) -> None:
        self._puts = puts
        self._keeper = keeper
        self._outcome = outcome
        self.stanzas = stanzas
        self.size = size
        self.accepted = accepted
        self.expires = expires

    def kept(self, numbers: Sequence[int]) -> None:
        """As `Putter.kept`."""
        try:
            self._puts.ended(self, numbers[0], numbers[-1])
            self._keeper.counts["kept"] += len(self.stanzas)
            self._outcome.was_kept(self, numbers)
        finally:
            self._keeper.finished(self.put)

    def not_kept(self, error: OutboxError) -> None:
        """As `Putter.not_kept`."""
        try:
            self._puts.ended(self, EVERYTHING, self._puts.newest)
            self._outcome.was_not_kept(self, error)
        finally:
            self._keeper.finished(self.put)


class Puts:
    """Stanzas of one pair that are gathered, and put."""

    def __init__(
        self,
        pair: DomainPair,
        keeper: Keeper,
        owner: BacklogOwner,
        *,
        attempts: Attempts,
        followers: Followers,
        outcome: PutOutcome,
    ) -> None:
        """`outcome` is told of the stanzas that are gathered here; the caller of `put` says who is told of others."""
        self.newest: float = EVERYTHING if keeper.waiting(pair) > 0 else 0  # the number of the stanza kept last
        self.spilled: int | None = None  # bytes that wait on the disk for an open stream; None: it takes all there is
        self._pair = pair
        self._keeper = keeper
        self._owner = owner
        self._attempts = attempts
        self._followers = followers
        self._outcome = outcome
        self._gathered: list[tuple[Keep, list[AddressedStanza]]] = []  # in runs
        self._bytes = 0  # being put
        self._room: Waiters | None = None  # hardly anybody ever waits
        self._jobs = Progress()

    @property
    def keeps_nothing(self) -> bool:
        """Return whether nothing of the pair is kept, or about to be."""
        return not self._gathered and not self._keeper.waiting(self._pair)

    @property
    def is_at_rest(self) -> bool:
        """Return whether nothing is gathered, or being put."""
        return not self._gathered and not self._bytes

    @property
    def is_complete(self) -> bool:
        """Return whether nothing is being put."""
        return self._jobs.is_complete

    @property
    def asked(self) -> int:
        """Return the number of the last put."""
        return self._jobs.asked

    def gather(self, keep: Keep, stanzas: Sequence[AddressedStanza]) -> None:
        """Have stanzas put with the next flush."""
        gathered = self._gathered
        if gathered and gathered[-1][0] is keep:
            gathered[-1][1].extend(stanzas)
        else:
            gathered.append((keep, list(stanzas)))

    def flush(self) -> Deferred[None] | None:
        """As `KeptBacklog.flush`."""
        if self._gathered:
            self.put_gathered()
        if self._bytes <= _MOST_BYTES and (self.spilled or 0) <= _MOST_BYTES:
            return None
        if self._room is None:
            self._room = Waiters()
        return self._room.wait()

    def put_gathered(self) -> None:
        """Put what was gathered."""
        gathered, self._gathered = self._gathered, []
        for keep, stanzas in gathered:
            if keep is Keep.NEWEST:
                for stanza in stanzas:
                    self.put((stanza,), key_of(stanza), self._outcome)
            else:
                self.put(stanzas, None, self._outcome)

    def put(self, stanzas: Sequence[AddressedStanza], key: bytes | None, outcome: PutOutcome) -> None:
        """Put stanzas together; with a key, a single one in the place of the one that has it."""
        raws = [stanza.raw for stanza in stanzas]
        size = sum(map(len, raws))
        accepted = self._keeper.time_of_day()
        self._bytes += size
        if self.spilled is not None:
            self.spilled += size
        expires = accepted + self._owner.keep_terms.hours * 3600
        run = Putting(self, self._keeper, outcome, stanzas, size, accepted, expires)
        run.job = self._jobs.ask()
        run.attempt = self._attempts.count
        self._keeper.put(run, self._pair, raws, key)

    def ended(self, run: Putting, first: float, last: float) -> None:
        """Note that a put has ended, and how the kept stanzas are numbered now."""
        self._jobs.finish(run.job)
        self.newest = last
        if self._followers.queue:
            self._followers.learn(self._jobs.done, first, last)
        self._bytes -= run.size
        if self._room is not None:
            self._release()

    def others_put(self) -> None:
        """Note that somebody else has put something, whose numbers are not known."""
        self.newest = EVERYTHING

    # -- senders that wait -------------------------------------------------------------------------------------------

    def spill(self) -> None:
        """Let senders wait, from now on, for what is put to be sent as well."""
        self.spilled = 0

    def sent(self, size: int) -> None:
        """Note that this many bytes of what was spilled have been sent."""
        if self.spilled:
            self.spilled = max(0, self.spilled - size)
        self._release()

    def end_spill(self) -> None:
        """Let senders wait for the disk alone: everything has been sent, or there is no stream."""
        self.spilled = None
        self._release()

    def _release(self) -> None:
        if self._room is not None and 2 * max(self._bytes, self.spilled or 0) <= _MOST_BYTES:
            room, self._room = self._room, None
            room.release()
