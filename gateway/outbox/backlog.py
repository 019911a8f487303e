"""KeptBacklog: the kept stanzas of one pair, from the moment when they cannot be sent until they are settled.

    puts        new stanzas, on their way to the disk
    sending     from the disk to the open stream, until they are settled (`in_flight`)
    in_doubt    what a stream was given without being kept, and what a broken one may have delivered
    followers   not kept, and in memory alone: sent when everything that was kept before it has been
    removal     kept stanzas that end in another way: expired, set aside

What is never kept, a request or presence, has its place in the order as well (RFC 6120 §10.1), so it follows what was
kept before it, but for `patience` seconds at most: then its sender gets an error, as if no stream had been opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twisted.internet.defer import Deferred

from gateway.outbox.attempts import Attempts
from gateway.outbox.backlog_owner import BacklogOwner
from gateway.outbox.errors import OutboxError, OutboxUnavailable
from gateway.outbox.flight import Flight
from gateway.outbox.followers import Followers
from gateway.outbox.in_doubt import InDoubt, Replace
from gateway.outbox.keeper import Keeper
from gateway.outbox.puts import Puts, Putting
from gateway.outbox.removal import Removal
from gateway.outbox.retention import Keep, keeping, keeps_all
from gateway.outbox.sending import Sending
from gateway.outbox.window import Break
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza


class Rest(NamedTuple):
    """What a stream that broke has left for its owner to write: all else is kept, or follows what is."""

    first: list[AddressedStanza]
    """What was not acknowledged, and comes before everything that is kept."""
    left: list[AddressedStanza]
    """What was not written, and has nothing kept before it."""


class KeptBacklog:
    """The kept stanzas of one pair; as a PutOutcome, it is told of those that `takes` has accepted."""

    def __init__(self, pair: DomainPair, keeper: Keeper, owner: BacklogOwner, flight: Flight | None = None) -> None:
        """`flight` is shared by all pairs that use one stream; without it, the pair has its own."""
        self.pair = pair
        self._keeper = keeper
        self._owner = owner
        self._flight = flight = flight or Flight()
        self._followers = followers = Followers(
            keeper.space,
            keeper.clock,
            patience=self._patience,
            bounce=self._bounce_overdue,
            bounced=self._look_whether_empty,
        )
        removal = Removal(pair, keeper, flight, bounce=owner.bounce, removed=self._look_whether_empty)
        self.attempts = Attempts(
            pair, keeper, bounce=owner.bounce, remove=removal.remove, is_over=lambda: self.has_begun
        )
        self._puts = puts = Puts(pair, keeper, owner, attempts=self.attempts, followers=followers, outcome=self)
        self._sending = sending = Sending(
            pair,
            keeper,
            owner,
            flight,
            puts=puts,
            followers=followers,
            removal=removal,
            take_followers=self.take_followers,
            recorded=self._look_whether_empty,
        )
        self._in_doubt = InDoubt(
            pair, keeper, owner, flight, puts=puts, followers=followers, sending=sending, removal=removal
        )

    # -- new stanzas -------------------------------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is kept, or about to be, and nothing waits behind it."""
        return self._puts.keeps_nothing and not self._in_doubt.came_back and not self._followers

    def takes(self, stanza: AddressedStanza) -> bool:
        """Gather a stanza for the next flush; return False if it is never kept, or the outbox accepts none.

        While anything of the pair is kept, a stanza that cannot be kept is bounced: in memory it would be overtaken.
        """
        keep = keeping(stanza)
        if keep is Keep.NO:
            return False
        if not self._keeper.takes:
            if self._puts.keeps_nothing:
                return False
            self._keeper.counts["refused"] += 1
            self._owner.bounce(stanza, self._keeper.refusal().stanza_error())
            return True
        self._puts.gather(keep, (stanza,))
        return True

    def takes_all(self, stanzas: Sequence[AddressedStanza]) -> bool:
        """Gather these for the next flush if all are kept in order; else gather none, and return False."""
        if not self._keeper.takes:
            return False
        if not keeps_all(stanzas):
            return False
        self._puts.gather(Keep.YES, stanzas)
        return True

    def flush(self) -> Deferred[None] | None:
        """Put what was gathered; return a Deferred if senders should wait for the disk."""
        return self._puts.flush()

    def was_kept(self, run: Putting, numbers: Sequence[int]) -> None:
        """As `PutOutcome.was_kept`: they are sent if that is their turn."""
        self.attempts.put(run.attempt, numbers[0])
        self._sending.was_kept(run, numbers)

    def was_not_kept(self, run: Putting, error: OutboxError) -> None:
        """As `PutOutcome.was_not_kept`: they go back, or wait in memory."""
        stanzas = run.stanzas
        if isinstance(error, OutboxUnavailable) and self._puts.keeps_nothing:
            # They stay where they were, between those that came before and after them: on an open stream, these follow.
            if self._followers or self.has_begun:
                self._followers.insert(stanzas, run.job, barrier=self._puts.newest)
            else:
                self._owner.remember_only(stanzas)
            self._sending.send()
        else:
            self._keeper.counts["refused"] += len(stanzas)
            for stanza in stanzas:
                self._owner.bounce(stanza, error.stanza_error())
            self._sending.send()
            self._look_whether_empty()

    @property
    def is_as_on_disk(self) -> bool:
        """Return whether nothing would be lost with this object: the next one reads all there is from the disk."""
        is_put = self._puts.is_at_rest and not self._followers
        is_unsent = self._sending.is_as_on_disk and self._in_doubt.is_nothing and self._flight.is_open
        return is_put and is_unsent

    # -- stanzas that are not kept -----------------------------------------------------------------------------------

    @property
    def must_follow(self) -> bool:
        """Return whether a stanza that is not kept would overtake something, if it were written now."""
        if self._sending.stream <= 0:
            return not self.is_empty or self._keeper.is_opening
        return self._sending.is_behind

    def follow(self, stanza: AddressedStanza, *, insist: bool = False) -> bool:
        """Let a stanza that is not kept wait for everything kept before it; return False if too many already wait.

        `insist`: it was accepted earlier, so there is always space for it.
        """
        puts, followers = self._puts, self._followers
        puts.put_gathered()
        barrier = puts.newest if puts.is_complete else None
        if insist:
            followers.insist(stanza, put=puts.asked, barrier=barrier)
        elif len(followers) >= self._owner.keep_terms.most_followers or not followers.add(
            stanza, put=puts.asked, barrier=barrier
        ):
            return False
        if barrier is not None and self._sending.stream > 0:
            self._sending.send()  # it need not wait if the disk, and the stream, have taken everything before it
        return True

    @property
    def following(self) -> int:
        """Return how many stanzas wait in memory behind those that are kept."""
        came_back = self._in_doubt.came_back
        return len(self._followers) + (sum(keeping(each) is Keep.NO for each in came_back) if came_back else 0)

    def take_followers(self) -> list[AddressedStanza]:
        """Return the followers, and forget them: there is no stream for them, or nothing to wait for."""
        return [*self._in_doubt.take_unkept(), *self._followers.take_all()]

    def _patience(self) -> float | None:
        return None if self._keeper.is_opening else self._owner.keep_terms.patience

    def _bounce_overdue(self, stanza: AddressedStanza) -> None:
        text = f"what was sent to {self.pair.target} before this has not been delivered yet"
        self._owner.bounce(stanza, StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, text))

    # -- a stream ----------------------------------------------------------------------------------------------------

    def begin(self, *, is_managed: bool) -> None:
        """Start sending the kept stanzas on a stream that has opened."""
        self._sending.begin(is_managed=is_managed)

    @property
    def has_begun(self) -> bool:
        """Return whether kept stanzas are being sent on an open stream."""
        return self._sending.stream > 0

    def leave(self) -> None:
        """Stop sending on the stream, if others share it: nothing is left, and this object is forgotten."""
        self._flight.leave(self._sending)

    def adopt(
        self, unacknowledged: Sequence[AddressedStanza], replace: Replace, *, behind_others: bool = False
    ) -> None:
        """Keep what was written to the open stream without being kept, because something will be kept behind it.

        It would otherwise be put when the stream breaks, and go out after that. Once it is on the disk, `replace` takes
        the kept stanzas by the ids of those whose places they take, and returns the ids found.

        If these are put `behind_others`, which another node has left, those come later on the stream, but earlier on
        the disk; so each of these is settled by itself.
        """
        self._in_doubt.adopt(unacknowledged, replace, behind_others=behind_others)

    def spill(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Keep what has waited too long for room on an open stream; what comes from now on goes behind it.

        While more than a megabyte of these waits, their senders wait as well, because the receiver is slow, not away.
        """
        self._puts.spill()
        for stanza in stanzas:
            if not self.takes(stanza) and not self.follow(stanza):
                text = f"too many stanzas are waiting for {self.pair.target}"
                self._owner.bounce(stanza, StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text))
        self._puts.put_gathered()

    def acknowledged(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Note that the other side has taken responsibility for these, of all that was sent on the stream."""
        self._sending.in_flight.acknowledged(stanzas)

    def write_again(self, lost: object) -> None:
        """Write again what is in flight on a connection that is gone, while the stream still has others."""
        self._sending.in_flight.write_again(lost)

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
        first = self._in_doubt.broke(made, unacknowledged, resuming=resuming, in_vain=in_vain, blamed=blamed)
        left = [
            each
            for each in waiting
            if not self.takes(each) and (is_held or not self.must_follow or not self.follow(each, insist=True))
        ]
        self._puts.put_gathered()
        return Rest(first, left)

    def _precede(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Let stanzas follow what is in flight, before everything that has not been written."""
        in_flight = self._sending.in_flight.stanzas
        barrier = in_flight[-1].number if in_flight else 0
        self._followers.put_first([(stanza, barrier) for stanza in stanzas])

    def returned(self, unacknowledged: Sequence[AddressedStanza]) -> list[AddressedStanza]:
        """Take the stanzas of a broken stream that have not arrived, in the order in which they were written.

        Return those that are to be sent before everything that is kept. Others that are not kept follow the one before.
        """
        return self._in_doubt.returned(unacknowledged)

    # -- others, and operators ---------------------------------------------------------------------------------------

    def learn(self) -> None:
        """Note that somebody else has put something into the outbox for this pair: it is read, and sent in turn."""
        self._puts.others_put()
        self._sending.was_put_behind()

    def stand_behind(self, waiting: Sequence[AddressedStanza]) -> None:
        """Put what waits in memory behind what the outbox has, because that has become known; no stream is open.

        `waiting` are stanzas that the owner has, in addition to the followers. What is never kept waits in memory.
        """
        self._puts.others_put()
        is_kept = self._owner.keep_terms.level != "no" or self._keeper.waiting(self.pair) > 0
        for stanza in [*self._followers.take_all(), *waiting]:
            if not (is_kept and self.takes(stanza)):
                self.follow(stanza, insist=True)
        self._puts.put_gathered()

    def go_on(self) -> None:
        """Continue, because the operator has released the domain."""
        self._sending.send()

    def dropped(self) -> None:
        """Forget what was read, because the operator has dropped the kept stanzas."""
        self._sending.dropped()
        self._look_whether_empty()

    def has_hold_of(self, number: int) -> bool:
        """Return whether that stanza is being sent, so that nobody else may end it."""
        return self._in_doubt.has_kept or self._sending.has_hold_of(number)

    def _look_whether_empty(self) -> None:
        if self.is_empty:
            self._owner.emptied()
