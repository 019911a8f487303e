"""A component that is away: what is kept for it, and in which order it gets that when it comes back."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred

from gateway.components.route import ComponentRoute
from gateway.notices.notices import TakenForDelivered
from gateway.outbox.backlog_owner import KeepTerms
from gateway.outbox.conditions import Condition
from gateway.outbox.keeper import Keeper
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.routing.outflow import OVERDUE_SECONDS
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.trees import stanza
from tests.unit.components import test_components as plain
from tests.unit.components.test_components import DOMAIN

MESSAGE = "<message from='{who}' to='nurse.test' id='{id}'><body>Hi</body></message>"
ASKED = "<iq type='get' id='{id}' from='{who}' to='nurse.test'><ping xmlns='urn:xmpp:ping'/></iq>"
ROMEO, JULIET = "romeo@far.test/a", "juliet@near.test/b"
FAR, NEAR = DomainPair(Domain("far.test"), DOMAIN), DomainPair(Domain("near.test"), DOMAIN)
START = 1_000_000.0


class KeptComponentHarness(plain.ComponentHarness):
    """The same harness with an outbox."""

    def __init__(
        self,
        level: str = "waiting",
        outbox: MemoryOutbox | None = None,
        connections: int = 1,
        silence_seconds: float = 15,
    ) -> None:
        super().__init__()
        self.outbox = outbox or MemoryOutbox(limits=OutboxLimits())
        self.keeper = Keeper(self.clock, lambda: START + self.clock.seconds())
        self.keeper.outbox = self.outbox
        self.route = ComponentRoute(
            DOMAIN,
            self.router,
            self.outflows(connections),
            self.clock,
            self.notices.append,
            keeper=self.keeper,
            keep=lambda: KeepTerms(level=level, hours=1, silence_seconds=silence_seconds, patience=30),
        )
        self.router.attach(DOMAIN, self.route)

    def attached(self, name: str = "nurse") -> KeptLine:
        line = KeptLine(self, name)
        line.knows_the_secret()
        return line

    def messages(self, *ids: int, who: str = ROMEO) -> Deferred[None] | None:
        return self.send(*(MESSAGE.format(id=id_, who=who) for id_ in ids))

    def heard(self) -> list[str]:
        """Return what has happened since the last time, but for pings."""
        self.clock.advance(0)
        heard, self.log[:] = [each for each in self.log if "xg" not in each], []
        return heard

    def passes(self, seconds: float) -> None:
        self.clock.pump([0, seconds, 0])

    @property
    def kept(self) -> int:
        return self.outbox.stanzas


class KeptLine(plain.Line):
    """A component that shows which pings it has been sent."""

    def __init__(self, harness: KeptComponentHarness, name: str) -> None:
        super().__init__(harness, name)
        self.pings: list[str] = []

    def write(self, data: bytes) -> None:
        super().write(data)
        self.pings += re.findall(r" id='(xg-[\d-]+)'", data.decode())

    def answers(self) -> None:
        """It answers every ping."""
        self._world.clock.advance(0)
        pings, self.pings = self.pings, []
        self.says(*(f"<iq type='result' id='{id_}' from='nurse.test' to='nurse.test/{id_}'/>" for id_ in pings))


@pytest.fixture
def harness() -> KeptComponentHarness:
    return KeptComponentHarness()


def test_what_comes_while_it_is_away_waits_and_arrives_in_order(harness: KeptComponentHarness) -> None:
    harness.messages(1, 2)
    harness.messages(3)
    assert harness.heard() == []
    assert harness.kept == 3
    harness.attached()
    harness.messages(4)
    assert harness.heard() == ["nurse is attached", "nurse gets 1 2 3", "nurse gets 4"]


def test_what_is_never_kept_is_answered_at_once(harness: KeptComponentHarness) -> None:
    harness.send(ASKED.format(id=1, who=ROMEO), MESSAGE.format(id=2, who=ROMEO))
    assert harness.heard() == ["far gets error 1 remote-server-timeout"]
    assert harness.kept == 1


def test_without_it_nothing_waits() -> None:
    harness = KeptComponentHarness("no")
    harness.messages(1)
    assert harness.heard() == ["far gets error 1 remote-server-timeout"]
    assert harness.kept == 0


def test_an_answer_to_a_ping_and_three_seconds_settle_what_all_have_sent(harness: KeptComponentHarness) -> None:
    harness.messages(1)
    harness.messages(2, who=JULIET)
    nurse = harness.attached()
    harness.clock.advance(0)
    assert len(nurse.pings) == 1, "one for all who wait"
    nurse.answers()
    assert harness.kept == 2
    harness.passes(3.1)
    assert harness.kept == 0
    assert not [each for each in harness.clock.getDelayedCalls() if each.getTime() < START]


def test_a_component_that_answers_no_ping_is_believed_after_some_time_and_that_is_said(
    harness: KeptComponentHarness,
) -> None:
    harness.messages(1)
    harness.attached()
    harness.passes(14)
    assert harness.kept == 1
    harness.passes(2)
    assert harness.kept == 0
    assert [each.count for each in harness.notices if isinstance(each, TakenForDelivered)] == [1]
    assert harness.keeper.counts["in_doubt"] == 1


def test_what_was_in_flight_when_it_went_comes_again_one_then_two_of_all_together(
    harness: KeptComponentHarness,
) -> None:
    harness.messages(1, 3, 5)
    harness.messages(2, 4, who=JULIET)
    harness.attached("first").breaks()
    harness.heard()
    second = harness.attached("second")
    assert harness.heard() == ["second is attached", "second gets 1"]
    second.answers()
    harness.passes(3.1)
    assert len(harness.heard()) == 2
    second.answers()
    harness.passes(3.1)
    assert len(harness.heard()) == 2, "the last two, of the four that the window would take"
    assert harness.kept == 2
    second.answers()
    harness.passes(3.1)
    assert harness.kept == 0


@pytest.mark.parametrize("seconds", [0, 3.1])
def test_a_stanza_over_which_it_dies_is_found_among_those_of_others(
    harness: KeptComponentHarness, seconds: float
) -> None:
    for number in range(1, 9):
        harness.messages(number, who=ROMEO if number % 2 else JULIET)
    killer = 4
    errors: list[str] = []
    for life in range(30):
        line = harness.attached(f"life{life}")
        for _ in range(20):
            heard = harness.heard()
            errors += [each for each in heard if each.startswith("far")]
            got = " ".join(each for each in heard if not each.startswith("far")).split()
            if str(killer) in got:
                line.breaks()
                break
            line.answers()
            harness.passes(seconds)
        if not line.is_lost:
            break
    assert not line.is_lost, "it lives at last"
    assert life == 3
    assert errors == ["far gets error 4 not-acceptable"]
    harness.passes(4)
    assert harness.kept == 0
    aside = harness.outbox.aside(DOMAIN)
    assert [b"id='4'" in each.raw for each in aside.result] == [True]


def test_what_waited_for_room_is_kept_when_it_goes(harness: KeptComponentHarness) -> None:
    nurse = harness.attached()
    nurse.full = Deferred()
    harness.messages(1, 2)
    nurse.breaks()
    assert harness.kept == 2
    assert "far gets error 1 remote-server-timeout" not in harness.heard()
    harness.attached("second")
    assert harness.heard() == ["second is attached", "second gets 1 2"]


def test_what_has_no_room_is_kept_soon_and_goes_out_in_order(harness: KeptComponentHarness) -> None:
    nurse = harness.attached()
    harness.heard()
    nurse.full = Deferred()
    harness.messages(1)
    harness.passes(OVERDUE_SECONDS / 2)
    harness.passes(OVERDUE_SECONDS / 2)
    assert harness.kept == 1
    harness.messages(2)
    harness.messages(3, who=JULIET)
    full, nurse.full = nurse.full, None
    full.callback(None)
    assert sorted(" ".join(harness.heard()).replace("nurse gets", "").split()) == ["1", "2", "3"]
    harness.messages(4)
    assert harness.heard() == ["nurse gets 4"]


def test_while_it_is_written_to_nothing_goes_over_the_disk(harness: KeptComponentHarness) -> None:
    harness.attached()
    harness.messages(1, 2)
    assert harness.kept == 0


def test_with_all_everything_goes_over_the_disk() -> None:
    harness = KeptComponentHarness("all")
    nurse = harness.attached()
    harness.messages(1)
    harness.messages(2, who=JULIET)
    assert harness.kept == 2
    assert harness.heard() == ["nurse is attached", "nurse gets 1", "nurse gets 2"]
    nurse.breaks()
    assert harness.kept == 2, "what was in flight is not lost"


def test_an_outbox_that_takes_nothing_has_senders_told(harness: KeptComponentHarness) -> None:
    harness.outbox.condition = Condition.IO_ERROR
    harness.messages(1)
    assert harness.heard() == ["far gets error 1 remote-server-timeout"]


def test_what_is_held_waits_though_it_is_attached(harness: KeptComponentHarness) -> None:
    harness.attached()
    harness.heard()
    harness.keeper.held.add(DOMAIN)
    harness.route.hold()
    harness.messages(1)
    harness.send(ASKED.format(id=2, who=ROMEO))
    assert harness.heard() == ["nurse gets 2"]
    assert harness.kept == 1
    harness.keeper.held.discard(DOMAIN)
    assert harness.route.queued == 1, "so that it can be seen, and tried again"
    harness.route.release()
    harness.messages(3)
    assert harness.heard() == ["nurse gets 1", "nurse gets 3"]


def test_what_an_earlier_process_kept_goes_before_what_comes(harness: KeptComponentHarness) -> None:
    harness.messages(1)
    harness.messages(2, who=JULIET)
    later = KeptComponentHarness(outbox=harness.outbox)
    later.attached()
    later.messages(3)
    heard = later.heard()
    assert heard[0] == "nurse is attached"
    assert heard[-1] == "nurse gets 3"
    assert sorted(heard[1:-1]) == ["nurse gets 1", "nurse gets 2"]


def test_what_another_node_has_left_arrives_behind_what_was_sent(harness: KeptComponentHarness) -> None:
    nurse = harness.attached()
    harness.messages(1)
    raws = [MESSAGE.format(id=each, who=JULIET).encode() for each in (2, 3)]
    put = harness.outbox.put(NEAR, raws, accepted=START, expires=START + 3600)
    put.addCallback(lambda _: harness.route.learn(NEAR))
    harness.messages(4)
    assert harness.heard() == ["nurse is attached", "nurse gets 1", "nurse gets 2 3", "nurse gets 4"]
    nurse.answers()
    harness.passes(3.1)
    assert harness.kept == 0


def test_what_another_node_has_left_for_a_component_that_is_away_waits_for_it(harness: KeptComponentHarness) -> None:
    raw = MESSAGE.format(id=1, who=JULIET).encode()
    put = harness.outbox.put(NEAR, [raw], accepted=START, expires=START + 3600)
    put.addCallback(lambda _: harness.route.learn(NEAR))
    harness.attached()
    assert harness.heard() == ["nurse is attached", "nurse gets 1"]


class SlowReader(MemoryOutbox):
    """An outbox whose pages come when the test says so."""

    def __init__(self) -> None:
        super().__init__(limits=OutboxLimits())
        self.reading: list[Deferred[None]] = []

    def page(self, *args: object, **how: object) -> Deferred[Sequence[object]]:  # type: ignore[override]
        done: Deferred[None] = Deferred()
        self.reading.append(done)
        return super().page(*args, **how).addCallback(lambda page: done.addCallback(lambda _: page))  # type: ignore[arg-type]


def test_a_request_comes_after_what_was_sent_before_it() -> None:
    outbox = SlowReader()
    harness = KeptComponentHarness(outbox=outbox)
    harness.messages(1)
    harness.attached()
    harness.send(ASKED.format(id=2, who=ROMEO), ASKED.format(id=3, who=JULIET))
    assert harness.heard() == ["nurse is attached", "nurse gets 3"]
    for reading in outbox.reading:
        reading.callback(None)
    assert harness.heard() == ["nurse gets 1", "nurse gets 2"]


def test_a_request_waits_for_it_no_longer_than_for_a_stream() -> None:
    outbox = SlowReader()
    harness = KeptComponentHarness(outbox=outbox)
    harness.messages(1)
    harness.attached()
    harness.send(ASKED.format(id=2, who=ROMEO))
    harness.heard()
    harness.passes(29)
    assert harness.heard() == []
    harness.passes(2)
    assert harness.heard() == ["far gets error 2 remote-server-timeout"]


def test_a_late_stanza_bears_our_stamp_and_not_its_senders(harness: KeptComponentHarness) -> None:
    harness.messages(1)
    written: list[bytes] = []
    harness.passes(11)
    nurse = KeptLine(harness, "nurse")
    nurse.write = written.append  # type: ignore[method-assign]
    nurse.knows_the_secret()
    (delay,) = stanza(written[0].decode()).element.elements("urn:xmpp:delay")
    assert delay.get("from") == DOMAIN


def test_nothing_is_forgotten_of_who_waits_and_nothing_kept_of_who_does_not(harness: KeptComponentHarness) -> None:
    for number in range(50):
        harness.messages(number, who=f"romeo@far{number}.test/a")
    nurse = harness.attached()
    nurse.answers()
    harness.passes(3.1)
    assert harness.route.kept == 0
    assert harness.kept == 0
    assert not harness.route._backlogs._of  # type: ignore[union-attr]
