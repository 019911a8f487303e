"""An outbox in a database, a file or on a server: IOutbox over a queue of transactions.

What is put, settled and removed in one turn of the reactor, or while a transaction is being written, goes into the next
transaction together, as one job: so a stanza costs less the more there are. All else is a separate job, behind what was
asked for before.

The life of the database:

    READY      a transaction failed, the connection may go on (disk full, locked)   -> that condition: nothing is taken
               a transaction failed, it may not (I/O error, damaged ...)            -> that condition, and it is closed
    not READY  after a pause: the database is looked at, or reopened             -> READY, or the condition found

Settlements and removals made while the database could not be written are carried out when it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.outbox import statements
from gateway.outbox.chunks import Packer, number_of, size_of
from gateway.outbox.conditions import PAUSES, Condition, Works
from gateway.outbox.databases import IOutboxDatabase, Opened
from gateway.outbox.errors import OutboxError, OutboxUnavailable
from gateway.outbox.interfaces import IOutbox, Putter, Settler
from gateway.outbox.records import (
    AsideStanza,
    DomainState,
    DomainSummary,
    ExpiredStanza,
    Failing,
    KeptStanza,
    OutboxLimits,
    PairState,
    WithheldStanza,
)
from gateway.outbox.statements import Gone, Work
from gateway.outbox.tallies import Tallies, Tally
from gateway.storage.commits import CommitQueue, Runner
from gateway.storage.dialects import SqlConnection
from gateway.storage.errors import StoreUnavailable
from gateway.xmpp.addresses import Domain, DomainPair

T = TypeVar("T")

Tell = Callable[[Condition, str], None]
"""Called at each change of the condition, with the system's message."""

STEADY_SECONDS = 5.0
"""How long all has to be well again before that is reported: a disk that fills again at once is one trouble."""
IDLE_SECONDS = 1.0
"""Seconds without a transaction after which the log is emptied."""
LONGEST_SECONDS = 30.0
"""Seconds after which it is emptied at the latest."""
DROPPED_ROWS = 256
"""Rows dropped in one transaction: what comes meanwhile waits, and up to 64 KiB of each are in memory until it ends."""
_UNTOLD = "the outcome of a transaction of the outbox could not be processed"


class _Gathered:
    """What was put, settled and removed since the last transaction began."""

    def __init__(self, sequence: count[int]) -> None:
        self.packer = Packer(sequence)
        self.settled: dict[DomainPair, int] = {}
        self.read: dict[DomainPair, int] = {}
        self.removed: set[int] = set()
        self.tallies: dict[DomainPair, Tally] = {}
        self.admitted: list[tuple[Tally, int, int]] = []  # to be subtracted again if the transaction fails
        self.puts: list[tuple[Putter, Any]] = []
        self.others: list[tuple[Settler, int, int]] = []
        self.is_handed_over = False
        self.refused: OutboxUnavailable | None = None  # the puts, because the condition has changed meanwhile


class _Promise:
    """A Deferred for those who wait with one: a Putter, and a Settler."""

    def __init__(self) -> None:
        self.done: Deferred[Any] = Deferred()
        self.kept = self.done.callback
        self.not_kept = self.done.errback

    def recorded(self, upto: int, mark: int) -> None:
        self.done.callback(None)

    def not_recorded(self, error: OutboxError, mark: int) -> None:
        self.done.errback(error)


