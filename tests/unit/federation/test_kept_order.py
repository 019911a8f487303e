"""RemoteRoute with an outbox under chance: order, and exactly one end for each stanza, whatever breaks.

A seeded story sends stanzas of every kind, breaks streams at any h, resumes them or not, slows the disk or lets it
fail, fills streams, and holds the domain. Then everything works again, and the account is drawn up.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from gateway.federation.broken_streams import RESUME_SECONDS
from gateway.federation.route import RouteTerms
from gateway.federation.stream_end import Headway
from gateway.notices.notices import StanzaBounced
from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.outbox.window import Break
from gateway.routing.disposition import Disposition
from gateway.routing.outflow import OVERDUE_SECONDS
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza
from tests.unit.federation.test_kept_route import ALL, KEPT, START, KeptRouteHarness, Stream, harness, left_behind
from tests.unit.federation.test_route import ANSWERED, ASKED, FAR, MESSAGE, PAIR, messages

GROUPCHAT = "<message type='groupchat' id='{id}' from='a@here.test' to='b@far.test'><body>Hi</body></message>"
PRESENCE = "<presence id='{id}' from='a@here.test' to='b@far.test'/>"
__all__ = ["harness"]
KINDS = (MESSAGE, MESSAGE, MESSAGE, GROUPCHAT, PRESENCE, ASKED)
SHORT = 25  # stories, told by one test


class FickleOutbox(MemoryOutbox):
    """An outbox that does one thing after the other, when the test says so, or fails."""

    def __init__(self) -> None:
        super().__init__(limits=OutboxLimits())
        self.is_slow = self.is_failing = False
        self._jobs: deque[tuple[Deferred[None], int]] = deque()

    def fail(self, *, openly: bool) -> None:
        """Put nothing from now on; `openly`: those who ask know that before they try."""
        self.is_failing = True
        self.condition = Condition.DISK_FULL if openly else Condition.READY

    def recover(self) -> None:
        """Put again."""
        self.is_failing, self.condition = False, Condition.READY

    def _later(self, act: Callable[[], Deferred[Any]], puts: int = 0, *, may_fail: bool = True) -> Deferred[Any]:
        job: Deferred[None] = Deferred()
        job.addCallback(lambda _: self._do(act, may_fail=may_fail))
        self._jobs.append((job, puts))
        if not self.is_slow:
            self.work()
        return job

    def _do(self, act: Callable[[], Deferred[Any]], *, may_fail: bool) -> Deferred[Any]:
        if self.is_failing and may_fail:
            return fail(OutboxUnavailable(Condition.IO_ERROR))
        before, self.condition = self.condition, Condition.READY
        try:
            return act()
        finally:
            self.condition = before

    def work(self, most: int = 1_000_000) -> None:
        """Do what was asked for first."""
        while most and self._jobs:
            most -= 1
            self._jobs.popleft()[0].callback(None)

    def waiting(self, pair: Any) -> int:
        return super().waiting(pair) + sum(puts for _, puts in self._jobs)

    def put(self, pair: Any, stanzas: Any, **how: Any) -> Deferred[Any]:
        return self._later(lambda: MemoryOutbox.put(self, pair, stanzas, **how), len(stanzas))

    def page(self, *args: Any, **how: Any) -> Deferred[Any]:
        return self._later(lambda: MemoryOutbox.page(self, *args, **how))

    def state(self, *args: Any) -> Deferred[Any]:
        return self._later(lambda: MemoryOutbox.state(self, *args))

    def settle(self, *args: Any) -> Deferred[Any]:
        return self._later(lambda: MemoryOutbox.settle(self, *args), may_fail=False)

    def remove(self, *args: Any) -> Deferred[Any]:
        return self._later(lambda: MemoryOutbox.remove(self, *args), may_fail=False)


class Careful(Stream):
    """A stream to a server that handles what is written when the test says so."""

    careful_for = 0
    is_full = False
    leads_on = False

    def be_careful(self, count: int) -> None:
        self.careful_for = count

    @property
    def has_room(self) -> bool:
        return self.room() is None

    def room(self) -> Deferred[None] | None:
        if not self.is_full and not (self.careful_for and self.written):
            return None
        self.full = self.full or Deferred()
        waiting: Deferred[None] = Deferred()
        self.full.addCallback(lambda _: waiting.callback(None))
        return waiting

    def send(self, batch: Sequence[Stanza], data: bytes) -> None:
        super().send(batch, data)

    def acknowledges(self, count: int) -> None:
        self.careful_for = max(0, self.careful_for - count)
        self.leads_on = self.leads_on or count > 0
        super().acknowledges(count)
        self.look()

    @property
    def headway(self) -> Headway:
        if self.leads_on:
            return Headway.LED_ON
        return Headway.IN_VAIN if self.written else Headway.NONE

    def look(self) -> None:
        """Let those go on that waited for room."""
        waiting, self.full = self.full, None
        if waiting is not None:
            waiting.callback(None)


class Story(KeptRouteHarness):
    """One run: what was sent, what the other server has handled, and how streams have ended."""

    def __init__(
        self,
        seed: int,
        rules: RouteTerms = KEPT,
        *,
        is_managed: bool = True,
        may_fail: bool = False,
        may_hold: bool = False,
        may_learn: bool = False,
    ) -> None:
        self.chance = Random(seed)
        self.disk = FickleOutbox()
        super().__init__(rules, self.disk)
        self.is_managed = is_managed
        self.left_behind: set[str] = set()  # by another node
        self.kinds: dict[str, str] = {}
        self.delivered: list[str] = []
        self.unheard: set[str] = set()  # handled on a stream that broke before we heard of it, and was not resumed
        self.stream: Careful | None = None
        self.handled = 0  # of what the stream has written
        self.broken: tuple[list[Stanza], int] | None = None
        self.broke_at = 0.0
        self.may_fail, self.may_hold, self.may_learn = may_fail, may_hold, may_learn

    def act(self) -> None:
        """Do something."""
        self.chance.choices(
            (
                self.sends,
                self.handles,
                self.acknowledges_,
                self.breaks_,
                self.opens,
                self.passes,
                self.disk_,
                self.fills,
                self.holds,
                self.learns,
            ),
            (8, 6, 5, 2, 4, 3, 3, 1, self.may_hold, self.may_learn),
        )[0]()

    def sends(self) -> None:
        texts = []
        for _ in range(self.chance.randrange(1, 6)):
            number = str(len(self.kinds))
            kind = self.chance.choice(KINDS)
            self.kinds[number] = kind
            texts.append(kind.format(id=number))
        self.send(*texts)

    def handles(self) -> None:
        stream = self.stream
        if stream is not None and self.handled < len(stream.written):
            to = self.chance.randrange(self.handled, len(stream.written) + 1)
            new, self.handled = stream.written[self.handled : to], to
            self.delivered += [str(each.id) for each in new if not is_ping(each)]
            for each in new:
                if is_ping(each):
                    self.send(f"<iq type='result' id='{each.id}' from='{FAR}' to='{each.from_}'/>")
                elif each.name == "iq":
                    self.send(ANSWERED.format(id=each.id))

    def acknowledges_(self) -> None:
        if self.stream is not None and self.handled and self.is_managed:
            count = self.chance.randrange(self.handled + 1)
            self.handled -= count
            self.stream.acknowledges(count)

    def breaks_(self) -> None:
        stream, self.stream = self.stream, None
        if stream is None:
            return
        left = list(stream.written)
        made = Break.THEIRS if self.chance.random() < 0.2 else Break.OTHER
        if not self.is_managed:
            self.unheard |= {str(each.id) for each in left[: self.handled]}
            stream.ends(made=made)
        elif self.chance.random() < 0.6 and self.broken is None:
            self.broken, self.broke_at = (left, self.handled), self.clock.seconds()
            stream.ends(unacknowledged={PAIR: left}, made=made, headway=stream.headway, resuming=True)
        else:
            self.unheard |= {str(each.id) for each in left[: self.handled]}
            stream.ends(unacknowledged={PAIR: left}, made=made, headway=stream.headway)

    def opens(self) -> None:
        """The attempt that is under way succeeds or fails, after the outcome of a broken stream is known."""
        opening = self.openings[-1] if self.openings else None
        is_tried = opening is not None and not opening.called
        was_resumed = False
        if self.broken is not None:
            (left, handled), self.broken = self.broken, None
            how = self.chance.random()
            was_resumed = is_tried and how < 0.5
            if how > 0.8:  # it has forgotten how much it had handled
                self.unheard |= {str(each.id) for each in left[:handled]}
                handled = 0
            assert self.user is not None
            self.user.take_back(left[handled:])
            opening = self.openings[-1]
            is_tried = not opening.called
        if opening is None or not is_tried:
            return
        if not was_resumed and self.chance.random() < 0.2:
            self.refused()
            return
        self.stream, self.handled = Careful(self.log), 0
        self.stream.is_managed, self.stream.was_resumed = self.is_managed, was_resumed
        opening.callback(self.stream)
        self.user = self.stream.user

    def passes(self) -> None:
        if self.broken is not None and self.clock.seconds() > self.broke_at + RESUME_SECONDS - 20:
            self.opens()  # a broken stream is not kept for longer
        self.clock.advance(self.chance.choice((0, 0.01, 0.05, 0.05, 1, 5, 20)))

    def disk_(self) -> None:
        how = self.chance.random()
        if how < 0.3:
            self.disk.is_slow = True
        elif how < 0.5:
            self.disk.is_slow = False
            self.disk.work()
        elif how < 0.9 or not self.may_fail:
            self.disk.work(1)
        else:
            if self.disk.is_failing:
                self.disk.recover()
            else:
                self.disk.fail(openly=self.chance.random() < 0.5)

    def fills(self) -> None:
        if self.stream is not None:
            self.stream.is_full = not self.stream.is_full
            self.stream.look()

    def holds(self) -> None:
        """The operator holds the domain, or releases it."""
        if PAIR.target in self.keeper.held:
            self.keeper.held.discard(PAIR.target)
            self.route.release()
        else:
            self.keeper.held.add(PAIR.target)
            self.route.hold()

    def learns(self) -> None:
        """Another node has left something, and it is in our outbox now."""
        numbers = [str(len(self.kinds) + each) for each in range(self.chance.randrange(1, 4))]
        self.left_behind.update(numbers)
        self.kinds.update(dict.fromkeys(numbers, MESSAGE))
        raws = [MESSAGE.format(id=number).encode() for number in numbers]
        when = START + self.clock.seconds()
        MemoryOutbox.put(self.disk, PAIR, raws, accepted=when, expires=when + 3600)
        self.route.learn()

    def ends(self) -> None:
        """All is well from now on."""
        self.disk.is_slow = False
        self.disk.recover()
        self.chance = Random(1)
        if PAIR.target in self.keeper.held:
            self.holds()
        for _ in range(200 if self.is_managed else 600):  # without acknowledgements, each settlement takes seconds
            self.disk.work()
            self.route.retry()
            if self.broken is not None or self.stream is None:
                self.opens()
            if self.stream is not None:
                self.stream.is_full = False
                self.stream.look()
                while self.handled < len(self.stream.written):
                    self.handles()
                if self.is_managed:
                    count, self.handled = self.handled, 0
                    self.stream.acknowledges(count)
            self.clock.advance(1)

    # -- the account -------------------------------------------------------------------------------------------------

    @property
    def bounced(self) -> Counter[str]:
        told = [each for each in self.notices if isinstance(each, StanzaBounced) and each.target.endswith(FAR)]
        return Counter(str(each.id) for each in told)

    @property
    def without_an_end(self) -> list[str]:
        delivered, bounced = set(self.delivered), self.bounced
        return [number for number in self.kinds if number not in delivered and not bounced[number]]

    @property
    def with_two(self) -> list[str]:
        delivered, bounced = Counter(self.delivered), self.bounced
        return [
            number
            for number, kind in self.kinds.items()
            if number not in self.unheard
            and (delivered[number] > 1 or bounced[number] > 1 or (delivered[number] and bounced[number]))
            and not (kind is ASKED and delivered[number] == 1 == bounced[number])
        ]

    @property
    def overtaken(self) -> list[tuple[int, int]]:
        """The pairs of stanzas of which the later one came before the earlier one, when both came the first time.

        What another node has left has its own order.
        """
        order = [int(each) for each in dict.fromkeys(self.delivered) if each not in self.left_behind]
        return [(before, after) for before, after in pairwise(order) if after < before]


def is_ping(stanza: Stanza) -> bool:
    return stanza.name == "iq" and str(stanza.id).startswith("xg")


def told(seed: int, rules: RouteTerms = KEPT, **may: bool) -> Story:
    """Return a story after its end, with an end for each stanza."""
    story = Story(seed, rules, **may)
    for _ in range(150):
        story.act()
    story.ends()
    # Without acknowledgements, what was written and not kept may be lost with the stream.
    assert [each for each in story.without_an_end if story.is_managed or story.kinds[each] is MESSAGE] == [], seed
    assert story.with_two == [], seed
    assert story.kept == 0, seed
    return story


SEEDS = pytest.mark.parametrize(
    "first", [0, *(pytest.param(first, marks=pytest.mark.soak) for first in range(SHORT, 200, SHORT))]
)
LEVELS = pytest.mark.parametrize("terms", [KEPT, ALL], ids=["waiting", "all"])


@LEVELS
@SEEDS
def test_each_stanza_has_one_end_and_none_overtakes_another(terms: RouteTerms, first: int) -> None:
    for seed in range(first, first + SHORT):
        assert told(seed, terms).overtaken == [], seed


@LEVELS
@SEEDS
def test_each_stanza_has_one_end_and_none_overtakes_another_while_the_disk_fails(terms: RouteTerms, first: int) -> None:
    for seed in range(first, first + SHORT):
        assert told(seed, terms, may_fail=True).overtaken == [], seed


@SEEDS
def test_each_message_has_one_end_and_none_overtakes_another_without_acknowledgements(first: int) -> None:
    for seed in range(first, first + SHORT):
        assert told(seed, ALL, is_managed=False).overtaken == [], seed


@LEVELS
@SEEDS
def test_each_stanza_has_one_end_and_none_overtakes_another_while_other_nodes_leave_some(
    terms: RouteTerms, first: int
) -> None:
    for seed in range(first, first + SHORT):
        assert told(seed, terms, may_learn=True).overtaken == [], seed


@LEVELS
@SEEDS
def test_each_stanza_has_one_end_while_an_operator_holds_the_domain(terms: RouteTerms, first: int) -> None:
    for seed in range(first, first + SHORT):
        told(seed, terms, may_hold=True, may_fail=seed % 2 == 1)


# What chance has found, each as its own story.


def test_what_was_adopted_is_not_sent_again_though_the_outbox_answers_at_once() -> None:
    assert told(168, KEPT, may_learn=True).overtaken == []


def test_what_is_not_kept_has_its_place_among_what_a_broken_stream_gives_back(harness: KeptRouteHarness) -> None:
    harness.send(*messages(0))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.send(ASKED.format(id=1), *messages(2), PRESENCE.format(id=3), *messages(4))
    harness.heard()
    stream.breaks()
    harness.send(ASKED.format(id=5))
    again = careful(harness)
    for _ in range(5):
        again.acknowledges(1)
    assert harness.heard() == ["open", "write 1", "write 2", "write 3", "write 4", "write 5"]


def test_what_comes_back_while_no_stream_can_be_had_does_not_wait_for_the_next_attempt(
    harness: KeptRouteHarness,
) -> None:
    harness.send(*messages(0))
    stream = harness.opened()
    left = [stanza(ASKED.format(id=1)), stanza(PRESENCE.format(id=2))]
    stream.ends(unacknowledged={PAIR: left}, resuming=True)
    harness.refused()
    harness.pass_(15)
    harness.refused()
    assert harness.route.disposition is Disposition.WAITING
    assert stream.user is not None
    stream.user.take_back(left)
    assert harness.heard()[-1] == "we get error 1 remote-server-timeout"
    assert harness.route.in_memory == 0


def test_a_request_in_doubt_is_not_answered_because_of_an_earlier_break(harness: KeptRouteHarness) -> None:
    harness.send(*messages(0))
    harness.opened().ends()
    harness.pass_(KEPT.answer_seconds - 1)
    harness.send(ASKED.format(id=1))
    stream = harness.opened()
    stream.breaks(unacknowledged={PAIR: [*stream.written]}, resuming=True)
    harness.pass_(2)
    assert not [each for each in harness.heard() if "error" in each]


def test_what_was_written_before_a_slow_stream_made_others_wait_on_the_disk_goes_first_and_they_are_not_lost(
    harness: KeptRouteHarness,
) -> None:
    harness.send(*messages(0))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.send(*messages(1, 2))
    stream.full = Deferred()
    harness.send(*messages(3, 4))
    harness.clock.advance(OVERDUE_SECONDS)
    harness.clock.advance(OVERDUE_SECONDS)
    assert harness.kept == 4
    left = [*stream.written]
    stream.breaks(unacknowledged={PAIR: left}, resuming=True)
    assert stream.user is not None
    stream.user.take_back(left[1:])
    harness.heard()
    again = harness.opened(resumed=True)
    for _ in range(3):
        again.acknowledges(1)
    assert harness.heard() == ["write 2 3 4"]
    assert harness.kept == 0


def test_what_a_slow_stream_had_been_sent_before_is_kept_no_longer_once_it_is_acknowledged(
    harness: KeptRouteHarness,
) -> None:
    harness.send(*messages(0))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.send(*messages(1, 2))
    harness.keeper.held.add(PAIR.target)
    harness.route.hold()
    assert harness.kept == 2
    stream.acknowledges(2)
    assert harness.kept == 0


def test_what_is_not_kept_is_written_before_what_is_kept_behind_it() -> None:
    harness = KeptRouteHarness(ALL)  # the disk answers within the call
    harness.send(*messages(0))
    harness.opened().acknowledges(1)
    harness.heard()
    harness.send(PRESENCE.format(id=1), *messages(2), PRESENCE.format(id=3))
    assert harness.heard() == ["write 1", "write 2", "write 3"]


def test_what_waited_for_room_keeps_its_place_when_the_stream_breaks() -> None:
    harness = KeptRouteHarness(ALL)
    harness.send(*messages(0))
    stream = harness.opened()
    stream.full = Deferred()
    harness.send(PRESENCE.format(id=1))
    harness.send(*messages(2))
    harness.send(PRESENCE.format(id=3))
    stream.breaks()
    harness.heard()
    again = careful(harness)
    for _ in range(4):
        again.acknowledges(1)
    assert harness.heard() == ["write 0", "write 1", "write 2", "write 3"]


def test_what_the_disk_refuses_is_written_though_nothing_follows_it() -> None:
    disk = FickleOutbox()
    harness = KeptRouteHarness(ALL, disk)
    harness.send(*messages(0))
    harness.opened().acknowledges(1)
    harness.heard()
    disk.fail(openly=False)
    harness.send(*messages(1))
    assert harness.heard() == ["write 1"]


def test_what_the_disk_refuses_keeps_its_place_among_what_follows() -> None:
    disk = FickleOutbox()
    harness = KeptRouteHarness(ALL, disk)
    harness.send(*messages(0))
    harness.opened().acknowledges(1)
    harness.heard()
    disk.is_slow = True
    disk.fail(openly=False)
    harness.send(*messages(1), PRESENCE.format(id=2))
    harness.send(*messages(3), PRESENCE.format(id=4))
    disk.work()
    assert sorted(harness.heard()) == ["we get error 1 resource-constraint", "write 2", "write 3", "write 4"]


@pytest.mark.parametrize("openly", [True, False])
def test_what_waited_in_memory_while_the_disk_failed_is_not_overtaken_by_what_was_kept_later(openly: bool) -> None:
    disk = FickleOutbox()
    harness = KeptRouteHarness(outbox=disk)
    disk.fail(openly=openly)
    harness.send(*messages(0, 1))
    disk.recover()
    harness.send(*messages(2, 3))
    for _ in range(2):
        careful(harness).breaks()
    harness.heard()
    stream = careful(harness)
    for _ in range(4):
        stream.acknowledges(1)
    assert harness.heard() == ["write 0", "write 1", "write 2", "write 3"]
    assert harness.kept == 0


def careful(harness: KeptRouteHarness) -> Careful:
    """Open a stream that acknowledges, and can be sent to one by one."""
    stream = Careful(harness.log)
    stream.is_managed = True
    harness.openings[-1].callback(stream)
    return stream


def test_what_a_slow_stream_gives_to_a_disk_that_fails_stays_in_order() -> None:
    disk = FickleOutbox()
    harness = KeptRouteHarness(outbox=disk)
    harness.send(*messages(0))
    stream = harness.opened()
    stream.acknowledges(1)
    disk.fail(openly=False)
    stream.full = Deferred()
    harness.send(*messages(1), PRESENCE.format(id=2), *messages(3))
    harness.heard()
    harness.pass_(OVERDUE_SECONDS)
    disk.recover()
    harness.send(*messages(4))
    stream.full, room = None, stream.full
    room.callback(None)
    assert harness.heard() == ["write 1", "write 2", "write 3", "write 4"]


def test_what_was_written_before_another_node_left_something_is_not_overtaken_by_what_comes_after() -> None:
    disk = FickleOutbox()
    harness = KeptRouteHarness(outbox=disk)
    harness.send(*messages(0))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.send(*messages(1, 2))
    disk.is_slow = True
    left_behind(harness, 90)
    disk.work(1)
    harness.send(*messages(3))
    stream.breaks()
    disk.is_slow = False
    disk.work()
    harness.opened().acknowledges(4)
    assert harness.heard() == ["open", "write 0", "write 1 2", "open", "write 90 1 2 3"]
    assert harness.kept == 0


def test_what_another_node_has_left_is_not_settled_with_what_was_written_before_it() -> None:
    harness = KeptRouteHarness()
    harness.send(*messages(0))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.send(*messages(1, 2))
    left_behind(harness, 90)
    assert harness.heard() == ["open", "write 0", "write 1 2", "write 90"]
    stream.acknowledges(1)
    assert harness.kept == 2
    stream.acknowledges(1)
    assert harness.kept == 1
    stream.acknowledges(1)
    assert harness.kept == 0
