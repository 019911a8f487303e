"""Backlogs: the kept stanzas for one of our domains that many other domains send to over one stream.

Such a domain is a component's. Each sending domain has its own backlog, so that order within a pair is preserved
and nobody waits for somebody else's stanzas. They share the stream: one flight with one window, and one ping at a time,
which proves everything that they have written before it.

    closed        there is no stream; stanzas to be kept are put, and the owner answers all others
    looking       the stream is open, and the outbox is asked who has sent something meanwhile
    catching up   pages of some pairs are sent, and new stanzas of these pairs go behind them
    open          nothing is left to be sent first; but with `keep = "all"` everything goes through the disk
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.outbox.backlog import KeptBacklog, Rest
from gateway.outbox.backlog_owner import KeepTerms, WhenProved
from gateway.outbox.errors import OutboxError
from gateway.outbox.flight import Flight
from gateway.outbox.keeper import Keeper
from gateway.outbox.records import DomainState
from gateway.outbox.retention import Keep, keeping
from gateway.outbox.settlement import Proof
from gateway.outbox.waiting import without_kept
from gateway.outbox.window import Break
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza


class StreamState(Enum):
    """The state of sending."""

    CLOSED = auto()
    LOOKING = auto()
    OPEN = auto()  # catching up, as long as some pairs are behind


class BacklogsOwner(Protocol):
    """The route that owns these backlogs."""

    @property
    def keep_terms(self) -> KeepTerms: ...
    def bounce(self, stanza: AddressedStanza, error: StanzaError) -> None:
        """Tell a sender that this is the end of a stanza."""

    def write_kept(self, batch: Sequence[AddressedStanza]) -> Collection[AddressedStanza]:
        """Write these to the stream; the answer is what could not be written at all, and has been bounced."""

    def write_follower(self, stanza: AddressedStanza) -> None:
        """Write a stanza that is not kept: what was kept before it has been written."""

    @property
    def proof(self) -> Proof:
        """Return what the answer to a ping proves."""

    def ask(self, resource: str, answered: WhenProved) -> None:
        """Write a ping to the stream; call `answered` with what an answer proves."""

    def doubted(self, count: int) -> None:
        """Note that this many stanzas count as delivered, and that only time speaks for it."""

    def room(self) -> Deferred[None] | None:
        """Return None if there is room on the stream, else a Deferred that fires when there is."""

    def remember_only(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Do with these as without an outbox: it takes none at the moment."""

    def caught_up(self) -> None:
        """Note that nothing is left to be sent first."""