@implementer(IOutbox)
class DurableOutbox:
    """IOutbox over a database."""

    _log = Logger()

    def __init__(
        self,
        database: IOutboxDatabase,
        *,
        run: Runner,
        clock: IReactorTime,
        limits: OutboxLimits,
        tell: Tell = lambda condition, detail: None,
        tell_damaged: Callable[[int], None] = lambda rows: None,
        tell_opened: Callable[[], None] = lambda: None,
        stop: Callable[[], None] = lambda: None,
        soon: Callable[[Callable[[], None]], object] = lambda job: job(),
    ) -> None:
        """`run` carries transactions to where waiting is allowed, and `stop` ends that when the outbox is closed.

        `soon` calls a job when the turn of the reactor ends, so that all puts of the turn share a transaction; without
        it, each begins one as soon as it can.
        `tell_damaged` is called with the number of rows that could not be read; they are set aside. `tell_opened` is
        called each time when the database has been opened, before anything new is put into it.
        """
        self.condition = Condition.UNREACHABLE
        self._detail = "it is not open yet"
        self._database = database
        self._run = run
        self._clock = clock
        self._limits = limits
        self._tell = tell
        self._tell_damaged = tell_damaged
        self._tell_opened = tell_opened
        self._stop = stop
        self._soon = soon
        self._tallies = Tallies(limits)
        self._queue: CommitQueue | None = None
        self._sequence = count(1)
        self._last_sequence = 0
        self._earliest_expiry = float("inf")
        self._admissions = 0
        self._gathered: _Gathered | None = None
        self._begins_soon = False  # the transaction of what is gathered; until then the queue has nothing to do
        self._told: Condition | None = None
        self._telling: Any = None  # that all is well again
        self._looks = 0
        self._look: IDelayedCall | None = None
        self._tidying: IDelayedCall | None = None
        self._tidied_at = clock.seconds()
        self._not_kept: set[int] = set()  # chunks of failed transactions, which a log may still bring back
        self._late_settled: dict[DomainPair, int] = {}
        self._late_removed: set[int] = set()
        self._closed: Deferred[None] | None = None

    def start(self) -> None:
        """Open the file in the caller's thread, for the first time."""
        try:
            opened = self._database.open()
        except OutboxUnavailable as error:
            self._enter(error.condition, error.detail)
        else:
            self._adopt(opened)

    def start_later(self) -> None:
        """Open the database for the first time where waiting is allowed."""
        self._run(self._database.open).addCallbacks(self._adopt, self._looks_bad)

    @property
    def stanzas(self) -> int:
        return self._tallies.stanzas

    @property
    def size(self) -> int:
        return self._tallies.bytes

    def waiting(self, pair: DomainPair) -> int:
        tally = self._tallies.find(pair)
        return tally.stanzas if tally is not None else 0

    # -- the life of a stanza ----------------------------------------------------------------------------------------

    def put(
        self, pair: DomainPair, stanzas: Sequence[bytes], *, accepted: float, expires: float
    ) -> Deferred[Sequence[int]]:
        if not stanzas:
            return succeed(())
        promise = _Promise()
        self.put_for(promise, pair, stanzas, accepted=accepted, expires=expires)
        return promise.done

    def put_for(
        self, putter: Putter, pair: DomainPair, stanzas: Sequence[bytes], *, accepted: float, expires: float
    ) -> None:
        size = size_of(stanzas)
        try:
            gathered = self._admit(pair, len(stanzas), size, expires)
        except OutboxError as error:
            putter.not_kept(error)
            return
        gathered.puts.append((putter, gathered.packer.add(pair, stanzas, size, accepted, expires)))
        if not gathered.is_handed_over:
            self._hand_over(gathered)

    def put_newest(
        self, pair: DomainPair, key: bytes, stanza: bytes, *, accepted: float, expires: float
    ) -> Deferred[int]:
        try:
            gathered = self._admit(pair, 1, size_of((stanza,)), expires)
        except OutboxError as error:
            return fail(error)
        promise = _Promise()
        gathered.puts.append((promise, gathered.packer.add_newest(pair, key, stanza, accepted, expires)))
        self._hand_over(gathered)
        return promise.done

    def _admit(self, pair: DomainPair, stanzas: int, size: int, expires: float) -> _Gathered:
        if self.condition is not Condition.READY:
            raise self._unavailable()
        tally = self._tallies.admit(pair, stanzas, size)
        gathered = self._gather()
        gathered.tallies[pair] = tally
        gathered.admitted.append((tally, stanzas, size))
        if expires < self._earliest_expiry:
            self._earliest_expiry = expires
        self._admissions += 1
        return gathered

    def settle(self, pair: DomainPair, upto: int) -> Deferred[None]:
        promise = _Promise()
        self.settle_for(promise, pair, upto, 0)
        return promise.done

    def settle_for(self, settler: Settler, pair: DomainPair, upto: int, mark: int) -> None:
        if not self._shrinks:
            self._remember_settled(pair, upto)
            settler.not_recorded(self._unavailable(), mark)
            return
        gathered = self._gather_for(pair)
        if gathered is None:
            settler.recorded(upto, mark)
            return
        gathered.settled[pair] = max(upto, gathered.settled.get(pair, 0))
        gathered.others.append((settler, upto, mark))
        if not gathered.is_handed_over:
            self._hand_over(gathered)

    def mark_read(self, pair: DomainPair, upto: int) -> Deferred[None]:
        if not self._shrinks:
            return fail(self._unavailable())
        gathered = self._gather_for(pair)
        if gathered is None:
            return succeed(None)
        gathered.read[pair] = upto
        return self._promise_other(gathered)

    def remove(self, numbers: Collection[int]) -> Deferred[None]:
        if not self._shrinks:
            self._late_removed.update(numbers)
            return fail(self._unavailable())
        gathered = self._gather()
        gathered.removed.update(numbers)
        return self._promise_other(gathered)

    @property
    def _shrinks(self) -> bool:
        """Return whether what is kept can be settled and removed now."""
        return self._queue is not None and self.condition.works >= Works.SHRINKS

    def _gather_for(self, pair: DomainPair) -> _Gathered | None:
        """Return the gathered work, with the row of a pair; None if nothing is kept of the pair."""
        tally = self._tallies.find(pair)
        if tally is None:
            return None
        gathered = self._gather()
        gathered.tallies[pair] = tally
        return gathered

    def _promise_other(self, gathered: _Gathered) -> Deferred[None]:
        promise = _Promise()
        gathered.others.append((promise, 0, 0))
        self._hand_over(gathered)
        return promise.done

    def page(self, pair: DomainPair, after: int = 0, limit: int = 500) -> Deferred[tuple[KeptStanza, ...]]:
        tally = self._tallies.find(pair)
        if tally is None and self._queue is not None:
            return succeed(())
        asked = self._read(statements.page, tally.id if tally else 0, after, limit, self._limits, self._database.seal)
        return asked.addCallback(lambda found: self._without_damaged(*found))

    def expired(self, now: float, limit: int = 50) -> Deferred[tuple[ExpiredStanza, ...]]:
        if now < self._earliest_expiry and self._queue is not None:
            return succeed(())

        admissions = self._admissions

        def found(answer: tuple[tuple[ExpiredStanza, ...], list[int], float | None]) -> tuple[ExpiredStanza, ...]:
            stanzas, damaged, earliest = answer
            if earliest is not None and admissions == self._admissions:  # else something newer may be due earlier
                self._earliest_expiry = earliest
            return self._without_damaged(stanzas, damaged)

        return self._read(statements.expired, now, limit, self._database.seal).addCallback(found)

    def _without_damaged(self, found: tuple[T, ...], damaged: list[int]) -> tuple[T, ...]:
        """Set unreadable chunks aside, and report them; the readable ones are returned."""
        if damaged:
            self._tell_damaged(len(damaged))
            asked = self._write(statements.set_damaged_aside, damaged, self._limits)
            asked.addCallbacks(self._count_gone, _ignore)
        return found

    # -- for people --------------------------------------------------------------------------------------------------

    def hold(self, domain: Domain) -> Deferred[None]:
        return self._write(statements.set_held, domain, True)

    def release(self, domain: Domain) -> Deferred[None]:
        return self._write(statements.set_held, domain, False)

    def held(self) -> Deferred[frozenset[Domain]]:
        return self._read(statements.held)

    def oldest(self) -> Deferred[float | None]:
        return self._read(statements.oldest)

    def drop(self, domain: Domain) -> Deferred[int]:
        return Deferred.fromCoroutine(self._drop(domain))

    async def _drop(self, domain: Domain) -> int:
        dropped = 0
        while True:
            aside, gone = await self._write(statements.drop, domain, DROPPED_ROWS)
            self._count_gone(gone)
            dropped += aside + sum(each.stanzas for each in gone)
            if len(gone) < DROPPED_ROWS:
                return dropped

    def set_aside(self, number: int, reason: str) -> Deferred[None]:
        asked = self._write(statements.set_aside, number, reason, self._limits, self._database.seal)
        return asked.addCallback(self._count_gone)

    def keep_aside(self, pair: DomainPair, stanza: bytes, *, accepted: float, reason: str) -> Deferred[int | None]:
        if not self.condition.works >= Works.TAKES:
            return fail(self._unavailable())
        number = number_of(next(self._sequence), 0)
        row = (number, pair, accepted, reason)
        return self._write(statements.keep_aside, row, stanza, self._limits, self._database.seal)

    def take_aside(self, number: int) -> Deferred[None]:
        return self._write(statements.take_aside, number)

    def aside(self, domain: Domain | None = None) -> Deferred[tuple[AsideStanza, ...]]:
        return self._read(statements.aside, domain, self._database.seal)

    def withhold(
        self, pair: DomainPair, stanza: bytes, *, accepted: float, expires: float, rule: str
    ) -> Deferred[int | None]:
        if not self.condition.works >= Works.TAKES:
            return fail(self._unavailable())
        times = (accepted, expires)
        return self._write(statements.withhold, pair, stanza, times, rule, self._limits, self._database.seal)

    def withheld(self) -> Deferred[tuple[WithheldStanza, ...]]:
        return self._read(statements.withheld, self._database.seal)

    def take_withheld(self, number: int) -> Deferred[WithheldStanza | None]:
        return self._write(statements.take_withheld, number, self._database.seal)

    def expire_withheld(self, now: float) -> Deferred[int]:
        return self._write(statements.expire_withheld, now)

    def summary(self, now: float) -> Deferred[tuple[DomainSummary, ...]]:
        return self._read(statements.summary, now)

    # -- for routes --------------------------------------------------------------------------------------------------

    def pairs(self) -> Deferred[tuple[PairState, ...]]:
        return self._read(statements.pairs)

    def state(self, domain: Domain) -> Deferred[DomainState]:
        return self._read(statements.state, domain)

    def remember(self, domain: Domain, failing: Failing | None) -> Deferred[None]:
        return self._write(statements.remember, domain, failing)

    def close(self) -> Deferred[None]:
        if self._closed is None:
            self._begin_gathered()
            queue = self._queue
            self._closed = Deferred()
            self._queue = None
            self._database.hurry()
            self._cancel_timers()
            self._enter(Condition.CLOSED, "")
            (succeed(None) if queue is None else queue.close()).addBoth(self._was_closed)
        return self._closed

    def _was_closed(self, _: object) -> None:
        """End the thread; callers already know what could not be written at the end."""
        self._stop()
        assert self._closed is not None
        self._closed.callback(None)

    # -- transactions ------------------------------------------------------------------------------------------------

    def _read(self, job: Callable[..., T], *args: Any) -> Deferred[T]:
        if self._queue is None:
            return fail(self._unavailable())
        self._begin_gathered()
        return self._queue.read(job, *args).addErrback(self._explain)

    def _write(self, job: Callable[..., T], *args: Any) -> Deferred[T]:
        if self._queue is None or self.condition.works < Works.SHRINKS:
            return fail(self._unavailable())
        self._begin_gathered()
        self._gathered = None  # later puts go behind this
        self._tidy_later()
        return self._queue.write(job, *args).addErrback(self._explain)

    def _gather(self) -> _Gathered:
        if self._gathered is None:
            self._gathered = _Gathered(self._sequence)
        return self._gathered

    def _hand_over(self, gathered: _Gathered) -> None:
        """Have the gathered work written in the next transaction; more may join until that begins."""
        if gathered.is_handed_over or self._queue is None:
            return
        gathered.is_handed_over = True
        self._tidy_later()
        if self._queue.is_idle:
            self._begins_soon = True
            self._soon(self._begin_gathered)
        else:
            self._write_later(gathered, self._queue)

    def _begin_gathered(self) -> None:
        """Begin the transaction that waits for the end of the turn: what is asked for from now on goes behind it."""
        if self._begins_soon:
            self._begins_soon = False
            assert self._gathered is not None  # because nothing else has been asked for meanwhile
            assert self._queue is not None
            self._write_later(self._gathered, self._queue)

    def _write_later(self, gathered: _Gathered, queue: CommitQueue) -> None:
        queue.write(self._write_gathered, gathered).addCallbacks(
            self._written, self._not_written, callbackArgs=(gathered,), errbackArgs=(gathered,)
        )

    def _write_gathered(self, connection: SqlConnection, gathered: _Gathered) -> list[Gone]:
        """Write everything that is gathered, in the thread of transactions."""
        tallies = gathered.tallies
        work = Work(
            settled={tallies[pair].id: upto for pair, upto in gathered.settled.items()},
            read={tallies[pair].id: upto for pair, upto in gathered.read.items()},
            removed=gathered.removed,
        )
        if gathered.refused is None:
            work.pairs = {tally.id: pair for pair, tally in tallies.items() if not tally.is_stored}
            work.chunks = [(tallies[chunk.pair].id, chunk) for chunk in gathered.packer.chunks]
        return statements.write(connection, work, self._database.seal)

    def _written(self, gone: list[Gone], gathered: _Gathered) -> None:
        self._count_gone(gone)
        self._looks = 0  # a disk that fails only at the next write is tried less and less often
        if gathered.refused is not None:
            self._refuse_puts(gathered, gathered.refused)
        else:
            for tally in gathered.tallies.values():
                tally.is_stored = True
            for putter, result in gathered.puts:
                try:
                    putter.kept(result)
                except Exception:
                    self._log.failure(_UNTOLD)
        for settler, upto, mark in gathered.others:
            try:
                settler.recorded(upto, mark)
            except Exception:
                self._log.failure(_UNTOLD)
        if self.condition is Condition.DISK_FULL and self._queue is not None:
            self._queue.maintain(self._database.empty_log).addErrback(_ignore)

    def _not_written(self, failure: Failure, gathered: _Gathered) -> None:
        error = self._explained(failure)
        if self._queue is None:
            self._not_kept.update(chunk.sequence for chunk in gathered.packer.chunks)
        for pair, upto in gathered.settled.items():
            self._remember_settled(pair, upto)
        self._late_removed |= gathered.removed
        self._refuse_puts(gathered, error)
        for settler, _, mark in gathered.others:
            try:
                settler.not_recorded(error, mark)
            except Exception:
                self._log.failure(_UNTOLD)

    def _refuse_puts(self, gathered: _Gathered, error: OutboxError) -> None:
        for tally, stanzas, size in gathered.admitted:
            self._tallies.count(tally, -stanzas, -size)
        for putter, _ in gathered.puts:
            try:
                putter.not_kept(error)
            except Exception:
                self._log.failure(_UNTOLD)

    def _remember_settled(self, pair: DomainPair, upto: int) -> None:
        self._late_settled[pair] = max(upto, self._late_settled.get(pair, 0))

    def _count_gone(self, gone: list[Gone]) -> None:
        for id, stanzas, size in gone:
            self._tallies.count(self._tallies.of_row(id), -stanzas, -size)

    def _explain(self, failure: Failure) -> Any:
        raise self._explained(failure)

    def _explained(self, failure: Failure) -> OutboxUnavailable:
        error = failure.value
        if not isinstance(error, StoreUnavailable):
            failure.raiseException()  # our own bug
        if error.__cause__ is None:  # the queue is full, or it was closed meanwhile
            return OutboxUnavailable(Condition.BUSY if self.condition.is_ready else self.condition, str(error))
        return OutboxUnavailable(*self._database.condition_of(error))

    def _unavailable(self) -> OutboxUnavailable:
        return OutboxUnavailable(self.condition, self._detail)

    # -- the life of the file ----------------------------------------------------------------------------------------

    def _adopt(self, opened: Opened) -> None:
        """Continue with a file that was opened."""
        if self._closed is not None:
            opened.connection.close()
            return
        self._queue = CommitQueue(
            opened.connection,
            self._run,
            dialect=self._database.dialect,
            starting=self._transaction_starts,
            goes_on=self._broke,
        )
        self._not_kept.clear()
        self._last_sequence = max(self._last_sequence, opened.last_sequence, next(self._sequence) - 1)
        self._sequence = count(self._last_sequence + 1)
        self._earliest_expiry = opened.earliest_expiry
        self._tallies = Tallies(self._limits)
        for stored in opened.pairs:
            self._tallies.load(stored.id, stored.pair, stored.stanzas, stored.bytes)
        self._tidy_later()
        self._ready()
        self._tell_opened()

    def _ready(self) -> None:
        self._enter(Condition.READY, "")
        self._do_late()

    def _do_late(self) -> None:
        """Do what failed earlier: settled stanzas must not be sent again."""
        settled, self._late_settled = self._late_settled, {}
        removed, self._late_removed = self._late_removed, set()
        for pair, upto in settled.items():
            self.settle(pair, upto).addErrback(_ignore)
        if removed:
            self.remove(removed).addErrback(_ignore)

    def _transaction_starts(self) -> None:
        self._gathered = None

    def _broke(self, error: StoreUnavailable) -> bool:
        """Record that a transaction failed; return whether the connection may be used again."""
        condition, detail = self._database.condition_of(error)
        was_full = self.condition is Condition.DISK_FULL
        self._enter(condition, detail)
        if not condition.works:
            self._queue = None
        elif condition is Condition.DISK_FULL and not was_full and self._queue is not None:
            self._queue.maintain(self._database.make_room).addCallbacks(lambda _: self._do_late(), _ignore)
        return condition.works > Works.NOTHING

    def _enter(self, condition: Condition, detail: str) -> None:
        self.condition, self._detail = condition, detail
        if self._gathered is not None and not condition.is_ready and condition is not Condition.CLOSED:
            self._gathered.refused = self._unavailable()
            self._gathered = None
        self._tell_once(condition, detail)
        if not condition.is_ready and condition is not Condition.CLOSED and self._look is None:
            pause = PAUSES[min(self._looks, len(PAUSES) - 1)]
            self._looks += 1
            self._look = self._clock.callLater(pause, self._look_again)

    def _tell_once(self, condition: Condition, detail: str) -> None:
        """Report a condition that differs from the last one reported; that all is well again only when it stays so."""
        if condition.is_ready and self._told is not None and self._told is not condition:
            if self._telling is None:
                self._telling = self._clock.callLater(STEADY_SECONDS, self._tell_ready)
            return
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if condition is not self._told:
            self._told = condition
            self._tell(condition, detail)

    def _tell_ready(self) -> None:
        self._telling = None
        self._told = Condition.READY
        self._tell(Condition.READY, "")

    def _look_again(self) -> None:
        self._look = None
        self._begin_gathered()
        if self._queue is not None:
            self._queue.maintain(self._database.look).addCallbacks(self._looks_well, self._looks_bad)
        else:
            not_kept = tuple(self._not_kept)
            self._run(lambda: self._database.open(not_kept)).addCallbacks(self._adopt, self._looks_bad)

    def _looks_well(self, _: object) -> None:
        if self._closed is None and not self.condition.is_ready:
            self._ready()

    def _looks_bad(self, failure: Failure) -> None:
        error = failure.value
        if not isinstance(error, StoreUnavailable | OutboxUnavailable):
            failure.raiseException()  # our own bug
        if self._closed is None:
            self._enter(*self._database.condition_of(error))

    # -- tidying -----------------------------------------------------------------------------------------------------

    def _tidy_later(self) -> None:
        """Postpone the tidying, but not for ever."""
        if self._tidying is not None and self._tidying.active():
            left = self._tidied_at + LONGEST_SECONDS - self._clock.seconds()
            self._tidying.reset(max(0, min(IDLE_SECONDS, left)))
        else:
            self._tidied_at = self._clock.seconds()
            self._tidying = self._clock.callLater(IDLE_SECONDS, self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        if self._queue is None or not self.condition.is_ready:
            return
        self._begin_gathered()
        if empty := self._tallies.forget_empty():
            self._gathered = None  # a pair that is used again gets a new row, behind this
            self._queue.write(statements.forget_pairs, empty).addErrback(_ignore)
        self._queue.maintain(self._database.tidy).addErrback(_ignore)

    def _cancel_timers(self) -> None:
        for timer in (self._look, self._tidying, self._telling):
            if timer is not None:
                with suppress(Exception):
                    timer.cancel()
        self._look = self._tidying = self._telling = None


def _ignore(failure: Failure) -> None:
    """Ignore a failure of the file, which has been reported as a condition."""
    failure.trap(StoreUnavailable, OutboxError)
