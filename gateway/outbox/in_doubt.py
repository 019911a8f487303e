"""InDoubt: stanzas of one pair of which it is not known yet whether they are kept, or have arrived.

Some were written to a stream without being kept. If something is to be kept behind them while it is open, they are
*adopted*: put as well, and settled like the others in flight. If it breaks, those that were not acknowledged are put:
before anything newer, so that order holds. Until they are on the disk, or refused, nothing else is sent.

A broken stream that is being resumed leaves the others in doubt: those in flight, which are on the disk. Nothing is
sent before the other side has said which of them have arrived. These are removed, and the others are sent again.

What is not kept and came back is sent before the kept stanzas behind it, and follows those before it. Where the disk
fails, what should have been kept is one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby

from gateway.outbox.backlog_owner import BacklogOwner
from gateway.outbox.errors import OutboxError
from gateway.outbox.flight import Flight
from gateway.outbox.followers import Followers
from gateway.outbox.keeper import Keeper
from gateway.outbox.puts import PutOutcome, Puts, Putting
from gateway.outbox.removal import Removal
from gateway.outbox.retention import Keep, keeping, key_of
from gateway.outbox.sending import Sending
from gateway.outbox.waiting import Waiting
from gateway.outbox.window import Break
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import AddressedStanza

Replace = Callable[[Mapping[int, AddressedStanza]], Collection[int]]
"""Puts stanzas in the place of unacknowledged ones, by their ids; returns the ids of those found."""


class _Adopting:
    """Stanzas of the open stream that are being put."""

    def __init__(
        self,
        ids: set[int],
        replace: Replace,
        *,
        adopted: Callable[[_Adopting, Putting, Sequence[int]], None],
        refused: Callable[[Putting, OutboxError], None],
    ) -> None:
        self.ids = ids  # without those that the disk refused
        self.replace = replace
        self._adopted = adopted
        self._refused = refused

    def was_kept(self, run: Putting, numbers: Sequence[int]) -> None:
        """As `PutOutcome.was_kept`."""
        self._adopted(self, run, numbers)

    def was_not_kept(self, run: Putting, error: OutboxError) -> None:
        """As `PutOutcome.was_not_kept`."""
        self.ids.difference_update(id(each) for each in run.stanzas)
        self._refused(run, error)


class InDoubt:
    """What is in doubt of one pair; it is told how the puts end that it has begun."""

    def __init__(
        self,
        pair: DomainPair,
        keeper: Keeper,
        owner: BacklogOwner,
        flight: Flight,
        *,
        puts: Puts,
        followers: Followers,
        sending: Sending,
        removal: Removal,
    ) -> None:
        # not delivered by the stream that broke; None while that is not known, or nothing is in doubt
        self.came_back: list[AddressedStanza] | None = None
        self._pair = pair
        self._keeper = keeper
        self._owner = owner
        self._flight = flight
        self._puts = puts
        self._followers = followers
        self._sending = sending
        self._removal = removal
        self._kept: list[tuple[AddressedStanza, int]] | None = None  # of a stream that broke, with their numbers
        self._made: Break | None = None  # by whom, if what has not arrived is suspect
        self._under_way = 0  # puts of what was written without being kept
        self._adopting: _Adopting | None = None  # on the open stream

    @property
    def is_nothing(self) -> bool:
        """Return whether no stream has left anything in doubt."""
        return self._kept is None

    @property
    def has_kept(self) -> bool:
        """Return whether kept stanzas are in doubt, so that nobody else may end one."""
        return bool(self._kept)

    def take_unkept(self) -> list[AddressedStanza]:
        """Return what came back and is never kept, and forget it."""
        if not self.came_back:
            return []
        unkept = [each for each in self.came_back if keeping(each) is Keep.NO]
        self.came_back = [each for each in self.came_back if keeping(each) is not Keep.NO]
        return unkept

    # -- an open stream ----------------------------------------------------------------------------------------------

    def adopt(self, unacknowledged: Sequence[AddressedStanza], replace: Replace, *, behind_others: bool) -> None:
        """As `KeptBacklog.adopt`."""
        sending = self._sending
        if not self._puts.is_at_rest or not self._keeper.takes or sending.stream <= 0:
            return
        fresh = [each for each in unacknowledged if not sending.is_own(each) and keeping(each) is not Keep.NO]
        ids = {id(each) for each in fresh}
        self._adopting = _Adopting(ids, replace, adopted=self._adopted, refused=self.was_not_kept)
        behind_fresh = unacknowledged[unacknowledged.index(fresh[0]) :] if fresh else ()
        if behind_others or sending.head is not None or any(sending.is_own(each) for each in behind_fresh):
            sending.in_flight.set_apart()
        self._put(fresh, self._adopting)

    def _adopted(self, adopting: _Adopting, run: Putting, numbers: Sequence[int]) -> None:
        """Note that stanzas which were written to the open stream are on the disk: those still there are in flight."""
        if adopting is not self._adopting:
            self.was_kept(run, numbers)  # the stream has broken meanwhile
            return
        self._end_put()
        waiting = Waiting.run(run.stanzas, numbers, self._sending, accepted=run.accepted, expires=run.expires)
        kept = {id(stanza): each for stanza, each in zip(run.stanzas, waiting, strict=True)}
        left = adopting.replace(kept)
        self._sending.adopt(waiting, [each for id_, each in kept.items() if id_ in left])
        # Last, because the outbox may answer at once, and then the next page is read.
        self._removal.remove([each.number for id_, each in kept.items() if id_ not in left])
        self._sending.was_put_behind()

    # -- puts of what was written ------------------------------------------------------------------------------------

    def _put(self, stanzas: Sequence[AddressedStanza], outcome: PutOutcome) -> None:
        for keep, together in groupby(stanzas, key=keeping):
            if keep is Keep.NEWEST:
                for stanza in together:
                    self._put_run((stanza,), key_of(stanza), outcome)
            else:
                self._put_run([*together], None, outcome)

    def _put_run(self, stanzas: Sequence[AddressedStanza], key: bytes | None, outcome: PutOutcome) -> None:
        self._under_way += 1
        self._sending.pause()
        self._puts.put(stanzas, key, outcome)

    def _end_put(self) -> None:
        self._under_way -= 1
        self._sending.unpause()

    def was_kept(self, run: Putting, numbers: Sequence[int]) -> None:
        """As `PutOutcome.was_kept`, for what a broken stream had not acknowledged."""
        self._put_ended(run.stanzas, numbers)
        self._sending.was_put_behind()

    def was_not_kept(self, run: Putting, error: OutboxError) -> None:
        """As `PutOutcome.was_not_kept`: they may have arrived; those that have not wait in memory, in their places."""
        self._put_ended((), ())
        self._sending.send()

    def _put_ended(self, stanzas: Sequence[AddressedStanza], numbers: Sequence[int]) -> None:
        self._end_put()
        if self._kept is not None:
            self._kept.extend(zip(stanzas, numbers, strict=True))
        if not self._under_way and self.came_back is not None:
            self._end(first_follow=True)

    # -- a broken stream ---------------------------------------------------------------------------------------------

    def broke(
        self,
        made: Break | None,
        unacknowledged: Sequence[AddressedStanza],
        *,
        resuming: bool,
        in_vain: bool,
        blamed: AddressedStanza | None,
    ) -> list[AddressedStanza]:
        """Forget the stream, and put what was written without being kept; return as `returned` does.

        The arguments are as `KeptBacklog.broke` has them.
        """
        fresh = self._fresh(unacknowledged)
        if resuming:
            self._flight.ended()
        elif made is not None:
            self._flight.broke(made)
        in_flight, apart = self._sending.end(resuming=resuming)
        self._adopting = None
        is_unknown = [*apart, *in_flight] if resuming else []
        if self._kept is None:
            self._sending.pause()
        self._kept = [*(self._kept or ()), *((each, each.number) for each in is_unknown)]
        if fresh and not in_flight and made is not None and not resuming:
            self._flight.window = self._flight.window.broke(Break.OTHER, ())
        self._made = made if resuming and (in_vain or self._flight.window.suspects is not None) else None
        if isinstance(blamed, Waiting) and self._sending.is_own(blamed):
            self._removal.set_aside(blamed.number)
        else:
            self._removal.look_for_the_blamed([(each, each.number) for each in in_flight])
        self._put(fresh, self)
        return [] if resuming else self.returned(unacknowledged)

    def _fresh(self, unacknowledged: Sequence[AddressedStanza]) -> list[AddressedStanza]:
        """Return the stanzas to be kept now, because the stream breaks, and they were written without being kept.

        What was kept after they were written is on the disk already; so where there is any, because the disk had failed
        them, they stay in memory and have their place before that.
        """
        sending, puts = self._sending, self._puts
        if not self._keeper.takes or self._owner.keep_terms.level == "no":
            return []
        is_all_sent = sending.head is None and puts.is_complete if sending.stream > 0 else puts.keeps_nothing
        if not is_all_sent:
            return []
        own = [place for place, each in enumerate(unacknowledged) if sending.is_own(each)]
        behind = unacknowledged[own[-1] + 1 :] if own else unacknowledged
        adopting = self._adopting.ids if self._adopting is not None else ()
        plain = [each for each in behind if type(each) is not Waiting and id(each) not in adopting]
        return [each for each in plain if keeping(each) is not Keep.NO]

    def returned(self, unacknowledged: Sequence[AddressedStanza]) -> list[AddressedStanza]:
        """As `KeptBacklog.returned`."""
        if self._kept is None:
            return [each for each in unacknowledged if not self._sending.is_own(each)]
        self.came_back = [*unacknowledged, *(self.came_back or ())]
        return self._end() if not self._under_way else []

    def _end(self, *, first_follow: bool = False) -> list[AddressedStanza]:
        """Settle what has arrived, and give the others that are not kept their places; return as `returned` does.

        `first_follow`: those that are to be sent first are put before all followers instead.
        """
        kept, self._kept = self._kept or [], None
        self._sending.unpause()
        came_back, self.came_back = self.came_back or [], None
        first, behind = self._placed(came_back, {id(each): number for each, number in kept})
        if first_follow:
            behind, first = [*((stanza, 0) for stanza in first), *behind], []
        self._followers.put_first(behind)
        missing = {id(each) for each in came_back}
        arrived = [number for each, number in kept if id(each) not in missing]
        self._keeper.counts["delivered"] += len(arrived)
        self._removal.remove(arrived)
        made, self._made = self._made, None
        if made is not None:
            lost = [(each, number) for each, number in kept if id(each) in missing]
            if lost:
                self._flight.missed(made, sorted([number for _, number in lost]))
                self._removal.look_for_the_blamed(lost)
        if self._sending.stream > 0:
            self._sending.send()
        return first

    def _placed(
        self, came_back: Sequence[AddressedStanza], numbers: Mapping[int, int]
    ) -> tuple[list[AddressedStanza], list[tuple[AddressedStanza, float]]]:
        """Return the stanzas before the first kept one, and those behind it, each with its barrier; none is kept."""
        first: list[AddressedStanza] = []
        behind: list[tuple[AddressedStanza, float]] = []
        barrier: float | None = None
        for each in came_back:
            if type(each) is Waiting and self._sending.is_own(each):
                barrier = each.number
            elif (number := numbers.get(id(each))) is not None:
                barrier = number
            elif barrier is None or self._pair.target in self._keeper.held:
                first.append(each)
            else:
                behind.append((each, barrier))
        return first, behind
