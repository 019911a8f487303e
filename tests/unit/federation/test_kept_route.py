"""RemoteRoute with an outbox: what is kept while a domain is away, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.federation.delivery import NOT_THERE, OUT_OF_REACH, UNWILLING
from gateway.federation.route import RemoteRoute, RouteRules
from gateway.outbox.backlog import KeepRules
from gateway.outbox.conditions import Condition
from gateway.outbox.keeper import Keeper
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import KeptStanza, OutboxLimits
from gateway.routing.disposition import Disposition
from gateway.routing.outflow import OVERDUE_SECONDS
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import Stanza
from tests.unit.federation import test_route as plain
from tests.unit.federation.test_route import ASKED, PAIR, messages

KEPT = RouteRules(connect_seconds=30, queue_stanzas=5, answer_seconds=10, keep=KeepRules(level="waiting", hours=1))
ALL = RouteRules(connect_seconds=30, queue_stanzas=5, answer_seconds=10, keep=KeepRules(level="all", hours=1))
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

    def acknowledges(self, count: int) -> None:
        """The other side acknowledges so many more."""
        new, self.written = self.written[:count], self.written[count:]
        if self.told is not None:
            self.told(new)

    def breaks(self, **how: object) -> None:
        """It breaks, and gives back what was not acknowledged."""
        left = self.written if self.is_managed else []
        self.ends(returned={PAIR: left} if left and "in_doubt" not in how else {}, theirs=True, **how)


class KeptWorld(plain.World):
    """The same world with an outbox."""

    def __init__(self, rules: RouteRules = KEPT, outbox: MemoryOutbox | None = None) -> None:
        self.outbox = outbox or MemoryOutbox(limits=OutboxLimits())
        super().__init__(rules)

    def route_for(self, pair: DomainPair) -> RemoteRoute:
        if not hasattr(self, "keeper"):
            self.keeper = Keeper(self.clock, lambda: START + self.clock.seconds())
            self.keeper.outbox = self.outbox
        if pair not in self.routes:
            self.routes[pair] = RemoteRoute(
                pair,
                self._rules,
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
        """A stream stands, and then the operator holds the domain."""
        self.send(*messages(0))
        self.opened().acknowledges(1)
        self.keeper.held.add(PAIR.target)
        self.route.hold()

    def pass_(self, seconds: float) -> None:
        self.clock.pump([seconds])

    def heard(self) -> list[str]:
        """What has happened since the last time."""
        self.clock.advance(0)
        heard, self.log[:] = [each for each in self.log if "rests" not in each], []
        return heard

    @property
    def kept(self) -> int:
        return self.outbox.waiting(PAIR)


@pytest.fixture
def world() -> KeptWorld:
    return KeptWorld()


def test_what_cannot_be_written_is_kept_and_not_bounced(world: KeptWorld) -> None:
    world.send(*messages(1, 2))
    world.refused()
    assert world.kept == 2
    assert world.heard() == ["open"]
    assert world.route.disposition is Disposition.WAITING


def test_what_is_kept_goes_out_in_order_before_what_comes(world: KeptWorld) -> None:
    world.send(*messages(1, 2))
    world.refused()
    world.send(*messages(3))
    world.pass_(16)
    stream = world.opened()
    world.send(*messages(4))
    assert world.heard() == ["open", "open", "write 1 2 3", "write 4"]
    assert world.kept == 3, "a stream that has caught up needs no outbox"
    stream.acknowledges(3)
    assert world.kept == 0


def test_what_is_never_kept_is_bounced_as_ever(world: KeptWorld) -> None:
    world.send(*messages(1), ASKED.format(id=2))
    world.refused()
    assert world.heard() == ["open", "we get error 2 remote-server-timeout"]
    assert world.kept == 1


def test_of_subscriptions_only_the_newest_goes_out(world: KeptWorld) -> None:
    for type_ in ("subscribe", "unsubscribe", "subscribe"):
        world.send(PRESENCE.format(type=type_))
    world.refused()
    world.pass_(16)
    stream = world.opened()
    assert [each.type for each in stream.written] == ["subscribe"]


def test_a_domain_that_does_not_exist_bounces_what_is_new_at_once(world: KeptWorld) -> None:
    world.send(*messages(1))
    world.refused(NOT_THERE)
    assert world.heard() == ["open", "we get error 1 remote-server-not-found"]
    assert world.kept == 0
    world.send(*messages(2))
    assert world.heard() == ["we get error 2 remote-server-not-found"]


def test_what_was_kept_before_ends_with_the_second_definite_verdict_after_ten_minutes(world: KeptWorld) -> None:
    world.send(*messages(1))
    world.refused(OUT_OF_REACH)
    world.pass_(16)
    world.refused(UNWILLING)
    assert world.kept == 1
    for _ in range(30):
        world.pass_(100)
        if world.openings[-1].called:
            continue
        world.refused(UNWILLING)
        if not world.kept:
            break
    assert world.clock.seconds() >= 600
    assert world.heard()[-1] == "we get error 1 remote-server-timeout"
    assert world.kept == 0


def test_without_acknowledgements_a_ping_and_three_seconds_settle(world: KeptWorld) -> None:
    world.send(*messages(1))
    stream = world.opened(managed=False)
    assert world.heard() == ["open", "write 1", "ping"]
    ping = stream.written[-1]
    world.send(
        f"<iq type='error' id='{ping.id}' from='far.test' to='{ping.from_}'/>".replace(
            "/>", "><ping xmlns='urn:xmpp:ping'/></iq>"
        )
    )
    assert world.kept == 1
    world.pass_(2.9)
    assert world.kept == 1
    world.pass_(0.2)
    assert world.kept == 0
    assert world.heard() == [], "the answer is for nobody else"


def answered(world: KeptWorld, stream: Stream) -> None:
    """The other side has read what was written as far as the ping, and answers it."""
    at = next(place for place, each in enumerate(stream.written) if each.name == "iq")
    ping = stream.written[at]
    del stream.written[: at + 1]
    world.send(f"<iq type='result' id='{ping.id}' from='far.test' to='{ping.from_}'/>")


def numbers(first: int, last: int) -> str:
    return " ".join(map(str, range(first, last + 1)))


def test_no_more_than_a_window_is_in_flight(world: KeptWorld) -> None:
    world.send(*messages(*range(1, 201)))
    stream = world.opened()
    assert world.heard() == ["open", f"write {numbers(1, 32)}", f"write {numbers(33, 64)}"]
    stream.acknowledges(32)
    assert world.heard() == [f"write {numbers(65, 96)}"]
    stream.acknowledges(3)
    assert world.heard() == ["write 97 98 99"]


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
    world = KeptWorld(outbox=outbox)
    world.send(*messages(*range(1, 101)))
    kept = [each.number for each in outbox.page(PAIR).result]
    stream = world.opened(managed=False)
    assert world.heard() == ["open", f"write {numbers(1, 32)}", "ping", f"write {numbers(33, 64)}"]
    answered(world, stream)
    assert outbox.marked == [kept[31]]
    assert world.heard() == ["ping"], "a crash would still double all of them"
    outbox.committed[0].callback(None)
    assert world.heard() == [f"write {numbers(65, 96)}"]
    assert world.kept == 100, "the other side may yet lose what it has read"
    stream.breaks()
    assert outbox.marked == [kept[31], 0]
    world.opened(managed=False)
    assert world.heard() == ["open", "write 1", "ping"]


def test_what_was_read_needs_no_mark_while_there_is_room() -> None:
    outbox = MarkedOutbox()
    world = KeptWorld(outbox=outbox)
    world.send(*messages(1, 2, 3))
    answered(world, world.opened(managed=False))
    world.pass_(3.1)
    assert world.kept == 0
    assert outbox.marked == []


def test_a_peer_that_answers_no_ping_is_sent_all_that_waits(world: KeptWorld) -> None:
    world.send(*messages(*range(1, 201)))
    world.opened(managed=False)
    world.heard()
    world.pass_(66)
    assert world.heard()[-1] == f"write {numbers(193, 200)}"


def test_what_is_in_flight_when_the_stream_breaks_goes_out_again_one_then_two_then_four(world: KeptWorld) -> None:
    world.send(*messages(*range(1, 8)))
    world.opened().breaks()
    assert world.heard() == ["open", "write 1 2 3 4 5 6 7", "open"]
    stream = world.opened()
    stream.acknowledges(1)
    stream.acknowledges(2)
    stream.acknowledges(4)
    assert world.heard() == ["write 1", "write 2 3", "write 4 5 6 7"]
    assert world.kept == 0


def test_what_was_written_and_not_acknowledged_is_kept_when_the_stream_breaks(world: KeptWorld) -> None:
    world.send(*messages(1))
    stream = world.opened()
    stream.acknowledges(1)
    world.send(*messages(2, 3))
    assert world.kept == 0
    stream.breaks()
    world.send(*messages(4))
    world.refused()
    assert world.kept == 3
    world.heard()
    world.pass_(16)
    stream = world.opened()
    stream.acknowledges(1)
    stream.acknowledges(2)
    assert world.heard() == ["open", "write 2", "write 3 4"]


def test_a_resumed_stream_settles_what_arrived_and_sends_the_rest_before_what_came_meanwhile(world: KeptWorld) -> None:
    world.send(*messages(1))
    stream = world.opened()
    stream.acknowledges(1)
    world.send(*messages(2, 3))
    two, three = stream.written
    stream.breaks(in_doubt={PAIR: [two, three]}, resuming=True)
    world.send(*messages(4))
    assert world.kept == 3, "what is in doubt survives a crash"
    assert stream.user is not None
    stream.user.take_back([three])
    assert world.kept == 2
    world.heard()
    world.opened(resumed=True)
    assert world.heard() == ["write 3 4"]


@pytest.mark.parametrize("poison", [1, 5, 9])
@pytest.mark.parametrize("managed", [True, False])
def test_a_stanza_over_which_three_streams_break_is_answered_and_set_aside(
    world: KeptWorld, poison: int, managed: bool
) -> None:
    world.send(*messages(*range(1, 11)))
    for _ in range(3):
        stream = world.opened(managed=managed)
        while all(each.id != str(poison) for each in stream.written):
            if managed:
                stream.acknowledges(len(stream.written))
            else:
                answered(world, stream)
                world.pass_(3.1)
        stream.breaks()
        world.clock.advance(0)
    assert f"we get error {poison} not-acceptable" in world.log
    aside = world.outbox.aside(PAIR.target)
    assert [f"id='{poison}'".encode() in each.raw for each in aside.result] == [True]
    stream = world.opened()
    while world.kept:
        stream.acknowledges(1)
    assert not [each for each in world.log if "error" in each and each != f"we get error {poison} not-acceptable"]


def test_the_end_of_the_process_bounces_nothing_that_is_kept(world: KeptWorld) -> None:
    world.send(*messages(1), ASKED.format(id=2))
    world.route.close()
    assert world.heard() == ["open", "we get error 2 remote-server-timeout"]
    assert world.kept == 1


def test_what_an_earlier_process_kept_is_sent(world: KeptWorld) -> None:
    world.send(*messages(1, 2))
    later = KeptWorld(outbox=world.outbox)
    later.route.wake()
    later.opened()
    assert later.heard() == ["open", "write 1 2"]


def test_what_waited_says_so_and_the_second_time_in_the_same_bytes(world: KeptWorld) -> None:
    world.send(*messages(1))
    world.refused()
    world.pass_(16)
    first = world.opened()
    assert b"urn:xmpp:delay" in first.written[0].raw
    sent = first.written[0].raw
    first.breaks()
    second = world.opened()
    assert second.written[0].raw == sent


def test_what_was_sent_without_a_stamp_has_none_the_second_time(world: KeptWorld) -> None:
    world.send(*messages(1))
    first = world.opened()
    sent = first.written[0].raw
    first.breaks()
    world.pass_(20)
    second = world.opened()
    assert second.written[0].raw == sent


def test_an_outbox_that_takes_nothing_leaves_stanzas_in_memory(world: KeptWorld) -> None:
    world.outbox.condition = Condition.DISK_FULL
    world.send(*messages(1))
    world.refused()
    assert world.heard() == ["open", "we get error 1 remote-server-timeout"]


def test_an_outbox_that_takes_nothing_more_refuses_what_would_overtake(world: KeptWorld) -> None:
    world.send(*messages(1))
    world.outbox.condition = Condition.IO_ERROR
    world.send(*messages(2))
    assert world.heard() == ["open", "we get error 2 resource-constraint"]


def test_with_all_a_stanza_is_kept_before_it_is_sent() -> None:
    world = KeptWorld(ALL)
    world.send(*messages(1))
    stream = world.opened()
    stream.acknowledges(1)
    world.send(*messages(2))
    assert world.kept == 1
    assert world.heard()[-1] == "write 2"
    stream.acknowledges(1)
    assert world.kept == 0


def test_a_sign_of_life_sends_what_waits(world: KeptWorld) -> None:
    world.send(*messages(1))
    world.refused()
    world.heard()
    world.route.retry()
    world.opened()
    assert world.heard() == ["open", "write 1"]


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
    world = KeptWorld(ALL, outbox)
    world.send(*messages(1, 2))
    world.opened()
    world.send(*messages(3))
    outbox.reading[0].callback(None)
    for reading in outbox.reading[1:]:
        reading.callback(None)
    assert world.heard() == ["open", "write 1 2", "write 3"]


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
    world = KeptWorld(outbox=outbox)
    assert world.keeper.unsafe() is None
    world.send(*messages(1))
    first = world.keeper.unsafe()
    world.send(*messages(2))
    second = world.keeper.unsafe()
    assert first is not None
    assert second is not None
    outbox.under_way[0].callback(None)
    assert first.called
    assert not second.called
    outbox.under_way[1].callback(None)
    assert second.called
    assert world.keeper.unsafe() is None


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
    world = KeptWorld(outbox=outbox)
    world.send(*messages(1))
    first = world.keeper.unsafe()
    world.send(*messages(2))
    assert first is not None
    assert "we get error 2 resource-constraint" in world.heard()
    assert not first.called
    outbox.under_way[0].callback(None)
    assert first.called


# What is not kept has its place in the order as well.


def test_a_request_goes_out_after_what_was_sent_before_it(world: KeptWorld) -> None:
    world.send(*messages(1))
    world.send(ASKED.format(id=2))
    world.send(*messages(3))
    world.opened()
    assert world.heard() == ["open", "write 1", "write 2", "write 3"]


def test_a_request_waits_for_the_pages_before_it_and_for_none_behind_it() -> None:
    outbox = SlowReader()
    world = KeptWorld(outbox=outbox)
    world.send(*messages(1, 2))
    world.opened()
    world.send(ASKED.format(id=3))
    world.send(*messages(4))
    assert world.heard() == ["open"]
    for _ in range(3):
        for reading in [each for each in outbox.reading if not each.called]:
            reading.callback(None)
    assert world.heard() == ["write 1 2", "write 3", "write 4"]


def test_a_request_waits_no_longer_than_for_a_stream() -> None:
    outbox = SlowReader()
    world = KeptWorld(outbox=outbox)
    world.send(*messages(1))
    world.opened()
    world.send(ASKED.format(id=2))
    world.pass_(KEPT.keep.patience - 1)
    assert world.heard() == ["open"]
    world.pass_(1)
    assert world.heard() == ["we get error 2 remote-server-timeout"]
    for reading in outbox.reading:
        reading.callback(None)
    assert world.heard() == ["write 1"]


def test_a_request_waits_for_no_window_of_what_is_behind_it(world: KeptWorld) -> None:
    world.send(*messages(1, 2, 3))
    world.opened().breaks()
    world.heard()
    stream = world.opened()
    assert world.heard() == ["write 1"]
    world.send(ASKED.format(id=4))
    stream.acknowledges(1)
    assert world.heard() == ["write 2 3", "write 4"], "it needs no acknowledgement of what was before it"


def test_with_all_a_request_does_not_overtake_what_is_being_put() -> None:
    outbox = SlowOutbox()
    world = KeptWorld(ALL, outbox)
    world.send(*messages(1))
    world.opened()
    outbox.under_way[0].callback(None)
    world.heard()
    world.send(*messages(2))
    world.send(ASKED.format(id=3))
    assert world.heard() == []
    outbox.under_way[1].callback(None)
    assert world.heard() == ["write 2", "write 3"]


def test_what_is_held_lets_requests_pass(world: KeptWorld) -> None:
    world.opened_with_hold()
    world.send(*messages(1))
    world.send(ASKED.format(id=2))
    assert world.heard()[-1] == "write 2"
    assert world.kept == 1


# An open stream that takes its stanzas slowly.


def full(world: KeptWorld) -> Stream:
    """A stream that has been used, and has no room left."""
    world.send(*messages(1))
    stream = world.opened()
    stream.acknowledges(1)
    world.heard()
    stream.full = Deferred()
    return stream


def has_room(stream: Stream) -> None:
    """The stream has room again."""
    waiting, stream.full = stream.full, None
    assert waiting is not None
    waiting.callback(None)


def test_what_cannot_be_written_is_kept_within_fifty_milliseconds(world: KeptWorld) -> None:
    stream = full(world)
    for step in range(50):
        world.send(*messages(step))
        world.clock.advance(0.001)
        kept = {each.raw for each in world.outbox.page(PAIR).result}
        assert len(kept) >= step - 50 + 1, "older ones are on the disk"
    world.clock.advance(0.05)
    assert world.kept == 50
    has_room(stream)
    assert " ".join(each.removeprefix("write ") for each in world.heard()) == " ".join(map(str, range(50)))


def test_each_stanza_is_kept_within_fifty_milliseconds_of_its_coming(world: KeptWorld) -> None:
    full(world)
    came: list[float] = []
    for step in range(200):
        if step < 150:
            world.send(*messages(step))
            came.append(world.clock.seconds())
        world.clock.advance(0.001)
        older = [when for when in came if world.clock.seconds() - when > 0.05]
        assert world.kept >= len(older)


def test_what_waits_for_a_moment_only_never_reaches_the_disk(world: KeptWorld) -> None:
    stream = full(world)
    for number in range(50):
        world.send(*messages(number))
        world.clock.advance(OVERDUE_SECONDS / 3)
        has_room(stream)
        stream.full = Deferred()
    assert world.outbox.stanzas == 0
    assert world.keeper.counts["kept"] == 1, "the first one, before there was a stream"


def test_a_request_keeps_its_place_among_what_is_kept_so(world: KeptWorld) -> None:
    stream = full(world)
    world.send(*messages(1), ASKED.format(id=2), *messages(3))
    world.clock.advance(OVERDUE_SECONDS)
    world.clock.advance(OVERDUE_SECONDS)
    assert world.kept == 2
    has_room(stream)
    assert world.heard() == ["write 1", "write 2", "write 3"]


def test_who_sends_more_than_a_megabyte_to_a_slow_stream_waits_as_before(world: KeptWorld) -> None:
    long = messages(1)[0].replace("Hi", "Hi" * 50_000)
    stream = full(world)
    waits = []
    for _ in range(12):
        waits.append(world.send(long))
        world.clock.advance(OVERDUE_SECONDS)
    assert waits[5] is None
    assert waits[-1] is not None
    assert not waits[-1].called
    assert world.kept == 12
    has_room(stream)
    assert waits[-1].called


def test_when_all_has_been_written_nothing_goes_over_the_disk_any_more(world: KeptWorld) -> None:
    stream = full(world)
    world.send(*messages(1))
    world.clock.advance(OVERDUE_SECONDS)
    world.clock.advance(OVERDUE_SECONDS)
    has_room(stream)
    stream.acknowledges(1)
    assert world.route.disposition is Disposition.SENDING
    world.send(*messages(2))
    assert world.heard() == ["write 1", "write 2"]
    assert world.kept == 0
