"""RemoteRoute with an outbox: what is kept while a domain is away, and how it ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from gateway.federation.delivery_failures import NOT_THERE, OUT_OF_REACH, UNWILLING
from gateway.federation.route import RemoteRoute, RouteTerms
from gateway.federation.stream_end import Headway
from gateway.outbox.backlog_owner import KeepTerms
from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.keeper import Keeper
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import KeptStanza, OutboxLimits
from gateway.outbox.window import Break
from gateway.routing.disposition import Disposition
from gateway.routing.outflow import OVERDUE_SECONDS
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import Stanza
from tests.unit.federation import test_route as plain
from tests.unit.federation.test_route import ASKED, MESSAGE, PAIR, messages

KEPT = RouteTerms(connect_seconds=30, queue_stanzas=5, answer_seconds=10, keep=KeepTerms(level="waiting", hours=1))
ALL = RouteTerms(connect_seconds=30, queue_stanzas=5, answer_seconds=10, keep=KeepTerms(level="all", hours=1))
PRESENCE = "<presence type='{type}' from='a@here.test' to='b@far.test'/>"
START = 1_000_000.0  # seconds since 1970


class Stream(plain.Session):
    """A stream that shows what is kept among what is written."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(log)
        self.told = None
        self.written: list[Stanza] = []

    def send(self, batch: Sequence[Stanza], data: bytes) -> None:
        if batch[0].name == "iq" and str(batch[0].id).startswith("xg"):
            self._log.append("ping")
        else:
            super().send(batch, data)
        self.written += batch

    def watch(self, pair: DomainPair, acknowledged: object) -> None:
        self.told = acknowledged

    def unacknowledged(self, pair: DomainPair) -> Sequence[Stanza]:
        return [*self.written] if self.is_managed else []

    def replace(self, others: Mapping[int, Stanza]) -> Collection[int]:
        found = {id(each) for each in self.written} & others.keys()
        self.written[:] = [others.get(id(each), each) for each in self.written]
        return found

    def acknowledges(self, count: int) -> None:
        """Have the other side acknowledge this many more."""
        new, self.written = self.written[:count], self.written[count:]
        if self.told is not None:
            self.told(new)

    def breaks(self, **how: object) -> None:
        """It breaks, and gives back what was not acknowledged."""
        left = self.written if self.is_managed else []
        how.setdefault("unacknowledged", {PAIR: left} if left else {})
        self.ends(made=Break.THEIRS, **how)


class KeptRouteHarness(plain.RouteHarness):
    """The same harness with an outbox."""

    def __init__(self, terms: RouteTerms = KEPT, outbox: MemoryOutbox | None = None) -> None:
        self.outbox = outbox or MemoryOutbox(limits=OutboxLimits())
        super().__init__(terms)

    def route_for(self, pair: DomainPair) -> RemoteRoute:
        if not hasattr(self, "keeper"):
            self.keeper = Keeper(self.clock, lambda: START + self.clock.seconds())
            self.keeper.outbox = self.outbox
        if pair not in self.routes:
            self.routes[pair] = RemoteRoute(
                pair,
                self._terms,
                open_stream=self.open,
                router=self.router,
                backoff=self.backoff,
                space=self.space,
                clock=self.clock,
                publish=self.notices.append,
                at_rest=lambda route: self.log.append(f"{route.pair.sender} rests"),
                keeper=self.keeper,
            )
        return self.routes[pair]

    def opened(self, *, managed: bool = True, resumed: bool = False) -> Stream:
        session = Stream(self.log)
        session.is_managed, session.was_resumed = managed, resumed
        self.openings[-1].callback(session)
        return session

    def opened_with_hold(self) -> None:
        """Open a stream, then let the operator hold the domain."""
        self.send(*messages(0))
        self.opened().acknowledges(1)
        self.keeper.held.add(PAIR.target)
        self.route.hold()

    def pass_(self, seconds: float) -> None:
        self.clock.pump([seconds])

    def heard(self) -> list[str]:
        """Return what has happened since the last time."""
        self.clock.advance(0)
        heard, self.log[:] = [each for each in self.log if "rests" not in each], []
        return heard

    @property
    def kept(self) -> int:
        return self.outbox.waiting(PAIR)


