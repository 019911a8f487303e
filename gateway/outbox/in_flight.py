"""InFlight: the kept stanzas of one pair that were written to the open stream, and are not settled.

    in flight    written to a stream, and not settled
    exposed      in flight, and sent again if the gateway dies now: not yet noted on the disk as settled or read
    apart        in flight, but kept behind others that are sent after it: settled by itself, not "up to a number"

A stanza is settled by its acknowledgement, by a ping behind it, or by time (`settlement`). If the stream breaks before,
it is still on the disk, and is sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from twisted.internet.interfaces import IDelayedCall

from gateway.outbox.backlog_owner import BacklogOwner, WhenProved
from gateway.outbox.exposure import Exposure
from gateway.outbox.flight import Flight, Flyer
from gateway.outbox.keeper import Keeper
from gateway.outbox.removal import Removal
from gateway.outbox.settlement import Proof, Settled, Settlement, SettlementMeans
from gateway.outbox.waiting import Waiting
from gateway.outbox.window import MOST
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import AddressedStanza

BATCH_STANZAS = MOST // 2
"""The most stanzas in a batch: one half of the window is written while the other is being acknowledged."""


class Unsettled(NamedTuple):
    """What was in flight when a stream broke, oldest first."""

    in_order: list[Waiting]
    apart: list[Waiting]


class Filler(Flyer, Protocol):
    """The part that sends the stanzas of the pair."""

    @property
    def is_reading(self) -> bool:
        """Return whether the disk is being read, so that stanzas that are settled meanwhile may still be found."""

    def send(self) -> None:
        """Send more, if there is more: something is settled."""


class InFlight:
    """The stanzas in flight of one pair."""

    def __init__(
        self,
        pair: DomainPair,
        keeper: Keeper,
        owner: BacklogOwner,
        flight: Flight,
        *,
        filler: Filler,
        removal: Removal,
        recorded: Callable[[], None],
    ) -> None:
        """`recorded` is called when the disk knows that all of them are settled."""
        self.stanzas: deque[Waiting] = deque()  # without those apart
        self.apart: dict[int, Waiting] | None = None  # by number; None: all is written in the order in which it is kept
        self._keeper = keeper
        self._owner = owner
        self._flight = flight
        self._filler = filler
        self._removal = removal
        self._recorded = recorded
        self._bytes = 0
        self._settlement: Settlement | None = None  # None while no stream is open
        self._exposure = Exposure(pair, keeper, noted=self._noted, again=self._note_again)
        self._timer: IDelayedCall | None = None
        self._ping_soon = Timer(keeper.clock)

    def begin(self, *, is_managed: bool) -> None:
        """Note that a stream has opened."""
        means = SettlementMeans.MANAGED if is_managed else SettlementMeans.PINGED
        self._settlement = Settlement(means, self._owner.keep_terms.silence_seconds)
        self._exposure.begin()

    def end(self, *, resuming: bool) -> Unsettled:
        """Note that the stream has ended; return what was in flight."""
        self._stop_timer()
        unsettled = Unsettled([*self.stanzas], [*(self.apart or {}).values()])
        self.apart = None
        self.stanzas.clear()
        self._bytes = 0
        self._exposure.end()
        settlement, self._settlement = self._settlement, None
        if settlement is not None and not resuming:
            self._keeper.counts["maybe_twice"] += settlement.broke()
        return unsettled

    @property
    def unread(self) -> Sequence[int]:
        """As `Flyer.unread`."""
        read_upto = self._settlement.read_upto if self._settlement is not None else 0
        return [each.number for each in self.stanzas if each.number > read_upto]

    @property
    def room(self) -> int:
        """Return how many more may be in flight."""
        assert self._settlement is not None
        is_timed = self._settlement.means is SettlementMeans.TIMED
        is_open = self._flight.window.step is None
        if is_timed and is_open and self._flight.has_space:
            return BATCH_STANZAS  # for a while nothing will be known about any; a limit would stop everything else
        return self._flight.room(None if is_open else self._filler.head, is_timed=is_timed)

    def written(self, batch: Sequence[Waiting], size: int) -> None:
        """Note that these have been written, `size` bytes together."""
        settlement = self._settlement
        if settlement is None:
            return  # the stream has ended over them
        numbers = [each.number for each in batch]
        self.stanzas.extend(batch)
        self._bytes += size
        self._exposure.written(numbers)
        self._flight.sent(len(batch), size)
        settlement.written(numbers[-1], len(batch), self._keeper.clock.seconds())
        if settlement.means is not SettlementMeans.MANAGED:  # `prove` says so, too, but is not called for each batch
            self.prove()

    def set_apart(self) -> None:
        """Have stanzas that are `written_apart` settled by themselves, until the stream ends."""
        if self.apart is None:
            self.apart = {}

    def written_apart(self, stanzas: Sequence[Waiting]) -> None:
        """Note stanzas that were written, and are kept behind others that have not been."""
        assert self.apart is not None
        self.apart.update({each.number: each for each in stanzas})

    def write_again(self, lost: object) -> None:
        """Write again what was written to a connection that is gone, while the stream still has others."""
        again = [stanza for stanza in self.stanzas if stanza.written_to is lost]
        if again:
            self._owner.write_kept(again)

    # -- proof -------------------------------------------------------------------------------------------------------

    def prove(self) -> None:
        """Write a ping if one is due, and come back when time has settled something."""
        settlement = self._settlement
        if settlement is None or settlement.means is SettlementMeans.MANAGED:
            return  # the other side tells of itself what it has read, and that is settled at once
        now = self._keeper.clock.seconds()
        is_pressed = self.room == 0
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

    def _ask(self, settlement: Settlement) -> None:
        settlement.asked(self._keeper.clock.seconds(), self._owner.proof)
        self._owner.ask(self._keeper.new_resource(), self._pinged(settlement))

    def _ask_later(self) -> None:
        settlement = self._settlement
        if settlement is not None and settlement.wants_ping(pressed=self.room == 0):
            self._ask(settlement)
            self.prove()

    def _pinged(self, settlement: Settlement) -> WhenProved:
        def answered(proof: Proof) -> None:
            if settlement is self._settlement:
                settled = settlement.answered(self._keeper.clock.seconds(), proof)
                if settled is not None:
                    self._settled(settled)
                else:
                    self.prove()

        return answered

    def _time_passed(self) -> None:
        self._timer = None
        if self._settlement is None:
            return
        settled = self._settlement.passed(self._keeper.clock.seconds())
        if settled is not None:
            self._settled(settled)
        else:
            self.prove()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- settled -----------------------------------------------------------------------------------------------------

    def acknowledged(self, stanzas: Sequence[AddressedStanza]) -> None:
        """As `KeptBacklog.acknowledged`."""
        if self.apart:
            stanzas = self._without_apart(stanzas, self.apart)
        if not self.stanzas or self._settlement is None:
            return
        for each in reversed(stanzas):
            if type(each) is Waiting and each.sending is self._filler:
                self._settled(self._settlement.acknowledged(each.number) or Settled(upto=each.number))
                return

    def _without_apart(
        self, acknowledged: Sequence[AddressedStanza], apart: dict[int, Waiting]
    ) -> list[AddressedStanza]:
        """Settle those of the acknowledged that are settled by themselves; return the others."""
        settled = [each.number for each in acknowledged if type(each) is Waiting and each.number in apart]
        self._keeper.counts["delivered"] += len(settled)
        self._removal.remove(settled)
        left = [each for each in acknowledged if type(each) is not Waiting or each.number not in apart]
        if not self._filler.is_reading:  # a page that is being read may still have them
            for number in settled:
                del apart[number]
        return left

    def _settled(self, settled: Settled) -> None:
        count = size = 0
        in_flight = self.stanzas
        if in_flight and in_flight[-1].number <= settled.upto:
            count, size = len(in_flight), self._bytes
            in_flight.clear()
        while in_flight and in_flight[0].number <= settled.upto:
            size += len(in_flight.popleft().raw)
            count += 1
        self._bytes -= size
        self._keeper.counts["delivered"] += count
        if settled.in_doubt and count:
            self._keeper.counts["in_doubt"] += count
            self._owner.doubted(count)
        self._flight.settled(count, size)
        self._exposure.settle(settled.upto)
        if self._settlement is not None:
            self.prove()
            self._filler.send()

    def _note_again(self) -> None:
        first_in_flight = self.stanzas[0].number if self.stanzas else self._exposure.last + 1
        if self._exposure.first < first_in_flight:
            self._exposure.settle(first_in_flight - 1)
        self.prove()

    def _noted(self, count: int | None, upto: int) -> None:
        """Note that this many stanzas, up to a number, are no longer exposed."""
        if not self.stanzas:
            self._recorded()
        if count is not None:
            self._flight.noted(count, upto)
            self._filler.send()
