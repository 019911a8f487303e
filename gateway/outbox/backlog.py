"""KeptBacklog: the kept stanzas of one pair, from the moment when they cannot be sent until they are settled.

    gathered     stanzas of this turn; the next flush puts them into the outbox
    being put    in a transaction that is not on the disk yet
    kept         only on the disk; memory has their number and size
    read ahead   read from the disk, or remembered from being put: next to be sent
    in flight    written to a stream, and not settled
    exposed      in flight, and sent again if the gateway dies now: not yet noted on the disk as settled or read
    following    not kept, and in memory alone: sent when everything that was kept before it has been

While no stream is open, nothing is read ahead or in flight. Once one is, the disk is read page by page and sent as
the window allows; later stanzas are put behind them. When nothing is left to be sent and the window is open, the owner
of the backlog is told that it has caught up, and need not put stanzas that can be sent at once.

A stanza is settled by its acknowledgement, by a ping behind it, or by time (`settlement`). If the stream breaks
before, it is still on the disk, and is sent again. What had been written without being kept, and was not acknowledged,
is put when the stream breaks: before anything newer, so that order holds.

What is never kept, a request or presence, has its place in the order as well (RFC 6120 §10.1), so it follows what was
kept before it, but for `patience` seconds at most: then its sender gets an error, as if no stream had been opened. This
holds for what a broken stream gives back, too: what is not kept goes out before the kept stanzas behind it, and follows
those before it. Where the disk fails, what should have been kept is one of these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from gateway.outbox.attempts import Attempts
from gateway.outbox.backlog_owner import BacklogOwner, WhenProved
from gateway.outbox.delay import delayed, is_late
from gateway.outbox.endings import expired, not_taken
from gateway.outbox.errors import OutboxError, OutboxUnavailable, ignore_failure
from gateway.outbox.exposure import AGAIN_SECONDS, Exposure
from gateway.outbox.flight import Flight
from gateway.outbox.followers import EVERYTHING, Followers
from gateway.outbox.keeper import Keeper
from gateway.outbox.progress import Progress
from gateway.outbox.read_ahead import ReadAhead, ReadEvent, ReadState
from gateway.outbox.records import KeptStanza
from gateway.outbox.retention import Keep, keeping, keeps_all, key_of, name_of
from gateway.outbox.settlement import Proof, Settled, Settlement, SettlementMeans
from gateway.outbox.waiting import Waiting
from gateway.outbox.window import MOST, Break
from gateway.timing.timers import Timer
from gateway.timing.waiters import Waiters
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza, restored

_PAGE_STANZAS = 500
_PUTTING_BYTES = 1 << 20  # beyond this many bytes under way to the disk, senders wait
_BATCH_STANZAS = MOST // 2  # so that one half of the window is written while the other is being acknowledged
_BATCH_BYTES = 1 << 16
_LEAST_SECONDS = 0.001

Replace = Callable[[Mapping[int, AddressedStanza]], Collection[int]]
"""Puts stanzas in the place of unacknowledged ones, by their ids; returns the ids of those found."""


class Rest(NamedTuple):
    """What a stream that broke has left for its owner to write: all else is kept, or follows what is."""

    first: list[AddressedStanza]
    """What was not acknowledged, and comes before everything that is kept."""
    left: list[AddressedStanza]
    """What was not written, and has nothing kept before it."""


class _Putting:
    """Stanzas of a backlog that are put together, and the outcome when the outbox has one."""

    __slots__ = (
        "accepted",
        "adopting",
        "attempt",
        "backlog",
        "expires",
        "job",
        "keeper",
        "put",
        "size",
        "stanzas",
        "written",
    )
    job: int  # of the backlog's puts
    put: int  # of the keeper's
    attempt: int | None  # to reach the domain; None: a broken stream may have delivered these, or the open one has them
    written: Replace | None
    adopting: set[int]

    def __init__(
        self,
        backlog: KeptBacklog,
        keeper: Keeper,
        stanzas: Sequence[AddressedStanza],
        size: int,
        accepted: float,
        expires: float,
    ) -> None:
        self.backlog = backlog
        self.keeper = keeper
        self.stanzas = stanzas
        self.size = size
        self.accepted = accepted
        self.expires = expires

    def kept(self, numbers: Sequence[int]) -> None:
        """As `Putter.kept`."""
        try:
            self.backlog.was_kept(self, numbers)
        finally:
            self.keeper.finished(self.put)

    def not_kept(self, error: OutboxError) -> None:
        """As `Putter.not_kept`."""
        try:
            self.backlog.was_not_kept(self, error)
        finally:
            self.keeper.finished(self.put)


class KeptBacklog:
    """The kept stanzas of one pair."""

    def __init__(self, pair: DomainPair, keeper: Keeper, owner: BacklogOwner, flight: Flight | None = None) -> None:
        """`flight` is shared by all pairs that use one stream; without it, the pair has its own."""
        self.pair = pair
        self.flight = flight or Flight()
        self.settlement: Settlement | None = None
        self._keeper = keeper
        self._owner = owner
        self._gathered: list[tuple[Keep, list[AddressedStanza]]] = []  # in runs
        self._putting_bytes = 0
        self._spilled: int | None = None  # bytes that wait on the disk for an open stream; None: it takes all there is
        self._room: Waiters | None = None  # hardly anybody ever waits
        self._ahead = ReadAhead(has_more=keeper.waiting(pair) > 0)
        self._in_flight: deque[Waiting] = deque()
        self._in_flight_bytes = 0
        self._exposure = Exposure(pair, keeper, noted=self._noted, again=self._note_again)
        self._is_blocked = False
        self._stream = 0  # counts the streams; 0 or negative: none is open
        self._streams = 0
        # the stanza sent last without a stamp, which has none the next time either
        self._plain: tuple[int, int] | None = None
        self.attempts = Attempts(
            pair, keeper, bounce=owner.bounce, remove=self._remove, is_over=lambda: self._stream > 0
        )
        self._in_doubt: list[tuple[AddressedStanza, int]] | None = None  # kept, of a stream that broke
        self._doubt_made: Break | None = None  # by whom, if what has not arrived is suspect
        self._doubtful_puts = 0  # of what was written without being kept
        self._adopting: set[int] = set()  # the ids of those on the open stream
        self._apart: dict[int, Waiting] | None = None  # adopted, by number, if something before them is sent after them
        # not delivered by the stream that broke; None while that is not known, or nothing is in doubt
        self._came_back: list[AddressedStanza] | None = None
        self._timer: IDelayedCall | None = None
        self._puts = Progress()
        self._newest: float = EVERYTHING if self._ahead.lacks_some else 0  # the number of the stanza kept last
        self._followers = Followers(keeper.space)
        self._impatience = Timer(keeper.clock)
        self._ping_soon = Timer(keeper.clock)

    # -- new stanzas -------------------------------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is kept, or about to be, and nothing waits behind it."""
        return self._keeps_nothing and not self._came_back and not self._followers

    @property
    def _keeps_nothing(self) -> bool:
        return not self._gathered and not self._keeper.waiting(self.pair)

    def takes(self, stanza: AddressedStanza) -> bool:
        """Gather a stanza for the next flush; return False if it is never kept, or the outbox accepts none.

        While anything of the pair is kept, a stanza that cannot be kept is bounced: in memory it would be overtaken.
        """
        keep = keeping(stanza)
        if keep is Keep.NO:
            return False
        if not self._keeper.takes:
            if self._keeps_nothing:
                return False
            self._keeper.counts["refused"] += 1
            self._owner.bounce(stanza, self._keeper.refusal().stanza_error())
            return True
        self._gather(keep, (stanza,))
        return True

    def takes_all(self, stanzas: Sequence[AddressedStanza]) -> bool:
        """Gather these for the next flush if all are kept in order; else gather none, and return False."""
        if not self._keeper.takes:
            return False
        if not keeps_all(stanzas):
            return False
        self._gather(Keep.YES, stanzas)
        return True

    def _gather(self, keep: Keep, stanzas: Sequence[AddressedStanza]) -> None:
        gathered = self._gathered
        if gathered and gathered[-1][0] is keep:
            gathered[-1][1].extend(stanzas)
        else:
            gathered.append((keep, list(stanzas)))

    @property
    def is_as_on_disk(self) -> bool:
        """Return whether nothing would be lost with this object: the next one reads all there is from the disk."""
        is_put = not self._gathered and self._puts.is_complete and not self._followers
        is_unsent = self._plain is None and self._in_doubt is None and self.flight.is_open
        return self._stream <= 0 and is_put and is_unsent

    @property
    def must_follow(self) -> bool:
        """Return whether a stanza that is not kept would overtake something, if it were written now."""
        if self._stream <= 0:
            return not self.is_empty or self._keeper.is_opening
        is_known = self._in_doubt is None and not self._doubtful_puts and self._puts.is_complete
        return not is_known or bool(self._followers or self._gathered) or self.head is not None

    def follow(self, stanza: AddressedStanza, *, insist: bool = False) -> bool:
        """Let a stanza that is not kept wait for everything kept before it; return False if too many already wait.

        `insist`: it was accepted earlier, so there is always space for it.
        """
        self._put_gathered()
        barrier = self._newest if self._puts.is_complete else None
        if insist:
            self._followers.insist(stanza, put=self._puts.asked, since=self._now, barrier=barrier)
        elif len(self._followers) >= self._owner.keep_terms.most_followers or not self._followers.add(
            stanza, put=self._puts.asked, since=self._now, barrier=barrier
        ):
            return False
        self._watch_followers()
        if barrier is not None and self._stream > 0:
            self._send()  # it need not wait if the disk, and the stream, have taken everything before it at once
        return True

    @property
    def _now(self) -> float:
        return self._keeper.clock.seconds()

    def _watch_followers(self) -> None:
        if self._followers and not self._impatience.is_running and not self._keeper.is_opening:
            self._impatience.start(self._owner.keep_terms.patience, self._lose_patience)

    @property
    def following(self) -> int:
        """Return how many stanzas wait in memory behind those that are kept."""
        came_back = sum(keeping(each) is Keep.NO for each in self._came_back) if self._came_back else 0
        return len(self._followers) + came_back

    def take_followers(self) -> list[AddressedStanza]:
        """Return the followers, and forget them: there is no stream for them, or nothing to wait for."""
        self._impatience.stop()
        came_back: list[AddressedStanza] = []
        if self._came_back:
            came_back = [each for each in self._came_back if keeping(each) is Keep.NO]
            self._came_back = [each for each in self._came_back if keeping(each) is not Keep.NO]
        return [*came_back, *self._followers.take_all()]

    def _lose_patience(self) -> None:
        clock, patience = self._keeper.clock, self._owner.keep_terms.patience
        while (since := self._followers.since) is not None and clock.seconds() - since >= patience:
            text = f"what was sent to {self.pair.target} before this has not been delivered yet"
            self._owner.bounce(self._followers.pop(), StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, text))
        if since is not None:
            seconds = max(_LEAST_SECONDS, since + patience - clock.seconds())  # rounding may leave nothing
            self._impatience.start(seconds, self._lose_patience)
        self._look_whether_empty()

    def flush(self) -> Deferred[None] | None:
        """Put what was gathered; return a Deferred if senders should wait for the disk."""
        self._put_gathered()
        if max(self._putting_bytes, self._spilled or 0) <= _PUTTING_BYTES:
            return None
        if self._room is None:
            self._room = Waiters()
        return self._room.wait()

    def _put_gathered(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            for keep, run in gathered:
                self._put(keep, run)

    def _put(
        self, keep: Keep, stanzas: Sequence[AddressedStanza], *, doubtful: bool = False, written: Replace | None = None
    ) -> None:
        if keep is Keep.NEWEST:
            for stanza in stanzas:
                self._put_run((stanza,), key_of(stanza), doubtful, written)
        else:
            self._put_run(stanzas, None, doubtful, written)

    def _put_run(
        self, stanzas: Sequence[AddressedStanza], key: bytes | None, doubtful: bool, written: Replace | None
    ) -> None:
        """Put stanzas; `doubtful`: a broken stream may have delivered them; `written`: they are on the open one."""
        raws = [stanza.raw for stanza in stanzas]
        size = sum(map(len, raws))
        accepted = self._keeper.time_of_day()
        expires = accepted + self._owner.keep_terms.hours * 3600
        self._putting_bytes += size
        if self._spilled is not None:
            self._spilled += size
        is_new = not doubtful and written is None
        self._doubtful_puts += not is_new
        run = _Putting(self, self._keeper, stanzas, size, accepted, expires)
        run.job = self._puts.ask()
        run.attempt = self.attempts.count if is_new else None
        run.written = written
        run.adopting = self._adopting
        self._keeper.put(run, self.pair, raws, key)

    def was_kept(self, run: _Putting, numbers: Sequence[int]) -> None:
        """Note that stanzas are on the disk, and send them if that is their turn."""
        stanzas, size, last = run.stanzas, run.size, numbers[-1]
        self._note_put(run, numbers[0], last)
        self._keeper.counts["kept"] += len(stanzas)
        ahead = self._ahead
        if run.attempt is None:
            self._doubtful_was_kept(run, numbers)
            ahead.note(ReadEvent.PUT)
        else:
            self.attempts.put(run.attempt, numbers[0])
            if self._stream > 0 and ahead.has_room(size):
                next_ones = Waiting.run(stanzas, numbers, self, accepted=run.accepted, expires=run.expires)
                ahead.extend(next_ones, size)
                ahead.read_upto = last
            else:
                ahead.note(ReadEvent.PUT)
        self._send()

    def _note_put(self, run: _Putting, first: float, last: float) -> None:
        self._puts.finish(run.job)
        self._newest = last
        if self._followers.queue:
            self._followers.learn(self._puts.done, first, last)
        self._putting_bytes -= run.size
        self._release()

    def _doubtful_was_kept(self, run: _Putting, numbers: Sequence[int]) -> None:
        if run.written is not None and run.adopting is self._adopting:
            self._doubtful_puts -= 1
            self._adopted(run, numbers, run.written)
        else:
            self._doubt_kept(run.stanzas, numbers)

    def was_not_kept(self, run: _Putting, error: OutboxError) -> None:
        """Note that stanzas could not be put: they go back, or wait in memory."""
        stanzas = run.stanzas
        self._note_put(run, EVERYTHING, self._newest)
        if run.attempt is None:  # they may have arrived; those that have not wait in memory, each in its place
            run.adopting.difference_update(id(each) for each in stanzas)
            self._doubt_kept((), ())
        elif isinstance(error, OutboxUnavailable) and self._keeps_nothing:
            # They stay where they were, between those that came before and after them: on an open stream, these follow.
            if self._followers or self._stream > 0:
                self._followers.insert(stanzas, run.job, since=self._now, barrier=self._newest)
                self._watch_followers()
            else:
                self._owner.remember_only(stanzas)
        else:
            self._keeper.counts["refused"] += len(stanzas)
            for stanza in stanzas:
                self._owner.bounce(stanza, error.stanza_error())
            self._send()
            self._look_whether_empty()
            return
        self._send()

    def _release(self) -> None:
        if self._room is not None and 2 * max(self._putting_bytes, self._spilled or 0) <= _PUTTING_BYTES:
            room, self._room = self._room, None
            room.release()

    # -- a stream ----------------------------------------------------------------------------------------------------

    def begin(self, *, is_managed: bool) -> None:
        """Start sending the kept stanzas on a stream that has opened."""
        self._streams += 1
        self._stream = self._streams
        means = SettlementMeans.MANAGED if is_managed else SettlementMeans.PINGED
        self.settlement = Settlement(means, self._owner.keep_terms.silence_seconds)
        self._ahead.begin(has_more=self._keeper.waiting(self.pair) > 0)
        self._exposure.begin()
        self._is_blocked = False
        self.flight.join(self)
        self._send()

    def adopt(
        self, unacknowledged: Sequence[AddressedStanza], replace: Replace, *, behind_others: bool = False
    ) -> None:
        """Keep what was written to the open stream without being kept, because something will be kept behind it.

        It would otherwise be put when the stream breaks, and go out after that. Once it is on the disk, `replace` takes
        the kept stanzas by the ids of those whose places they take, and returns the ids found.

        If these are put `behind_others`, which another node has left, those come later on the stream, but earlier on
        the disk; so each of these is settled by itself.
        """
        if self._gathered or not self._puts.is_complete or not self._keeper.takes or self._stream <= 0:
            return
        fresh = [each for each in unacknowledged if not self._is_own(each) and keeping(each) is not Keep.NO]
        self._adopting = {id(each) for each in fresh}
        behind_fresh = unacknowledged[unacknowledged.index(fresh[0]) :] if fresh else ()
        behind_others = behind_others or self.head is not None or any(self._is_own(each) for each in behind_fresh)
        if behind_others and self._apart is None:
            self._apart = {}
        for keep, run in groupby(fresh, key=keeping):
            self._put(keep, [*run], written=replace)

    def _adopted(self, run: _Putting, numbers: Sequence[int], replace: Replace) -> None:
        """Note that stanzas which were written to the open stream are on the disk: those still there are in flight."""
        waiting = Waiting.run(run.stanzas, numbers, self, accepted=run.accepted, expires=run.expires)
        kept = {id(stanza): each for stanza, each in zip(run.stanzas, waiting, strict=True)}
        left = replace(kept)
        if self._apart is not None:  # they stay there, although another one might be the first
            self._apart.update({each.number: each for each in kept.values()})
        else:
            self._ahead.read_upto = max(self._ahead.read_upto, numbers[-1])
            if left:
                flying = [each for id_, each in kept.items() if id_ in left]
                self._fly(flying, sum([len(each.raw) for each in flying]))
        # Last, because the outbox may answer at once, and then the next page is read.
        self._remove([each.number for id_, each in kept.items() if id_ not in left])

    def spill(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Keep what has waited too long for room on an open stream; what comes from now on goes behind it.

        While more than a megabyte of these waits, their senders wait as well, because the receiver is slow, not away.
        """
        self._spilled = 0
        for stanza in stanzas:
            if not self.takes(stanza) and not self.follow(stanza):
                text = f"too many stanzas are waiting for {self.pair.target}"
                self._owner.bounce(stanza, StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text))
        self._put_gathered()

    def acknowledged(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Note that the other side has taken responsibility for these, of all that was sent on the stream."""
        if self._apart:
            stanzas = self._without_apart(stanzas)
        if not self._in_flight or self.settlement is None:
            return
        for each in reversed(stanzas):
            if type(each) is Waiting and each.backlog is self:
                self._settled(self.settlement.acknowledged(each.number) or Settled(upto=each.number))
                return

    def _without_apart(self, acknowledged: Sequence[AddressedStanza]) -> list[AddressedStanza]:
        """Settle those of the acknowledged that are settled by themselves; return the others."""
        apart = self._apart or {}
        settled = [each.number for each in acknowledged if type(each) is Waiting and each.number in apart]
        self._keeper.counts["delivered"] += len(settled)
        self._remove(settled)
        left = [each for each in acknowledged if type(each) is not Waiting or each.number not in apart]
        if not self._ahead.is_being_read:  # a page that is being read may still have them
            for number in settled:
                del apart[number]
        return left

    def broke(
        self,
        made: Break | None,
        unacknowledged: Sequence[AddressedStanza],
        *,
        resuming: bool,
        in_vain: bool = False,
        blamed: AddressedStanza | None = None,
        waiting: Sequence[AddressedStanza] = (),
        is_behind: bool = False,
    ) -> Rest:
        """Note that the stream is gone; keep those of `unacknowledged` that are to be kept, and those `waiting`.

        If it is `resuming`, a later call of `returned` says what has not arrived; that is suspect if nothing sent on
        the stream was acknowledged (`in_vain`), or something is suspect already. `made` is None if the flight, which
        others share, already knows. Those `waiting` in memory for room on the stream were accepted after everything
        that was written to it; if what is kept `is_behind` them, before everything that was not.
        """
        is_held = self.pair.target in self._keeper.held
        if is_behind and not self.is_empty and not is_held:
            self._precede(waiting)
            waiting = ()
        first = self._end_stream(made, unacknowledged, resuming=resuming, in_vain=in_vain, blamed=blamed)
        left = [
            each
            for each in waiting
            if not self.takes(each) and (is_held or not self.must_follow or not self.follow(each, insist=True))
        ]
        self._put_gathered()
        return Rest(first, left)

    def _precede(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Let stanzas follow what is in flight, before everything that has not been written."""
        barrier = self._in_flight[-1].number if self._in_flight else 0
        self._followers.put_first([(stanza, barrier) for stanza in stanzas], since=self._now)
        self._watch_followers()

    def _end_stream(
        self,
        made: Break | None,
        unacknowledged: Sequence[AddressedStanza],
        *,
        resuming: bool,
        in_vain: bool,
        blamed: AddressedStanza | None,
    ) -> list[AddressedStanza]:
        """Forget the stream, and put what was written without being kept; return as `returned` does."""
        fresh = self._fresh(unacknowledged)
        if resuming:
            self.flight.ended()
        elif made is not None:
            self.flight.broke(made)
        self._stream = 0
        self._stop_timer()
        self._spilled = None
        self._release()
        in_flight = list(self._in_flight)
        apart, self._apart = self._apart or {}, None
        self._in_flight.clear()
        self._in_flight_bytes = 0
        self._exposure.end()
        self._ahead.clear()
        self._ahead.note(ReadEvent.END)
        if self.settlement is not None:
            self._keeper.counts["maybe_twice"] += self.settlement.broke() if not resuming else 0
        self._adopting = set()
        is_unknown = [*apart.values(), *in_flight] if resuming else []
        self._in_doubt = [*(self._in_doubt or ()), *((each, each.number) for each in is_unknown)]
        if fresh and not in_flight and made is not None and not resuming:
            self.flight.window = self.flight.window.broke(Break.OTHER, ())
        self._doubt_made = made if resuming and (in_vain or self.flight.window.suspects is not None) else None
        if isinstance(blamed, Waiting) and blamed.backlog is self:
            self._set_aside(blamed.number)
        else:
            self._look_for_the_blamed([(each, each.number) for each in in_flight])
        for keep, run in groupby(fresh, key=keeping):
            self._put(keep, [*run], doubtful=True)
        return [] if resuming else self.returned(unacknowledged)

    def _fresh(self, unacknowledged: Sequence[AddressedStanza]) -> list[AddressedStanza]:
        """Return the stanzas to be kept now, because the stream breaks, and they were written without being kept.

        What was kept after they were written is on the disk already; so where there is any, because the disk had failed
        them, they stay in memory and have their place before that.
        """
        if not self._keeper.takes or self._owner.keep_terms.level == "no":
            return []
        is_all_sent = self.head is None and self._puts.is_complete if self._stream > 0 else self._keeps_nothing
        if not is_all_sent:
            return []
        own = [place for place, each in enumerate(unacknowledged) if self._is_own(each)]
        behind = unacknowledged[own[-1] + 1 :] if own else unacknowledged
        plain = [each for each in behind if type(each) is not Waiting and id(each) not in self._adopting]
        return [each for each in plain if keeping(each) is not Keep.NO]

    def returned(self, unacknowledged: Sequence[AddressedStanza]) -> list[AddressedStanza]:
        """Take the stanzas of a broken stream that have not arrived, in the order in which they were written.

        Return those that are to be sent before everything that is kept. Others that are not kept follow the one before.
        """
        if self._in_doubt is None:
            return [each for each in unacknowledged if not self._is_own(each)]
        self._came_back = [*unacknowledged, *(self._came_back or ())]
        return self._end_doubt() if not self._doubtful_puts else []

    def _is_own(self, stanza: AddressedStanza) -> bool:
        return type(stanza) is Waiting and stanza.backlog is self

    def _doubt_kept(self, stanzas: Sequence[AddressedStanza], numbers: Sequence[int]) -> None:
        self._doubtful_puts -= 1
        if self._in_doubt is not None:
            self._in_doubt.extend(zip(stanzas, numbers, strict=True))
        if not self._doubtful_puts and self._came_back is not None:
            self._end_doubt(first_follow=True)

    def _end_doubt(self, *, first_follow: bool = False) -> list[AddressedStanza]:
        """Settle what has arrived, and give the others that are not kept their places; return as `returned` does.

        `first_follow`: those that are to be sent first are put before all followers instead.
        """
        doubt, self._in_doubt = self._in_doubt or [], None
        came_back, self._came_back = self._came_back or [], None
        first, behind = self._placed(came_back, {id(each): number for each, number in doubt})
        if first_follow:
            behind, first = [*((stanza, 0) for stanza in first), *behind], []
        self._followers.put_first(behind, since=self._now)
        self._watch_followers()
        missing = {id(each) for each in came_back}
        arrived = [number for each, number in doubt if id(each) not in missing]
        self._keeper.counts["delivered"] += len(arrived)
        self._remove(arrived)
        made, self._doubt_made = self._doubt_made, None
        if made is not None:
            lost = [(each, number) for each, number in doubt if id(each) in missing]
            if lost:
                self.flight.missed(made, sorted([number for _, number in lost]))
                self._look_for_the_blamed(lost)
        if self._stream > 0:
            self._send()
        return first

    def _placed(
        self, came_back: Sequence[AddressedStanza], numbers: Mapping[int, int]
    ) -> tuple[list[AddressedStanza], list[tuple[AddressedStanza, float]]]:
        """Return the stanzas before the first kept one, and those behind it, each with its barrier; none is kept."""
        first: list[AddressedStanza] = []
        behind: list[tuple[AddressedStanza, float]] = []
        barrier: float | None = None
        for each in came_back:
            if type(each) is Waiting and each.backlog is self:
                barrier = each.number
            elif (number := numbers.get(id(each))) is not None:
                barrier = number
            elif barrier is None or self.pair.target in self._keeper.held:
                first.append(each)
            else:
                behind.append((each, barrier))
        return first, behind

    # -- sending -----------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        if self._ahead.stanzas or not (self._has_sent_all and self.flight.is_open):
            self.flight.send(self)

    @property
    def _has_sent_all(self) -> bool:
        """Return whether nothing is left to be sent and the owner need not be notified."""
        ahead = self._ahead
        if ahead.stanzas or ahead.state is not ReadState.COMPLETE or self._followers.queue:
            return False
        return self._owner.keep_terms.level == "all"

    @property
    def head(self) -> int | None:
        """As `Flyer.head`."""
        if self._ahead.stanzas:
            return self._ahead.stanzas[0].number
        return None if self._ahead.state is ReadState.COMPLETE else 0

    @property
    def unread(self) -> Sequence[int]:
        """As `Flyer.unread`."""
        read_upto = self.settlement.read_upto if self.settlement is not None else 0
        return [each.number for each in self._in_flight if each.number > read_upto]

    def send_now(self, most: int | None) -> None:
        """Send what the window and the stream have room for; read on; report when nothing is left."""
        if self.pair.target in self._keeper.held:
            self._let_followers_go()
            return
        while self._stream > 0 and not self._is_blocked and self._in_doubt is None and not self._doubtful_puts:
            if not self._ahead.stanzas and self._ahead.lacks_some:
                self._read()
                return
            may_follow = bool(self._followers.queue) and self._may_follow
            room = self._room_in_flight if most is None else min(most, self._room_in_flight)
            if not may_follow and (room == 0 or not self._ahead.stanzas):
                if self._ahead.stanzas:
                    self._prove()
                else:
                    self._look_whether_caught_up()
                return
            wait = self._owner.room()
            if wait is not None:
                self._is_blocked = True
                wait.addCallback(self._unblocked, self._stream)
                return
            if may_follow:
                self._owner.write_follower(self._followers.pop())
                continue
            sent = self._send_batch(min(room, _BATCH_STANZAS))
            if most is not None:
                most -= sent
            elif self._has_sent_all:
                return

    @property
    def _may_follow(self) -> bool:
        """Return whether everything before the oldest follower has been written."""
        barrier = self._followers.barrier
        if barrier is None:
            return False
        if self._ahead.stanzas:
            return self._ahead.stanzas[0].number > barrier
        return not self._ahead.is_being_read or self._ahead.read_upto >= barrier

    def _let_followers_go(self) -> None:
        """Let the followers go, because no kept stanzas are being sent at the moment."""
        if self._stream > 0:
            for stanza in self.take_followers():
                self._owner.write_follower(stanza)

    @property
    def _room_in_flight(self) -> int:
        """Return how many more may be in flight."""
        assert self.settlement is not None
        is_timed = self.settlement.means is SettlementMeans.TIMED
        is_open = self.flight.window.step is None
        if is_timed and is_open and self.flight.has_space:
            return _BATCH_STANZAS  # for a while nothing will be known about any; a limit would stop everything else
        return self.flight.room(None if is_open else self.head, is_timed=is_timed)

    def _unblocked(self, _: object, stream: int) -> None:
        if stream == self._stream:
            self._is_blocked = False
            self._send()

    def _send_batch(self, most: int) -> int:
        """Send up to `most` stanzas, but not beyond the next follower's place; return how many were sent."""
        now = self._keeper.time_of_day()
        barrier = self._followers.barrier if self._followers.queue else None
        if (suspects := self.flight.window.suspects) is not None:
            before_them = suspects.numbers[0] - 1
            if self._ahead.stanzas[0].number <= before_them and (barrier is None or barrier > before_them):
                barrier = before_them
        batch: list[AddressedStanza] = []
        prompt: list[int] = []
        size = 0
        page = self._ahead.stanzas
        if page and barrier is None and not self._spilled and not is_late(page[0].accepted, now):
            # What came before it could be late or expire is sent as it is, and so is all behind it.
            if len(page) <= most and self._ahead.bytes <= _BATCH_BYTES:
                batch += page
                page.clear()
                size = self._ahead.bytes
            while page and len(batch) < most and size < _BATCH_BYTES:
                stanza = page.popleft()
                batch.append(stanza)
                size += len(stanza.raw)
            prompt = [batch[0].number, batch[-1].number] if batch else []  # type: ignore[attr-defined]
            self._ahead.bytes -= size
        while page and len(batch) < most and size < _BATCH_BYTES:
            if barrier is not None and page[0].number > barrier:
                break
            stanza = self._ahead.pop()
            if self._spilled:
                self._spilled = max(0, self._spilled - len(stanza.raw))
            if stanza.expires <= now and self._keeper.expiry_begins <= now:
                self._expire(stanza)
                continue
            if is_late(stanza.accepted, now):
                self._stamp(stanza)
            else:
                prompt.append(stanza.number)
            batch.append(stanza)
            size += len(stanza.raw)
        if prompt:
            first = prompt[0] if self._plain is None else self._plain[0]
            self._plain = (first, max(prompt[-1], self._plain[1] if self._plain is not None else 0))
        if self._spilled is not None:
            self._release()
        refused = self._owner.write_kept(batch) if batch else ()
        if refused:
            self._remove([each.number for each in refused if isinstance(each, Waiting)])
            batch = [each for each in batch if each not in refused]
            size = sum([len(each.raw) for each in batch])
        if not batch or self.settlement is None:
            return 0
        self._fly(batch, size)  # type: ignore[arg-type]
        return len(batch)

    def _fly(self, batch: Sequence[Waiting], size: int) -> None:
        """Note that these have been written, `size` bytes together."""
        assert self.settlement is not None
        numbers = [each.number for each in batch]
        self._in_flight.extend(batch)
        self._in_flight_bytes += size
        self._exposure.written(numbers)
        self.flight.sent(len(batch), size)
        self.settlement.written(numbers[-1], len(batch), self._keeper.clock.seconds())
        self._prove()

    def _stamp(self, stanza: Waiting) -> None:
        """Have a late stanza say so, unless it went out without a stamp before, or would be too large with it."""
        if self._plain is None or not self._plain[0] <= stanza.number <= self._plain[1]:
            stamped = delayed(stanza.raw, self._owner.stamps_as, stanza.accepted)
            largest = self._owner.largest
            if largest is None or len(stamped) <= largest:
                stanza.raw = stamped

    def _read(self) -> None:
        outbox = self._keeper.outbox
        if outbox is None or self._ahead.is_being_read:
            return
        self._ahead.note(ReadEvent.ASK)
        outbox.page(self.pair, self._ahead.read_upto, _PAGE_STANZAS).addCallbacks(
            self._was_read, self._not_read, callbackArgs=(self._stream,), errbackArgs=(self._stream,)
        )

    def _was_read(self, kept: Sequence[KeptStanza], stream: int) -> None:
        if stream != self._stream:
            return
        if self._doubtful_puts:  # it may have what is being adopted
            self._ahead.note(ReadEvent.FAIL)
            return
        self._ahead.note(ReadEvent.FIND if kept else ReadEvent.FIND_NOTHING)
        if kept:
            self._ahead.read_upto = kept[-1].number
            written = self._apart or ()
            unwritten = [self._restored(each) for each in kept if each.number not in written]
            self._ahead.extend(unwritten, sum([len(each.raw) for each in unwritten]))
        self._send()

    def _restored(self, kept: KeptStanza) -> Waiting:
        stanza = restored(name_of(kept.raw), kept.raw)
        return Waiting.run((stanza,), (kept.number,), self, accepted=kept.accepted, expires=kept.expires)[0]

    def _not_read(self, failure: Failure, stream: int) -> None:
        failure.trap(OutboxError)
        if stream == self._stream:
            self._ahead.note(ReadEvent.FAIL)
            self._keeper.clock.callLater(AGAIN_SECONDS, self._read_again, stream)

    def _read_again(self, stream: int) -> None:
        if stream == self._stream:
            self._send()

    def _look_whether_caught_up(self) -> None:
        is_open = self.flight.window.step is None and self._owner.keep_terms.level != "all"
        if is_open and not (self._gathered or self._putting_bytes or self._ahead.is_being_read or self._followers):
            self._spilled = None
            self._release()
            self._owner.caught_up()

    def write_again(self, lost: object) -> None:
        """Write again what is in flight on a connection that is gone, while the stream still has others."""
        again = [stanza for stanza in self._in_flight if stanza.written_to is lost]
        if again:
            self._owner.write_kept(again)

    @property
    def has_begun(self) -> bool:
        """Return whether kept stanzas are being sent on an open stream."""
        return self._stream > 0

    def learn(self) -> None:
        """Note that somebody else has put something into the outbox for this pair: it is read, and sent in turn."""
        self._ahead.note(ReadEvent.PUT)
        self._newest = EVERYTHING
        self._send()

    def stand_behind(self, waiting: Sequence[AddressedStanza]) -> None:
        """Put what waits in memory behind what the outbox has, because that has become known; no stream is open.

        `waiting` are stanzas that the owner has, in addition to the followers. What is never kept waits in memory.
        """
        self._impatience.stop()
        self._newest = EVERYTHING
        is_kept = self._owner.keep_terms.level != "no" or self._keeper.waiting(self.pair) > 0
        for stanza in [*self._followers.take_all(), *waiting]:
            if not (is_kept and self.takes(stanza)):
                self.follow(stanza, insist=True)
        self._put_gathered()

    def go_on(self) -> None:
        """Continue, because the operator has released the domain."""
        self._send()

    def dropped(self) -> None:
        """Forget what was read, because the operator has dropped the kept stanzas."""
        self._ahead.clear()
        self._ahead.note(ReadEvent.PUT)
        self._send()
        self._look_whether_empty()

    # -- settling ----------------------------------------------------------------------------------------------------

    def _prove(self) -> None:
        """Write a ping if one is due, and come back when time has settled something."""
        settlement = self.settlement
        assert settlement is not None
        if settlement.means is SettlementMeans.MANAGED:
            return  # the other side tells of itself what it has read, and that is settled at once
        now = self._keeper.clock.seconds()
        is_pressed = self._room_in_flight == 0
        if settlement.wants_ping(pressed=is_pressed):
            if not self._owner.asks_for_several:
                self._ask(settlement)
            elif not self._ping_soon.is_running:
                self._ping_soon.start(0, self._ask_later)  # for all who write in this turn
        due = settlement.due
        self._stop_timer()
        if due is not None:
            self._timer = self._keeper.clock.callLater(max(0, due - now), self._time_passed)
        if is_pressed:
            self._exposure.mark(settlement.read_upto)

    def _note_again(self) -> None:
        first_in_flight = self._in_flight[0].number if self._in_flight else self._exposure.last + 1
        if self._exposure.first < first_in_flight:
            self._exposure.settle(first_in_flight - 1)
        self._prove()

    def _noted(self, count: int | None, upto: int) -> None:
        """Note that this many stanzas, up to a number, are no longer exposed."""
        if not self._in_flight:
            self._look_whether_empty()
        if count is not None:
            self.flight.noted(count, upto)
            self._send()

    def _ask(self, settlement: Settlement) -> None:
        settlement.asked(self._keeper.clock.seconds(), self._owner.proof)
        self._owner.ask(self._keeper.new_resource(), self._pinged(settlement))

    def _ask_later(self) -> None:
        settlement = self.settlement
        if self._stream <= 0 or settlement is None:
            return
        if settlement.wants_ping(pressed=self._room_in_flight == 0):
            self._ask(settlement)
            self._prove()

    def _pinged(self, settlement: Settlement) -> WhenProved:
        def answered(proof: Proof) -> None:
            if settlement is self.settlement:
                settled = settlement.answered(self._keeper.clock.seconds(), proof)
                if settled is not None:
                    self._settled(settled)
                elif self._stream > 0:
                    self._prove()

        return answered

    def _time_passed(self) -> None:
        self._timer = None
        if self.settlement is None or self._stream <= 0:
            return
        settled = self.settlement.passed(self._keeper.clock.seconds())
        if settled is not None:
            self._settled(settled)
        else:
            self._prove()

    def _settled(self, settled: Settled) -> None:
        count = size = 0
        in_flight = self._in_flight
        if in_flight and in_flight[-1].number <= settled.upto:
            count, size = len(in_flight), self._in_flight_bytes
            in_flight.clear()
        while in_flight and in_flight[0].number <= settled.upto:
            size += len(in_flight.popleft().raw)
            count += 1
        self._in_flight_bytes -= size
        self._keeper.counts["delivered"] += count
        if settled.in_doubt and count:
            self._keeper.counts["in_doubt"] += count
            self._owner.doubted(count)
        self.flight.settled(count, size)
        self._exposure.settle(settled.upto)
        if self._stream > 0:
            self._prove()
            self._send()

    def _remove(self, numbers: Collection[int]) -> None:
        outbox = self._keeper.outbox
        if outbox is not None and numbers:
            outbox.remove(numbers).addCallbacks(lambda _: self._look_whether_empty(), ignore_failure)

    def _look_for_the_blamed(self, suspects: Sequence[tuple[AddressedStanza, int]]) -> None:
        """Bounce and set aside the stanza over which the other side has ended its streams, if it is known."""
        blamed = self.flight.window.blamed
        for stanza, number in suspects:
            if number == blamed:
                self._owner.bounce(stanza, not_taken(self.pair.target))
                self._set_aside(number)

    def _set_aside(self, number: int) -> None:
        self._keeper.counts["set_aside"] += 1
        self.flight.window = self.flight.window.acquitted()
        outbox = self._keeper.outbox
        if outbox is not None:
            reason = f"streams to {self.pair.target} ended over it"
            outbox.set_aside(number, reason).addCallbacks(lambda _: self._look_whether_empty(), ignore_failure)

    def _look_whether_empty(self) -> None:
        if self.is_empty:
            self._owner.emptied()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- ends --------------------------------------------------------------------------------------------------------

    def has_hold_of(self, number: int) -> bool:
        """Return whether that stanza is being sent, so that nobody else may end it."""
        if self._stream <= 0 and not self._in_doubt:
            return False
        next_ones = self._in_flight or self._ahead.stanzas
        first = next_ones[0].number if next_ones else None
        if self._apart and number in self._apart:
            return True
        return bool(self._in_doubt) or (first is not None and first <= number <= self._ahead.read_upto)

    def _expire(self, stanza: Waiting) -> None:
        self._keeper.counts["expired"] += 1
        self._owner.bounce(stanza, expired(self.pair.target, stanza.accepted))
        self._remove([stanza.number])
