"""The first opening of an outbox that fails at the start: nothing overtakes what an earlier process has kept."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from gateway.federation.route import RouteTerms
from gateway.outbox.conditions import Condition
from gateway.outbox.memory import MemoryOutbox
from gateway.routing.disposition import Disposition
from tests.unit.components.test_kept_component import FAR, NEAR, ROMEO, START, KeptComponentHarness
from tests.unit.components.test_kept_component import MESSAGE as TO_NURSE
from tests.unit.components.test_kept_component_order import Story as ComponentStory
from tests.unit.federation.test_kept_order import FickleOutbox, Story
from tests.unit.federation.test_kept_route import ALL, KEPT, KeptRouteHarness
from tests.unit.federation.test_route import ASKED, MESSAGE, PAIR, messages

EARLIER = 3  # stanzas that an earlier process has kept
SEEDS = range(25)
LEVELS = pytest.mark.parametrize("terms", [KEPT, ALL], ids=["waiting", "all"])


class ClosedOutbox(FickleOutbox):
    """An outbox that has not been opened yet: it takes nothing, and nobody knows what it has."""

    def __init__(self) -> None:
        super().__init__()
        self.condition = Condition.IO_ERROR

    def opens(self) -> None:
        self.condition = Condition.READY

    def waiting(self, pair: Any) -> int:
        return super().waiting(pair) if self.condition.is_ready else 0

    @property
    def stanzas(self) -> int:
        return super().stanzas if self.condition.is_ready else 0

    def keep_earlier(self, pair: Any, text: str) -> None:
        """Have it in the outbox since an earlier process."""
        self.condition = Condition.READY
        raws = [text.format(id=number, who=ROMEO).encode() for number in range(EARLIER)]
        MemoryOutbox.put(self, pair, raws, accepted=START, expires=START + 3600)
        self.condition = Condition.IO_ERROR


class ClosedHarness(KeptRouteHarness):
    """A route at the start of a gateway whose outbox cannot be opened."""

    def __init__(self, terms: RouteTerms = KEPT, earlier: int = EARLIER) -> None:
        self.disk = ClosedOutbox()
        super().__init__(terms, self.disk)
        if earlier:
            self.disk.keep_earlier(PAIR, MESSAGE)
        self.keeper.begin_opening()

    def opens(self) -> None:
        self.disk.opens()
        self.keeper.end_opening(self.route.outbox_opened)

    def gives_up(self) -> None:
        self.keeper.end_opening(self.route.outbox_opened)


@LEVELS
def test_no_stream_is_opened_before_it_is_known_what_is_kept_and_that_goes_first(terms: RouteTerms) -> None:
    harness = ClosedHarness(terms)
    harness.send(*messages(3), ASKED.format(id=4), *messages(5))
    harness.route.retry()
    assert harness.heard() == []
    assert harness.route.disposition is Disposition.QUEUEING
    harness.opens()
    harness.opened().acknowledges(1)
    assert harness.heard() == ["open", "write 0 1 2 3", "write 4", "write 5"]


def test_what_waits_for_the_outbox_counts_as_safe_once_it_is_on_the_disk() -> None:
    harness = ClosedHarness()
    harness.send(*messages(3))
    unsafe = harness.keeper.unsafe()
    assert isinstance(unsafe, Deferred)
    harness.disk.is_slow = True
    harness.opens()
    assert not unsafe.called
    harness.disk.work()
    assert unsafe.called
    assert harness.kept == 4


def test_the_route_does_without_an_outbox_that_cannot_be_opened_for_too_long() -> None:
    harness = ClosedHarness()
    harness.send(*messages(3), ASKED.format(id=4))
    unsafe = harness.keeper.unsafe()
    harness.gives_up()
    assert unsafe is not None
    assert unsafe.called
    harness.opened()
    harness.send(*messages(5))
    assert harness.heard() == ["open", "write 3", "write 4", "write 5"]


@LEVELS
def test_what_is_known_too_late_is_sent_all_the_same(terms: RouteTerms) -> None:
    harness = ClosedHarness(terms)
    harness.send(*messages(3))
    harness.gives_up()
    harness.opened()
    harness.opens()
    harness.send(*messages(4))
    assert harness.heard() == ["open", "write 3", "write 0 1 2", "write 4"]


def test_too_many_that_wait_for_the_outbox_are_refused() -> None:
    harness = ClosedHarness(earlier=0)
    assert KEPT.keep.most_followers > KEPT.queue_stanzas
    harness.route.terms = RouteTerms(keep=type(KEPT.keep)(level="waiting", most_followers=2))
    harness.send(*messages(1, 2, 3))
    assert harness.heard() == ["we get error 3 resource-constraint"]


@pytest.mark.parametrize("terms", [KEPT, ALL, RouteTerms()], ids=["waiting", "all", "no"])
def test_time_for_a_stream_begins_when_the_wait_for_the_outbox_ends(terms: RouteTerms) -> None:
    harness = ClosedHarness(terms, earlier=0)
    harness.send(ASKED.format(id=1))
    harness.pass_(9)
    harness.gives_up()
    harness.pass_(29)
    assert harness.heard() == ["open"]
    harness.pass_(2)
    assert harness.heard() == ["we get error 1 remote-server-timeout"]
    assert harness.route.in_memory == 0


def test_where_nothing_is_kept_nothing_is_put() -> None:
    harness = ClosedHarness(RouteTerms(), earlier=0)
    harness.send(*messages(1))
    harness.opens()
    assert harness.kept == 0
    harness.opened()
    assert harness.heard() == ["open", "write 1"]


def test_a_component_gets_what_waited_for_the_outbox_before_what_comes_while_the_disk_answers() -> None:
    harness = KeptComponentHarness(outbox=(disk := ClosedOutbox()))
    harness.keeper.begin_opening()
    disk.keep_earlier(NEAR, TO_NURSE)
    harness.attached()
    harness.send(TO_NURSE.replace("<message", "<message type='headline'").format(id=5, who=ROMEO))
    disk.is_slow = True
    disk.opens()
    harness.keeper.end_opening(harness.route.outbox_opened)
    harness.messages(6)
    disk.is_slow = False
    disk.work()
    harness.clock.advance(0)
    assert [each for each in harness.heard() if "gets 5" in each or "gets 6" in each] == [
        "nurse gets 5",
        "nurse gets 6",
    ]


# -- stories -----------------------------------------------------------------------------------------------------------


class RouteAtStart(Story):
    """A story of a route that begins while the outbox cannot be opened."""

    disk: ClosedOutbox

    def __init__(self, seed: int, terms: RouteTerms) -> None:
        super().__init__(seed, terms)
        self.outbox = self.keeper.outbox = self.disk = ClosedOutbox()
        self.disk.keep_earlier(PAIR, MESSAGE)
        self.kinds.update({str(number): MESSAGE for number in range(EARLIER)})
        self.keeper.begin_opening()

    def passes_on(self) -> None:
        self.keeper.end_opening(self.route.outbox_opened)

    @property
    def lost(self) -> list[str]:
        return self.without_an_end


class ComponentAtStart(ComponentStory):
    """The same of a route to a component."""

    disk: ClosedOutbox

    def __init__(self, seed: int, terms: RouteTerms) -> None:
        super().__init__(seed, terms.keep.level)
        self.outbox = self.keeper.outbox = self.disk = ClosedOutbox()
        self.disk.keep_earlier(FAR, TO_NURSE)
        self.kinds.update({str(number): TO_NURSE for number in range(EARLIER)})
        self.senders.update({str(number): ROMEO for number in range(EARLIER)})
        self.keeper.begin_opening()

    def passes_on(self) -> None:
        self.keeper.end_opening(self.route.outbox_opened)

    @property
    def lost(self) -> list[str]:
        """Return what was kept and has no end; what was written to a component that dies may have none."""
        was_kept = [*self.kinds] if self.keep_level == "all" else [str(number) for number in range(EARLIER)]
        return [each for each in was_kept if self.kinds[each] is TO_NURSE and each in self.without_an_end]


def told(story: RouteAtStart | ComponentAtStart, opens_at: int, gives_up_at: int) -> None:
    """Tell a story to its end; at one act the outbox is open, and at another one nobody waits for it any longer."""
    for act in range(100):
        if act == opens_at:
            story.disk.opens()
        if act in (opens_at, gives_up_at):
            story.passes_on()
        story.act()
    story.ends()


AT_STARTS = pytest.mark.parametrize("kind", [RouteAtStart, ComponentAtStart], ids=["server", "component"])


@AT_STARTS
@LEVELS
def test_nothing_overtakes_what_an_earlier_process_has_kept(
    kind: type[RouteAtStart | ComponentAtStart], terms: RouteTerms
) -> None:
    for seed in SEEDS:
        story = kind(seed, terms)
        told(story, opens_at=seed, gives_up_at=100)
        assert story.overtaken == [], seed
        assert story.with_two == [], seed
        assert story.kept == 0, seed
        assert story.lost == [], seed


@AT_STARTS
@LEVELS
def test_each_stanza_has_one_end_though_the_outbox_opens_late(
    kind: type[RouteAtStart | ComponentAtStart], terms: RouteTerms
) -> None:
    for seed in SEEDS:
        story = kind(seed, terms)
        told(story, opens_at=seed + 20, gives_up_at=seed)
        assert story.with_two == [], seed
        assert story.kept == 0, seed
        assert [each for each in story.lost if int(each) < EARLIER] == [], seed
