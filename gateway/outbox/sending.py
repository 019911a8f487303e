"""Sending: the kept stanzas of one pair, from the disk to the open stream.

    kept         only on the disk; memory has their number and size
    read ahead   read from the disk, or remembered from being put: next to be sent
    in flight    written to the stream, and not settled (`in_flight`)

While no stream is open, nothing is read ahead or in flight. Once one is, the disk is read page by page and sent as
the window allows; later stanzas are put behind them. Each follower is written in its place. When nothing is left to be
sent and the window is open, the owner of the backlog is told that it has caught up, and need not put stanzas that can
be sent at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.python.failure import Failure

from gateway.outbox.backlog_owner import BacklogOwner
from gateway.outbox.delay import delayed, is_late
from gateway.outbox.errors import OutboxError
from gateway.outbox.exposure import AGAIN_SECONDS
from gateway.outbox.flight import Flight
from gateway.outbox.followers import Followers
from gateway.outbox.in_flight import BATCH_STANZAS, InFlight, Unsettled
from gateway.outbox.keeper import Keeper
from gateway.outbox.puts import Puts, Putting
from gateway.outbox.read_ahead import ReadAhead, ReadEvent, ReadState
from gateway.outbox.records import KeptStanza
from gateway.outbox.removal import Removal
from gateway.outbox.retention import name_of
from gateway.outbox.waiting import Waiting
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import AddressedStanza, restored

_PAGE_STANZAS = 500
_BATCH_BYTES = 1 << 16


class Sending:
    """What is sent of one pair's kept stanzas, and of what follows them."""

    def __init__(
        self,
        pair: DomainPair,
        keeper: Keeper,
        owner: BacklogOwner,
        flight: Flight,
        *,
        puts: Puts,
        followers: Followers,
        removal: Removal,
        take_followers: Callable[[], list[AddressedStanza]],
        recorded: Callable[[], None],
    ) -> None:
        """`take_followers` returns all that waits in memory; `recorded` is as `InFlight` has it."""
        self.stream = 0  # counts the streams; 0: none is open
        self._pair = pair
        self._keeper = keeper
        self._owner = owner
        self._flight = flight
        self._puts = puts
        self._followers = followers
        self._removal = removal
        self._take_followers = take_followers
        self.in_flight = InFlight(pair, keeper, owner, flight, filler=self, removal=removal, recorded=recorded)
        self._ahead = ReadAhead(has_more=keeper.waiting(pair) > 0)
        self._streams = 0
        self._is_blocked = False
        self._pauses = 0
        # the stanza sent last without a stamp, which has none the next time either
        self._plain: tuple[int, int] | None = None

    @property
    def is_behind(self) -> bool:
        """Return whether something is kept, about to be, or waiting behind it, that is to be written first."""
        is_known = not self._pauses and self._puts.is_at_rest
        ahead = self._ahead
        return not is_known or bool(self._followers.queue or ahead.stanzas) or ahead.state is not ReadState.COMPLETE

    @property
    def is_as_on_disk(self) -> bool:
        """Return whether a new object would send the same: no stream is open, and every late stanza has its stamp."""
        return self.stream <= 0 and self._plain is None

    def has_hold_of(self, number: int) -> bool:
        """Return whether that stanza is being sent, or read ahead."""
        if self.stream <= 0:
            return False
        if self.in_flight.apart and number in self.in_flight.apart:
            return True
        next_ones = self.in_flight.stanzas or self._ahead.stanzas
        first = next_ones[0].number if next_ones else None
        return first is not None and first <= number <= self._ahead.read_upto

    def is_own(self, stanza: AddressedStanza) -> bool:
        """Return whether a stanza was sent from here, as one that is kept."""
        return type(stanza) is Waiting and stanza.sending is self

    # -- the stream --------------------------------------------------------------------------------------------------

    def begin(self, *, is_managed: bool) -> None:
        """Start sending on a stream that has opened."""
        self._streams += 1
        self.stream = self._streams
        self.in_flight.begin(is_managed=is_managed)
        self._ahead.begin(has_more=self._keeper.waiting(self._pair) > 0)
        self._is_blocked = False
        self._flight.join(self)
        self.send()

    def end(self, *, resuming: bool) -> Unsettled:
        """Forget the stream, which has ended; return what was in flight."""
        self.stream = 0
        self._puts.end_spill()
        unsettled = self.in_flight.end(resuming=resuming)
        self._ahead.clear()
        self._ahead.note(ReadEvent.END)
        return unsettled

    def pause(self) -> None:
        """Send nothing until `unpause` has been called for each `pause`: it is not known what comes first."""
        self._pauses += 1

    def unpause(self) -> None:
        """Allow sending again; the caller calls `send` when all is in its place."""
        self._pauses -= 1

    # -- what has been put -------------------------------------------------------------------------------------------

    def was_kept(self, run: Putting, numbers: Sequence[int]) -> None:
        """Send new stanzas that are on the disk, if that is their turn."""
        ahead = self._ahead
        if self.stream > 0 and ahead.has_room(run.size):
            next_ones = Waiting.run(run.stanzas, numbers, self, accepted=run.accepted, expires=run.expires)
            ahead.extend(next_ones, run.size)
            ahead.read_upto = numbers[-1]
        else:
            ahead.note(ReadEvent.PUT)
        self.send()

    def adopt(self, written: Sequence[Waiting], flying: Sequence[Waiting]) -> None:
        """Note that stanzas which are on the open stream are kept by now; those `flying` are unacknowledged."""
        if self.in_flight.apart is not None:  # they stay there, although another one might be the first
            self.in_flight.written_apart(written)
            return
        self._ahead.read_upto = max(self._ahead.read_upto, written[-1].number)
        if flying:
            self.in_flight.written(flying, sum([len(each.raw) for each in flying]))

    def was_put_behind(self) -> None:
        """Read on in turn: something is on the disk, behind what was read."""
        self._ahead.note(ReadEvent.PUT)
        self.send()

    def dropped(self) -> None:
        """Forget what was read, because the operator has dropped the kept stanzas."""
        self._ahead.clear()
        self.was_put_behind()

    # -- as a Filler -------------------------------------------------------------------------------------------------

    @property
    def head(self) -> int | None:
        """As `Flyer.head`."""
        if self._ahead.stanzas:
            return self._ahead.stanzas[0].number
        return None if self._ahead.state is ReadState.COMPLETE else 0

    @property
    def unread(self) -> Sequence[int]:
        """As `Flyer.unread`."""
        return self.in_flight.unread

    @property
    def is_reading(self) -> bool:
        """As `Filler.is_reading`."""
        return self._ahead.is_being_read

    def send(self) -> None:
        """As `Filler.send`."""
        if self._ahead.stanzas or not (self._has_sent_all and self._flight.is_open):
            self._flight.send(self)

    @property
    def _has_sent_all(self) -> bool:
        """Return whether nothing is left to be sent and the owner need not be notified."""
        ahead = self._ahead
        if ahead.stanzas or ahead.state is not ReadState.COMPLETE or self._followers.queue:
            return False
        return self._owner.keep_terms.level == "all"

    def send_now(self, most: int | None) -> None:
        """Send what the window and the stream have room for; read on; report when nothing is left."""
        if self._pair.target in self._keeper.held:
            self._let_followers_go()
            return
        in_flight = self.in_flight
        while self.stream > 0 and not self._is_blocked and not self._pauses:
            if not self._ahead.stanzas and self._ahead.lacks_some:
                self._read()
                return
            may_follow = bool(self._followers.queue) and self._may_follow
            room = in_flight.room if most is None else min(most, in_flight.room)
            if not may_follow and (room == 0 or not self._ahead.stanzas):
                if self._ahead.stanzas:
                    in_flight.prove()
                else:
                    self._look_whether_caught_up()
                return
            wait = self._owner.room()
            if wait is not None:
                self._is_blocked = True
                wait.addCallback(self._unblocked, self.stream)
                return
            if may_follow:
                self._owner.write_follower(self._followers.pop())
                continue
            sent = self._send_batch(min(room, BATCH_STANZAS))
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
        if self.stream > 0:
            for stanza in self._take_followers():
                self._owner.write_follower(stanza)

    def _unblocked(self, _: object, stream: int) -> None:
        if stream == self.stream:
            self._is_blocked = False
            self.send()

    def _send_batch(self, most: int) -> int:
        """Send up to `most` stanzas, but not beyond the next follower's place; return how many were sent."""
        now = self._keeper.time_of_day()
        barrier = self._followers.barrier if self._followers.queue else None
        if (suspects := self._flight.window.suspects) is not None:
            before_them = suspects.numbers[0] - 1
            if self._ahead.stanzas[0].number <= before_them and (barrier is None or barrier > before_them):
                barrier = before_them
        batch: list[AddressedStanza] = []
        prompt: list[int] = []
        size = 0
        page = self._ahead.stanzas
        spilled, taken = self._puts.spilled, 0
        if page and barrier is None and not spilled and not is_late(page[0].accepted, now):
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
            if spilled:
                taken += len(stanza.raw)
            if stanza.expires <= now and self._keeper.expiry_begins <= now:
                self._removal.expire(stanza)
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
        if self._puts.spilled is not None:
            self._puts.sent(taken)
        refused = self._owner.write_kept(batch) if batch else ()
        if refused:
            self._removal.remove([each.number for each in refused if isinstance(each, Waiting)])
            batch = [each for each in batch if each not in refused]
            size = sum([len(each.raw) for each in batch])
        if not batch:
            return 0
        self.in_flight.written(batch, size)  # type: ignore[arg-type]
        return len(batch)

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
        outbox.page(self._pair, self._ahead.read_upto, _PAGE_STANZAS).addCallbacks(
            self._was_read, self._not_read, callbackArgs=(self.stream,), errbackArgs=(self.stream,)
        )

    def _was_read(self, kept: Sequence[KeptStanza], stream: int) -> None:
        if stream != self.stream:
            return
        if self._pauses:  # it may have what is being adopted
            self._ahead.note(ReadEvent.FAIL)
            return
        self._ahead.note(ReadEvent.FIND if kept else ReadEvent.FIND_NOTHING)
        if kept:
            self._ahead.read_upto = kept[-1].number
            written = self.in_flight.apart or ()
            unwritten = [self._restored(each) for each in kept if each.number not in written]
            self._ahead.extend(unwritten, sum([len(each.raw) for each in unwritten]))
        self.send()

    def _restored(self, kept: KeptStanza) -> Waiting:
        stanza = restored(name_of(kept.raw), kept.raw)
        return Waiting.run((stanza,), (kept.number,), self, accepted=kept.accepted, expires=kept.expires)[0]

    def _not_read(self, failure: Failure, stream: int) -> None:
        failure.trap(OutboxError)
        if stream == self.stream:
            self._ahead.note(ReadEvent.FAIL)
            self._keeper.clock.callLater(AGAIN_SECONDS, self._read_again, stream)

    def _read_again(self, stream: int) -> None:
        if stream == self.stream:
            self.send()

    def _look_whether_caught_up(self) -> None:
        is_open = self._flight.window.step is None and self._owner.keep_terms.level != "all"
        if is_open and self._puts.is_at_rest and not self._ahead.is_being_read and not self._followers.queue:
            self._puts.end_spill()
            self._owner.caught_up()