@pytest.fixture
def harness() -> KeptRouteHarness:
    return KeptRouteHarness()


def test_what_cannot_be_written_is_kept_and_not_bounced(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1, 2))
    harness.refused()
    assert harness.kept == 2
    assert harness.heard() == ["open"]
    assert harness.route.disposition is Disposition.WAITING


def test_what_is_kept_goes_out_in_order_before_what_comes(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1, 2))
    harness.refused()
    harness.send(*messages(3))
    harness.pass_(16)
    stream = harness.opened()
    harness.send(*messages(4))
    assert harness.heard() == ["open", "open", "write 1 2 3", "write 4"]
    assert harness.kept == 3, "a stream that has caught up needs no outbox"
    stream.acknowledges(3)
    assert harness.kept == 0


@pytest.mark.parametrize(
    ("ids", "written"), [(("1", "3" * 500, "4"), "1 4"), (("3" * 500, "4"), "4"), (("3" * 500,), "")]
)
def test_what_is_kept_and_larger_than_the_other_side_takes_comes_back(
    harness: KeptRouteHarness, ids: tuple[str, ...], written: str
) -> None:
    harness.send(*(MESSAGE.format(id=id_) for id_ in ids))
    harness.refused()
    harness.pass_(16)
    stream = Stream(harness.log)
    stream.is_managed, stream.largest = True, 500
    harness.openings[-1].callback(stream)
    bounced = "we get error " + "3" * 500 + " policy-violation"
    assert harness.heard() == ["open", "open", bounced, *([f"write {written}"] if written else [])]
    stream.acknowledges(len(stream.written))
    assert harness.kept == 0
    assert harness.route.disposition is Disposition.SENDING


@pytest.mark.parametrize("spare", [0, 50, 200, None])
def test_a_late_stanza_that_its_stamp_would_make_too_large_goes_without_it(
    harness: KeptRouteHarness, spare: int | None
) -> None:
    said = MESSAGE.format(id="1" * 500)
    harness.send(said)
    harness.refused()
    harness.pass_(16)
    stream = Stream(harness.log)
    stream.is_managed, stream.largest = True, None if spare is None else len(said) + spare
    harness.openings[-1].callback(stream)
    (written,) = stream.written
    assert (b"urn:xmpp:delay" in written.raw) is (spare is None or spare == 200)
    assert not [each for each in harness.heard() if "error" in each]


def test_what_is_never_kept_is_bounced_as_ever(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1), ASKED.format(id=2))
    harness.refused()
    assert harness.heard() == ["open", "we get error 2 remote-server-timeout"]
    assert harness.kept == 1


def test_of_subscriptions_only_the_newest_goes_out(harness: KeptRouteHarness) -> None:
    for type_ in ("subscribe", "unsubscribe", "subscribe"):
        harness.send(PRESENCE.format(type=type_))
    harness.refused()
    harness.pass_(16)
    stream = harness.opened()
    assert [each.type for each in stream.written] == ["subscribe"]