class Backlogs:
    """The kept stanzas for one domain, by sending domain."""

    def __init__(self, target: Domain, keeper: Keeper, owner: BacklogsOwner) -> None:
        self.target = target
        self.keeper = keeper
        self.owner = owner
        self.state = StreamState.CLOSED
        self._flight = Flight()
        self._of: dict[DomainPair, KeptBacklog] = {}
        self._behind: set[DomainPair] = set()  # new stanzas of these go through the disk
        self._gathered: dict[KeptBacklog, None] = {}  # those with something to put
        self._filling: DomainPair | None = None  # what waits for room is being given to its backlog
        self._streams = 0
        self._asking: list[WhenProved] = []  # with the next ping
        self._asked: list[WhenProved] | None = None  # with the one that is not answered

    @property
    def is_in_the_way(self) -> bool:
        """Return whether a new stanza may have to go through the disk, although the stream has room."""
        level = self.owner.keep_terms.level
        return self.state is StreamState.LOOKING or bool(self._behind) or level == "all" or self._is_held

    @property
    def waiting(self) -> dict[DomainPair, int]:
        """Return how many stanzas are kept of each pair."""
        return {pair: count for pair in self._of if (count := self.keeper.waiting(pair))}

    def know(self, pair: DomainPair) -> None:
        """Note that an earlier process has kept something of this pair."""
        if pair.target == self.target and self.keeper.waiting(pair):
            self._backlog_of(pair)

    def learn(self, pair: DomainPair) -> None:
        """Note that somebody else has put something into the outbox for this pair."""
        if pair.target == self.target and self.keeper.waiting(pair):
            self._backlog_of(pair).learn()

    @property
    def _is_held(self) -> bool:
        return self.target in self.keeper.held

    # -- what comes --------------------------------------------------------------------------------------------------

    def takes(self, stanza: AddressedStanza) -> bool:
        """Keep a stanza, or let it follow kept ones; return False if the owner must write or answer it."""
        pair = DomainPair(stanza.from_.domain, self.target)
        if self.keeper.is_opening:
            return self._waits_for_outbox(pair, stanza)
        backlog = self._of.get(pair)
        if self.state is not StreamState.CLOSED and pair not in self._behind:
            level = self.owner.keep_terms.level
            is_wanted = level == "all" or (level != "no" and self._is_held)
            has_some = self.keeper.waiting(pair) or (backlog is not None and not backlog.is_empty)
            if not is_wanted and not (self.state is StreamState.LOOKING and has_some):
                return False
        elif backlog is None and self.owner.keep_terms.level == "no" and not self.keeper.waiting(pair):
            return False
        if keeping(stanza) is not Keep.NO:
            return self._gather(backlog or self._backlog_of(pair), stanza)
        if backlog is None or self.state is StreamState.CLOSED or self._is_held or not backlog.must_follow:
            return False
        self._follow(backlog, stanza)
        return True

    def _waits_for_outbox(self, pair: DomainPair, stanza: AddressedStanza) -> bool:
        """Let a stanza wait until it is known what the outbox has; False if nobody is there, and it is never kept."""
        if self.state is StreamState.CLOSED and (self.owner.keep_terms.level == "no" or keeping(stanza) is Keep.NO):
            return False
        self._follow(self._of.get(pair) or self._new_backlog(pair), stanza)
        return True

    def _follow(self, backlog: KeptBacklog, stanza: AddressedStanza) -> None:
        if not backlog.follow(stanza):
            text = f"too many stanzas are waiting for {self.target}"
            self.owner.bounce(stanza, StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text))

    def _gather(self, backlog: KeptBacklog, stanza: AddressedStanza) -> bool:
        if not backlog.takes(stanza):
            self._emptied(backlog.pair)
            return False
        self._gathered[backlog] = None
        return True

    def spill(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Keep what has waited too long for room on the stream, and what comes from the same domains from now on."""
        for pair, of_pair in self._by_pair(stanzas).items():
            self._filling = pair  # a backlog that begins has nothing to send yet, and would be forgotten
            backlog = self._backlog_of(pair)
            backlog.spill(of_pair)
            self._filling = None
            backlog.go_on()

    def flush(self) -> Deferred[None] | None:
        """Put what was gathered; return a Deferred if senders should wait for the disk."""
        wait: Deferred[None] | None = None
        gathered, self._gathered = self._gathered, {}
        for backlog in gathered:
            wait = backlog.flush() or wait
        return wait

    def _backlog_of(self, pair: DomainPair) -> KeptBacklog:
        """Return the backlog of a pair; on an open stream, one that sends there."""
        backlog = self._of.get(pair) or self._new_backlog(pair)
        if self.state is not StreamState.CLOSED and pair not in self._behind:
            self._behind.add(pair)
            if not backlog.has_begun:
                backlog.begin(is_managed=False)
        return backlog

    def _new_backlog(self, pair: DomainPair) -> KeptBacklog:
        backlog = self._of[pair] = KeptBacklog(pair, self.keeper, _OfPair(self, pair), self._flight)
        return backlog

    # -- the stream --------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start sending kept stanzas on a stream that has opened."""
        self._streams += 1
        self.state = StreamState.LOOKING
        self.look()

    def look(self) -> None:
        """Ask the outbox which other domains have sent something."""
        if self.state is StreamState.CLOSED or self.keeper.is_opening:
            return
        outbox = self.keeper.outbox
        if outbox is None or not outbox.stanzas:
            self._found(DomainState(domain=self.target), self._streams)
            return
        self.state = StreamState.LOOKING
        stream = self._streams
        outbox.state(self.target).addCallbacks(
            self._found, self._not_found, callbackArgs=(stream,), errbackArgs=(stream,)
        )

    def outbox_opened(self) -> None:
        """Put what waits in memory behind what the outbox has, and look for that; or do without it."""
        for pair, backlog in [*self._of.items()]:
            if not backlog.has_begun:
                backlog.stand_behind(())
            elif self.keeper.waiting(pair):
                backlog.learn()
        self.look()

    def _found(self, state: DomainState, stream: int) -> None:
        if stream != self._streams or self.state is not StreamState.LOOKING:
            return
        for pair in sorted({*(each.pair for each in state.pairs), *self._of}, key=lambda pair: pair.sender):
            self._backlog_of(pair)
        self.state = StreamState.OPEN
        self._look_whether_caught_up()

    def _not_found(self, failure: Failure, stream: int) -> None:
        failure.trap(OutboxError)  # reported as a condition; when that is over, the outbox is asked again
        self._found(DomainState(domain=self.target), stream)

    def broke(
        self,
        made: Break,
        unacknowledged: Sequence[AddressedStanza] = (),
        waiting: Sequence[AddressedStanza] = (),
        *,
        is_behind: bool,
    ) -> Rest:
        """As `KeptBacklog.broke`, for all pairs; followers wait for another stream."""
        self.state = StreamState.CLOSED
        self._behind.clear()
        self._asking, self._asked = [], None
        self._flight.broke(made)
        written, waits = self._by_pair(unacknowledged), self._by_pair(waiting)
        rest = Rest([], [])
        for pair, backlog in [*self._of.items()]:
            of_pair = backlog.broke(
                None, written.pop(pair, ()), resuming=False, waiting=waits.pop(pair, ()), is_behind=is_behind
            )
            rest.first.extend(of_pair.first)
            rest.left.extend(of_pair.left)
            self._emptied(pair)
        # The others have no backlog; what one has kept that is gone by now has had its end.
        rest.first.extend(each for of_pair_ in written.values() for each in without_kept(of_pair_))
        rest.left.extend(each for of_pair_ in waits.values() for each in of_pair_)
        return rest

    def take_followers(self) -> list[AddressedStanza]:
        """Return the stanzas that wait in memory behind those that are kept, and forget them."""
        following = [each for backlog in self._of.values() for each in backlog.take_followers()]
        for pair in [*self._of]:
            self._emptied(pair)
        return following

    def _by_pair(self, stanzas: Sequence[AddressedStanza]) -> dict[DomainPair, list[AddressedStanza]]:
        by_pair: dict[DomainPair, list[AddressedStanza]] = {}
        for stanza in stanzas:
            by_pair.setdefault(DomainPair(stanza.from_.domain, self.target), []).append(stanza)
        return by_pair

    def moved(self, lost: object) -> None:
        """Note that one of the stream's connections is gone, and others remain: they get what was in flight on it."""
        for backlog in [*self._of.values()]:
            backlog.write_again(lost)
        if self._asked is not None:  # an answer to the open ping does not prove what has just been written
            self._write_ping([*self._asked])

    def _caught_up(self, pair: DomainPair) -> None:
        if pair == self._filling:
            return
        self._behind.discard(pair)
        self._emptied(pair)
        self._look_whether_caught_up()

    def _look_whether_caught_up(self) -> None:
        if self.state is StreamState.OPEN and not self.is_in_the_way:
            self.owner.caught_up()

    def _emptied(self, pair: DomainPair) -> None:
        """Forget a backlog of which nothing is left; with "all", only when the stream ends."""
        backlog = self._of.get(pair)
        if backlog is not None and pair not in self._behind and backlog.is_empty:
            del self._of[pair]
            backlog.leave()

    # -- proof -------------------------------------------------------------------------------------------------------

    def _ask(self, answered: WhenProved) -> None:
        """Have a ping written soon, unless one is open: one ping proves everything that all pairs have written before
        it.
        """
        self._asking.append(answered)
        if self._asked is None and len(self._asking) == 1:
            self.keeper.clock.callLater(0, self._ping, self._streams)

    def _ping(self, stream: int) -> None:
        if stream != self._streams or self.state is StreamState.CLOSED or not self._asking:
            return
        asked, self._asking = self._asking, []
        self._write_ping(asked)

    def _write_ping(self, asked: list[WhenProved]) -> None:
        stream = self._streams
        self._asked = asked

        def answered(proof: Proof) -> None:
            if asked is self._asked:
                self._asked = None
                for each in asked:
                    each(proof)
                if self._asking:
                    self._ping(stream)

        self.owner.ask(self.keeper.new_resource(), answered)

    # -- ends, and operators -----------------------------------------------------------------------------------------

    def has_hold_of(self, pair: DomainPair, number: int) -> bool:
        """Return whether a kept stanza is being sent, so that nobody else may end it."""
        backlog = self._of.get(pair)
        return backlog is not None and backlog.has_hold_of(number)

    def release(self) -> None:
        """Send kept stanzas, because the operator has released the domain."""
        for backlog in [*self._of.values()]:
            backlog.go_on()
        self._look_whether_caught_up()

    def dropped(self) -> None:
        """Forget what was read of the stanzas that the operator has dropped."""
        for backlog in [*self._of.values()]:
            backlog.dropped()


class _OfPair:
    """The owner of the backlog of one pair: the owner of all, and the stream that they share."""

    def __init__(self, backlogs: Backlogs, pair: DomainPair) -> None:
        self._backlogs = backlogs
        self._pair = pair
        owner = backlogs.owner
        self.bounce = owner.bounce
        self.write_kept = owner.write_kept
        self.write_follower = owner.write_follower
        self.doubted = owner.doubted
        self.room = owner.room
        self.remember_only = owner.remember_only

    @property
    def keep_terms(self) -> KeepTerms:
        return self._backlogs.owner.keep_terms

    @property
    def asks_for_several(self) -> bool:
        return True

    @property
    def proof(self) -> Proof:
        return self._backlogs.owner.proof

    @property
    def stamps_as(self) -> Domain:
        return self._backlogs.target

    @property
    def largest(self) -> None:
        return None

    def ask(self, resource: str, answered: WhenProved) -> None:
        self._backlogs._ask(answered)

    def caught_up(self) -> None:
        self._backlogs._caught_up(self._pair)

    def emptied(self) -> None:
        self._backlogs._emptied(self._pair)