def test_a_domain_that_does_not_exist_bounces_what_is_new_at_once(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    harness.refused(NOT_THERE)
    assert harness.heard() == ["open", "we get error 1 remote-server-not-found"]
    assert harness.kept == 0
    harness.send(*messages(2))
    assert harness.heard() == ["we get error 2 remote-server-not-found"]


def test_what_was_kept_before_ends_with_the_second_definite_verdict_after_ten_minutes(
    harness: KeptRouteHarness,
) -> None:
    harness.send(*messages(1))
    harness.refused(OUT_OF_REACH)
    harness.pass_(16)
    harness.refused(UNWILLING)
    assert harness.kept == 1
    for _ in range(30):
        harness.pass_(100)
        if harness.openings[-1].called:
            continue
        harness.refused(UNWILLING)
        if not harness.kept:
            break
    assert harness.clock.seconds() >= 600
    assert harness.heard()[-1] == "we get error 1 remote-server-timeout"
    assert harness.kept == 0


def test_without_acknowledgements_a_ping_and_three_seconds_settle(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    stream = harness.opened(managed=False)
    assert harness.heard() == ["open", "write 1", "ping"]
    ping = stream.written[-1]
    harness.send(
        f"<iq type='error' id='{ping.id}' from='far.test' to='{ping.from_}'/>".replace(
            "/>", "><ping xmlns='urn:xmpp:ping'/></iq>"
        )
    )
    assert harness.kept == 1
    harness.pass_(2.9)
    assert harness.kept == 1
    harness.pass_(0.2)
    assert harness.kept == 0
    assert harness.heard() == [], "the answer is for nobody else"


def answered(harness: KeptRouteHarness, stream: Stream) -> None:
    """The other side has read what was written as far as the ping, and answers it."""
    at = next(place for place, each in enumerate(stream.written) if each.name == "iq")
    ping = stream.written[at]
    del stream.written[: at + 1]
    harness.send(f"<iq type='result' id='{ping.id}' from='far.test' to='{ping.from_}'/>")


def numbers(first: int, last: int) -> str:
    return " ".join(map(str, range(first, last + 1)))


def test_no_more_than_a_window_is_in_flight(harness: KeptRouteHarness) -> None:
    harness.send(*messages(*range(1, 201)))
    stream = harness.opened()
    assert harness.heard() == ["open", f"write {numbers(1, 32)}", f"write {numbers(33, 64)}"]
    stream.acknowledges(32)
    assert harness.heard() == [f"write {numbers(65, 96)}"]
    stream.acknowledges(3)
    assert harness.heard() == ["write 97 98 99"]


class MarkedOutbox(MemoryOutbox):
    """An outbox that shows what it was told to have been read."""

    def __init__(self) -> None:
        super().__init__(limits=OutboxLimits())
        self.marked: list[int] = []
        self.committed: list[Deferred[None]] = []

    def mark_read(self, pair: DomainPair, upto: int) -> Deferred[None]:  # type: ignore[override]
        self.marked.append(upto)
        self.committed.append(Deferred())
        return self.committed[-1]


def test_what_was_read_makes_room_once_that_is_on_the_disk() -> None:
    outbox = MarkedOutbox()
    harness = KeptRouteHarness(outbox=outbox)
    harness.send(*messages(*range(1, 101)))
    kept = [each.number for each in outbox.page(PAIR).result]
    stream = harness.opened(managed=False)
    assert harness.heard() == ["open", f"write {numbers(1, 32)}", "ping", f"write {numbers(33, 64)}"]
    answered(harness, stream)
    assert outbox.marked == [kept[31]]
    assert harness.heard() == ["ping"], "a crash would still double all of them"
    outbox.committed[0].callback(None)
    assert harness.heard() == [f"write {numbers(65, 96)}"]
    assert harness.kept == 100, "the other side may yet lose what it has read"
    stream.breaks()
    assert outbox.marked == [kept[31], 0]
    harness.opened(managed=False)
    assert harness.heard() == ["open", "write 1", "ping"]


class FailingOutbox(MemoryOutbox):
    """An outbox that can be told to fail: what is settled then is remembered, and settled when it works again."""

    is_failing = False

    def settle(self, pair: DomainPair, upto: int) -> Deferred[None]:  # type: ignore[override]
        if self.is_failing:
            return fail(OutboxUnavailable(Condition.IO_ERROR))
        return super().settle(pair, upto)

    def mark_read(self, pair: DomainPair, upto: int) -> Deferred[None]:  # type: ignore[override]
        if self.is_failing:
            return fail(OutboxUnavailable(Condition.IO_ERROR))
        return super().mark_read(pair, upto)


def test_what_was_delivered_makes_no_room_while_the_disk_fails() -> None:
    outbox = FailingOutbox(limits=OutboxLimits())
    harness = KeptRouteHarness(outbox=outbox)
    harness.send(*messages(*range(1, 201)))
    stream = harness.opened()
    outbox.is_failing = True
    stream.acknowledges(32)
    stream.acknowledges(32)
    assert harness.heard() == ["open", f"write {numbers(1, 32)}", f"write {numbers(33, 64)}"], "a crash doubles these"
    harness.pass_(60)
    assert harness.heard() == []
    outbox.is_failing = False
    harness.pass_(1)
    assert harness.heard() == [f"write {numbers(65, 96)}", f"write {numbers(97, 128)}"]


def test_what_was_read_makes_no_room_while_the_disk_fails() -> None:
    outbox = FailingOutbox(limits=OutboxLimits())
    harness = KeptRouteHarness(outbox=outbox)
    harness.send(*messages(*range(1, 101)))
    stream = harness.opened(managed=False)
    assert harness.heard() == ["open", f"write {numbers(1, 32)}", "ping", f"write {numbers(33, 64)}"]
    outbox.is_failing = True
    answered(harness, stream)
    harness.pass_(1)
    assert harness.heard() == ["ping"]
    outbox.is_failing = False
    harness.pass_(1)
    assert harness.heard() == [f"write {numbers(65, 96)}"]


def test_what_was_read_needs_no_mark_while_there_is_room() -> None:
    outbox = MarkedOutbox()
    harness = KeptRouteHarness(outbox=outbox)
    harness.send(*messages(1, 2, 3))
    answered(harness, harness.opened(managed=False))
    harness.pass_(3.1)
    assert harness.kept == 0
    assert outbox.marked == []


def test_a_peer_that_answers_no_ping_is_sent_all_that_waits(harness: KeptRouteHarness) -> None:
    harness.send(*messages(*range(1, 201)))
    harness.opened(managed=False)
    harness.heard()
    harness.pass_(66)
    assert harness.heard()[-1] == f"write {numbers(193, 200)}"


def test_what_is_in_flight_when_the_stream_breaks_goes_out_again_one_then_two_then_four(
    harness: KeptRouteHarness,
) -> None:
    harness.send(*messages(*range(1, 8)))
    harness.opened().breaks()
    assert harness.heard() == ["open", "write 1 2 3 4 5 6 7", "open"]
    stream = harness.opened()
    stream.acknowledges(1)
    stream.acknowledges(2)
    stream.acknowledges(4)
    assert harness.heard() == ["write 1", "write 2 3", "write 4 5 6 7"]
    assert harness.kept == 0


def test_what_was_written_and_not_acknowledged_is_kept_when_the_stream_breaks(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.send(*messages(2, 3))
    assert harness.kept == 0
    stream.breaks()
    harness.send(*messages(4))
    harness.refused()
    assert harness.kept == 3
    harness.heard()
    harness.pass_(16)
    stream = harness.opened()
    stream.acknowledges(1)
    stream.acknowledges(2)
    assert harness.heard() == ["open", "write 2", "write 3 4"]


def test_a_resumed_stream_settles_what_arrived_and_sends_the_rest_before_what_came_meanwhile(
    harness: KeptRouteHarness,
) -> None:
    harness.send(*messages(1))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.send(*messages(2, 3))
    two, three = stream.written
    stream.breaks(unacknowledged={PAIR: [two, three]}, resuming=True)
    harness.send(*messages(4))
    assert harness.kept == 3, "what is in doubt survives a crash"
    assert stream.user is not None
    stream.user.take_back([three])
    assert harness.kept == 2
    harness.heard()
    harness.opened(resumed=True)
    assert harness.heard() == ["write 3 4"]


@pytest.mark.parametrize("poison", [1, 5, 9])
@pytest.mark.parametrize(("managed", "seconds"), [(True, 0), (False, 3.1), (False, 0)])
def test_a_stanza_over_which_three_streams_break_is_answered_and_set_aside(
    harness: KeptRouteHarness, poison: int, managed: bool, seconds: float
) -> None:
    harness.send(*messages(*range(1, 11)))
    for _ in range(3):
        stream = harness.opened(managed=managed)
        while all(each.id != str(poison) for each in stream.written):
            if managed:
                stream.acknowledges(len(stream.written))
            else:
                answered(harness, stream)
                harness.pass_(seconds)
        stream.breaks()
        harness.clock.advance(0)
    assert f"we get error {poison} not-acceptable" in harness.log
    aside = harness.outbox.aside(PAIR.target)
    assert [f"id='{poison}'".encode() in each.raw for each in aside.result] == [True]
    stream = harness.opened()
    while harness.kept:
        stream.acknowledges(1)
    assert not [each for each in harness.log if "error" in each and each != f"we get error {poison} not-acceptable"]


def test_suspects_that_answers_show_to_be_read_wait_for_no_grace(harness: KeptRouteHarness) -> None:
    harness.send(*messages(*range(1, 201)))
    for _ in range(2):
        harness.opened(managed=False).breaks()
        harness.clock.advance(0)
    stream = harness.opened(managed=False)
    answers = 0
    while not any(each.id == "200" for each in stream.written):
        answered(harness, stream)
        answers += 1
    assert answers <= 20
    assert harness.kept == 200, "whether they are settled is another question"
    harness.pass_(3.1)
    answered(harness, stream)
    harness.pass_(3.1)
    assert harness.kept == 0


def test_what_was_read_before_a_break_is_not_suspect_but_goes_out_before_the_suspects(
    harness: KeptRouteHarness,
) -> None:
    harness.send(*messages(*range(1, 81)))
    stream = harness.opened(managed=False)
    answered(harness, stream)  # 1 to 32 are read
    for _ in range(2):
        stream.breaks()
        harness.clock.advance(0)
        harness.log.clear()
        stream = harness.opened(managed=False)
        while not any(each.id == "33" for each in stream.written):
            answered(harness, stream)
    sent = [each for each in harness.heard() if each.startswith("write")]
    assert sent == [
        "write 1",
        "write 2 3",
        "write 4 5 6 7",
        f"write {numbers(8, 15)}",
        f"write {numbers(16, 31)}",
        "write 32",
        "write 33",
    ]
    stream.breaks()
    assert "we get error 33 not-acceptable" in harness.log


@pytest.mark.parametrize("poison", [1, 5])
def test_so_is_one_over_which_a_stream_breaks_each_time_it_is_resumed(harness: KeptRouteHarness, poison: int) -> None:
    harness.send(*messages(*range(1, 11)))
    is_resumed = False
    for _ in range(3):
        stream = harness.opened(resumed=is_resumed)
        headway = Headway.IN_VAIN
        while all(each.id != str(poison) for each in stream.written):
            stream.acknowledges(len(stream.written))
            headway = Headway.LED_ON
        stream.breaks(resuming=True, headway=headway)
        assert stream.user is not None
        stream.user.take_back(stream.written)
        is_resumed = True
        harness.clock.advance(0)
    assert harness.log.count(f"we get error {poison} not-acceptable") == 1
    stream = harness.opened(resumed=True)
    while stream.written:
        stream.acknowledges(len(stream.written))
    assert harness.kept == 0
    assert not [each for each in harness.log if "error" in each and each != f"we get error {poison} not-acceptable"]


def test_what_a_resumed_stream_turns_out_to_have_delivered_is_suspected_of_nothing(harness: KeptRouteHarness) -> None:
    harness.send(*messages(*range(1, 5)))
    for _ in range(5):
        stream = harness.opened(resumed=True)
        stream.breaks(resuming=True, headway=Headway.IN_VAIN)
        assert stream.user is not None
        stream.user.take_back([])
        harness.send(*messages(*range(1, 5)))
        harness.clock.advance(0)
    harness.opened(resumed=True)
    assert harness.heard() == ["open", *["write 1 2 3 4", "open"] * 5, "write 1 2 3 4"]


def test_the_end_of_the_process_bounces_nothing_that_is_kept(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1), ASKED.format(id=2))
    harness.route.close()
    assert harness.heard() == ["open", "we get error 2 remote-server-timeout"]
    assert harness.kept == 1


def test_what_an_earlier_process_kept_is_sent(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1, 2))
    later = KeptRouteHarness(outbox=harness.outbox)
    later.route.wake()
    later.opened()
    assert later.heard() == ["open", "write 1 2"]


def left_behind(harness: KeptRouteHarness, *ids: int) -> None:
    """Another node has left these, and they are in our outbox now."""
    raws = [MESSAGE.format(id=each).encode() for each in ids]
    when = START + harness.clock.seconds()
    put = harness.outbox.put(PAIR, raws, accepted=when, expires=when + 3600)
    put.addCallback(lambda _: harness.route.learn())


def test_what_another_node_has_left_goes_out_on_a_stream_that_is_open(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    stream = harness.opened()
    harness.send(*messages(2))
    left_behind(harness, 3, 4)
    harness.send(*messages(5))
    assert harness.heard() == ["open", "write 1", "write 2", "write 3 4", "write 5"]
    stream.acknowledges(5)
    assert harness.kept == 0
    left_behind(harness, 6)
    assert harness.heard() == ["write 6"]


def test_what_another_node_has_left_opens_a_stream(harness: KeptRouteHarness) -> None:
    left_behind(harness, 1, 2)
    harness.opened()
    assert harness.heard() == ["open", "write 1 2"]


def test_what_another_node_has_left_is_not_passed_over_by_what_is_put_after_it() -> None:
    harness = KeptRouteHarness(ALL)
    harness.send(*messages(1))
    stream = harness.opened()
    stream.acknowledges(1)
    left_behind(harness, 2)
    harness.send(*messages(3))
    stream.acknowledges(1)
    stream.acknowledges(1)
    assert harness.heard() == ["open", "write 1", "write 2", "write 3"]
    assert harness.kept == 0


def test_what_waited_says_so_and_the_second_time_in_the_same_bytes(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    harness.refused()
    harness.pass_(16)
    first = harness.opened()
    assert b"urn:xmpp:delay" in first.written[0].raw
    sent = first.written[0].raw
    first.breaks()
    second = harness.opened()
    assert second.written[0].raw == sent


def test_what_was_sent_without_a_stamp_has_none_the_second_time(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    first = harness.opened()
    sent = first.written[0].raw
    first.breaks()
    harness.pass_(20)
    second = harness.opened()
    assert second.written[0].raw == sent


def test_an_outbox_that_takes_nothing_leaves_stanzas_in_memory(harness: KeptRouteHarness) -> None:
    harness.outbox.condition = Condition.DISK_FULL
    harness.send(*messages(1))
    harness.refused()
    assert harness.heard() == ["open", "we get error 1 remote-server-timeout"]


def test_an_outbox_that_takes_nothing_more_refuses_what_would_overtake(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    harness.outbox.condition = Condition.IO_ERROR
    harness.send(*messages(2))
    assert harness.heard() == ["open", "we get error 2 resource-constraint"]


def test_with_all_a_stanza_is_kept_before_it_is_sent() -> None:
    harness = KeptRouteHarness(ALL)
    harness.send(*messages(1))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.send(*messages(2))
    assert harness.kept == 1
    assert harness.heard()[-1] == "write 2"
    stream.acknowledges(1)
    assert harness.kept == 0


def test_a_sign_of_life_sends_what_waits(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    harness.refused()
    harness.heard()
    harness.route.retry()
    harness.opened()
    assert harness.heard() == ["open", "write 1"]


class SlowReader(MemoryOutbox):
    """An outbox whose pages come when the test says so."""

    def __init__(self) -> None:
        super().__init__(limits=OutboxLimits())
        self.reading: list[Deferred[None]] = []

    def page(self, *args: object, **how: object) -> Deferred[tuple[KeptStanza, ...]]:  # type: ignore[override]
        done: Deferred[None] = Deferred()
        self.reading.append(done)
        return super().page(*args, **how).addCallback(lambda page: done.addCallback(lambda _: page))  # type: ignore[arg-type]


def test_what_comes_while_a_page_is_being_read_goes_behind_it() -> None:
    outbox = SlowReader()
    harness = KeptRouteHarness(ALL, outbox)
    harness.send(*messages(1, 2))
    harness.opened()
    harness.send(*messages(3))
    outbox.reading[0].callback(None)
    for reading in outbox.reading[1:]:
        reading.callback(None)
    assert harness.heard() == ["open", "write 1 2", "write 3"]


class SlowOutbox(MemoryOutbox):
    """An outbox whose transactions end when the test says so."""

    def __init__(self) -> None:
        super().__init__(limits=OutboxLimits())
        self.under_way: list[Deferred[None]] = []

    def put(self, *args: object, **how: object) -> Deferred[Sequence[int]]:  # type: ignore[override]
        done: Deferred[None] = Deferred()
        self.under_way.append(done)
        return super().put(*args, **how).addCallback(lambda numbers: done.addCallback(lambda _: numbers))  # type: ignore[arg-type]


def test_what_is_being_put_is_not_safe_until_it_is_committed() -> None:
    outbox = SlowOutbox()
    harness = KeptRouteHarness(outbox=outbox)
    assert harness.keeper.unsafe() is None
    harness.send(*messages(1))
    first = harness.keeper.unsafe()
    harness.send(*messages(2))
    second = harness.keeper.unsafe()
    assert first is not None
    assert second is not None
    outbox.under_way[0].callback(None)
    assert first.called
    assert not second.called
    outbox.under_way[1].callback(None)
    assert second.called
    assert harness.keeper.unsafe() is None


class LateOutbox(MemoryOutbox):
    """An outbox that refuses one put while another is being written."""

    def __init__(self) -> None:
        super().__init__(limits=OutboxLimits(pair_stanzas=1))
        self.under_way: list[Deferred[None]] = []

    def put(self, *args: object, **how: object) -> Deferred[Sequence[int]]:  # type: ignore[override]
        kept = super().put(*args, **how)  # type: ignore[arg-type]
        if isinstance(kept.result, Failure):
            return kept
        self.under_way.append(Deferred())
        return kept.addCallback(lambda numbers: self.under_way[-1].addCallback(lambda _: numbers))


def test_a_refusal_makes_nothing_safe_that_was_put_before_it() -> None:
    outbox = LateOutbox()
    harness = KeptRouteHarness(outbox=outbox)
    harness.send(*messages(1))
    first = harness.keeper.unsafe()
    harness.send(*messages(2))
    assert first is not None
    assert "we get error 2 resource-constraint" in harness.heard()
    assert not first.called
    outbox.under_way[0].callback(None)
    assert first.called


# What is not kept has its place in the order as well.


def test_a_request_goes_out_after_what_was_sent_before_it(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1))
    harness.send(ASKED.format(id=2))
    harness.send(*messages(3))
    harness.opened()
    assert harness.heard() == ["open", "write 1", "write 2", "write 3"]


def test_a_request_waits_for_the_pages_before_it_and_for_none_behind_it() -> None:
    outbox = SlowReader()
    harness = KeptRouteHarness(outbox=outbox)
    harness.send(*messages(1, 2))
    harness.opened()
    harness.send(ASKED.format(id=3))
    harness.send(*messages(4))
    assert harness.heard() == ["open"]
    for _ in range(3):
        for reading in [each for each in outbox.reading if not each.called]:
            reading.callback(None)
    assert harness.heard() == ["write 1 2", "write 3", "write 4"]


def test_a_request_waits_no_longer_than_for_a_stream() -> None:
    outbox = SlowReader()
    harness = KeptRouteHarness(outbox=outbox)
    harness.send(*messages(1))
    harness.opened()
    harness.send(ASKED.format(id=2))
    harness.pass_(KEPT.keep.patience - 1)
    assert harness.heard() == ["open"]
    harness.pass_(1)
    assert harness.heard() == ["we get error 2 remote-server-timeout"]
    for reading in outbox.reading:
        reading.callback(None)
    assert harness.heard() == ["write 1"]


def test_a_request_waits_for_no_window_of_what_is_behind_it(harness: KeptRouteHarness) -> None:
    harness.send(*messages(1, 2, 3))
    harness.opened().breaks()
    harness.heard()
    stream = harness.opened()
    assert harness.heard() == ["write 1"]
    harness.send(ASKED.format(id=4))
    stream.acknowledges(1)
    assert harness.heard() == ["write 2 3", "write 4"], "it needs no acknowledgement of what was before it"


def test_with_all_a_request_does_not_overtake_what_is_being_put() -> None:
    outbox = SlowOutbox()
    harness = KeptRouteHarness(ALL, outbox)
    harness.send(*messages(1))
    harness.opened()
    outbox.under_way[0].callback(None)
    harness.heard()
    harness.send(*messages(2))
    harness.send(ASKED.format(id=3))
    assert harness.heard() == []
    outbox.under_way[1].callback(None)
    assert harness.heard() == ["write 2", "write 3"]


def test_what_is_held_lets_requests_pass(harness: KeptRouteHarness) -> None:
    harness.opened_with_hold()
    harness.send(*messages(1))
    harness.send(ASKED.format(id=2))
    assert harness.heard()[-1] == "write 2"
    assert harness.kept == 1


# An open stream that takes its stanzas slowly.


def full(harness: KeptRouteHarness) -> Stream:
    """A stream that has been used, and has no room left."""
    harness.send(*messages(1))
    stream = harness.opened()
    stream.acknowledges(1)
    harness.heard()
    stream.full = Deferred()
    return stream


def has_room(stream: Stream) -> None:
    """The stream has room again."""
    waiting, stream.full = stream.full, None
    assert waiting is not None
    waiting.callback(None)


def test_what_cannot_be_written_is_kept_within_fifty_milliseconds(harness: KeptRouteHarness) -> None:
    stream = full(harness)
    for step in range(50):
        harness.send(*messages(step))
        harness.clock.advance(0.001)
        kept = {each.raw for each in harness.outbox.page(PAIR).result}
        assert len(kept) >= step - 50 + 1, "older ones are on the disk"
    harness.clock.advance(0.05)
    assert harness.kept == 50
    has_room(stream)
    assert " ".join(each.removeprefix("write ") for each in harness.heard()) == " ".join(map(str, range(50)))


def test_each_stanza_is_kept_within_fifty_milliseconds_of_its_coming(harness: KeptRouteHarness) -> None:
    full(harness)
    came: list[float] = []
    for step in range(200):
        if step < 150:
            harness.send(*messages(step))
            came.append(harness.clock.seconds())
        harness.clock.advance(0.001)
        older = [when for when in came if harness.clock.seconds() - when > 0.05]
        assert harness.kept >= len(older)


def test_what_waits_for_a_moment_only_never_reaches_the_disk(harness: KeptRouteHarness) -> None:
    stream = full(harness)
    for number in range(50):
        harness.send(*messages(number))
        harness.clock.advance(OVERDUE_SECONDS / 3)
        has_room(stream)
        stream.full = Deferred()
    assert harness.outbox.stanzas == 0
    assert harness.keeper.counts["kept"] == 1, "the first one, before there was a stream"


def test_a_request_keeps_its_place_among_what_is_kept_so(harness: KeptRouteHarness) -> None:
    stream = full(harness)
    harness.send(*messages(1), ASKED.format(id=2), *messages(3))
    harness.clock.advance(OVERDUE_SECONDS)
    harness.clock.advance(OVERDUE_SECONDS)
    assert harness.kept == 2
    has_room(stream)
    assert harness.heard() == ["write 1", "write 2", "write 3"]


def test_who_sends_more_than_a_megabyte_to_a_slow_stream_waits_as_before(harness: KeptRouteHarness) -> None:
    long = messages(1)[0].replace("Hi", "Hi" * 50_000)
    stream = full(harness)
    waits = []
    for _ in range(12):
        waits.append(harness.send(long))
        harness.clock.advance(OVERDUE_SECONDS)
    assert waits[5] is None
    assert waits[-1] is not None
    assert not waits[-1].called
    assert harness.kept == 12
    has_room(stream)
    assert waits[-1].called


def test_when_all_has_been_written_nothing_goes_over_the_disk_any_more(harness: KeptRouteHarness) -> None:
    stream = full(harness)
    harness.send(*messages(1))
    harness.clock.advance(OVERDUE_SECONDS)
    harness.clock.advance(OVERDUE_SECONDS)
    has_room(stream)
    stream.acknowledges(1)
    assert harness.route.disposition is Disposition.SENDING
    harness.send(*messages(2))
    assert harness.heard() == ["write 1", "write 2"]
    assert harness.kept == 0
