"""Stanzas on their way to one place."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.routing.outflow import Doubt, Lately, Outflow, OutflowBounds, QueueSpace
from gateway.xmpp.stanzas import Stanza

BOUNDS = OutflowBounds(wait_above=100, most_bytes=400, most_stanzas=5)


class Stream:
    """A channel that takes `room_for` bytes before it needs a pause."""

    def __init__(self, room_for: int = 1 << 30) -> None:
        self.took: list[str] = []
        self._room_for = room_for
        self._wait: Deferred[None] | None = None

    @property
    def has_room(self) -> bool:
        return self._room_for > 0

    def send(self, batch: Sequence[Stanza]) -> None:
        assert self.has_room
        self._room_for -= sum(len(stanza.raw) for stanza in batch)
        self.took.extend(str(stanza.id) for stanza in batch)

    def room(self) -> Deferred[None] | None:
        if self.has_room:
            return None
        self._wait = Deferred()
        return self._wait

    def drained(self, room_for: int = 1 << 30) -> None:
        """The other side has read everything."""
        self._room_for = room_for
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.callback(None)


def stanza(number: int, size: int = 20) -> Stanza:
    return Stanza("message", b"x" * size, None, None, None, str(number))


def outflow(space: int = 1000) -> Outflow:
    return Outflow(BOUNDS, QueueSpace(space, each=0), Clock())


def deliver(out: Outflow, *stanzas: Stanza) -> list[bool]:
    """As routes do it: True for each that was taken."""
    taken = []
    for each in stanzas:
        if out.flows:
            out.add(each)
            taken.append(True)
        else:
            taken.append(out.enqueue(each))
    return taken


def numbers(*between: int) -> list[str]:
    return [str(number) for number in range(*between)]


def test_a_batch_is_written_by_the_flush() -> None:
    out, stream = outflow(), Stream()
    out.open(stream)
    deliver(out, stanza(1), stanza(2))
    assert stream.took == []
    assert out.flush() is None
    assert stream.took == ["1", "2"]


def test_without_a_channel_stanzas_wait_and_nobody_is_stopped() -> None:
    out, stream = outflow(), Stream()
    deliver(out, stanza(1, 90), stanza(2, 90))
    assert out.flush() is None
    out.open(stream)
    assert (stream.took, len(out), out.waiting_bytes) == (["1", "2"], 0, 0)


def test_without_a_channel_stanzas_are_counted() -> None:
    assert deliver(outflow(), *map(stanza, range(6))) == [True] * 5 + [False]


def test_a_channel_without_room_is_not_written_to() -> None:
    out, stream = outflow(), Stream(room_for=40)
    out.open(stream)
    for number in range(4):
        deliver(out, stanza(number))
        assert out.flush() is None
    assert (stream.took, len(out)) == (["0", "1"], 2)
    stream.drained()
    assert (stream.took, len(out)) == (numbers(4), 0)
    deliver(out, stanza(4))
    out.flush()
    assert stream.took == numbers(5)


def test_senders_wait_when_much_waits_and_go_on_when_half_is_gone() -> None:
    out, stream = outflow(), Stream(room_for=1)
    out.open(stream)
    deliver(out, stanza(0))
    out.flush()
    deliver(out, stanza(1, 100))
    assert out.flush() is None
    deliver(out, stanza(2, 1))
    wait = out.flush()
    assert wait is not None
    assert not wait.called
    stream.drained()
    assert wait.called


def test_many_senders_go_on_in_turns_and_no_more_at_once_than_there_is_room_for() -> None:
    """Else a hundred who send at full speed would be too many again each time."""
    clock, read = Clock(), 65536
    out = Outflow(OutflowBounds(wait_above=3 * read, most_bytes=100 * read), QueueSpace(1 << 30), clock)
    stream = Stream(room_for=1)
    out.open(stream)
    deliver(out, stanza(0))
    out.flush()
    waits = []
    for number in range(1, 100):
        assert deliver(out, stanza(number, read)) == [True]
        if (wait := out.flush()) is not None:
            waits.append(wait)
    assert len(waits) == 96
    stream.drained()
    assert [wait.called for wait in waits] == [True] * 3 + [False] * 93


def test_who_waits_has_a_turn_also_when_nobody_else_sends() -> None:
    clock = Clock()
    out, stream = Outflow(BOUNDS, QueueSpace(10_000), clock), Stream(room_for=1)
    out.open(stream)
    deliver(out, stanza(0))
    out.flush()
    deliver(out, stanza(1, 101))
    waits = [out.flush() for _ in range(10)]
    stream.drained()
    clock.advance(0)
    assert all(wait is not None and wait.called for wait in waits)


def test_who_does_not_wait_is_refused_when_too_much_waits() -> None:
    out, stream = outflow(), Stream(room_for=1)
    out.open(stream)
    deliver(out, stanza(0))
    out.flush()
    assert deliver(out, stanza(1)) == [True]
    out.flush()
    assert deliver(out, *[stanza(2, 100)] * 5) == [True] * 3 + [False] * 2
    assert deliver(out, stanza(3)) == [True]


def test_all_outflows_share_the_space() -> None:
    space = QueueSpace(50, each=0)
    one, other = Outflow(BOUNDS, space, Clock()), Outflow(BOUNDS, space, Clock())
    assert deliver(one, stanza(1), stanza(2)) == [True, True]
    assert deliver(other, stanza(3)) == [False]
    one.take_all()
    assert deliver(other, stanza(3)) == [True]


def test_small_stanzas_take_more_space_than_their_bytes() -> None:
    out = Outflow(OutflowBounds(), QueueSpace(10_000), Clock())
    taken = deliver(out, *[stanza(number, 100) for number in range(100)]).count(True)
    assert 10 < taken < 20


def test_all_space_is_given_back_however_it_was_taken() -> None:
    space = QueueSpace(100_000)
    out, stream = Outflow(BOUNDS, space, Clock()), Stream(room_for=1)
    deliver(out, stanza(1), stanza(2))
    out.put_first([stanza(0)])
    out.open(stream)
    deliver(out, stanza(3))
    out.flush()
    assert space.left < 100_000
    out.shut()
    assert len(out.take_all()) == 1
    assert space.left == 100_000


def test_what_waits_can_be_taken_back_once_and_frees_who_waits() -> None:
    out, stream = outflow(), Stream(room_for=1)
    out.open(stream)
    deliver(out, stanza(0))
    out.flush()
    deliver(out, *(stanza(number, 60) for number in range(1, 4)))
    wait = out.flush()
    assert wait is not None
    assert [each.id for each in out.take_all()] == numbers(1, 4)
    assert wait.called
    assert (out.take_all(), out.waiting_bytes) == ([], 0)


def test_a_lost_channel_keeps_what_was_not_written_and_frees_who_waits() -> None:
    out, first, second = outflow(), Stream(room_for=1), Stream()
    out.open(first)
    deliver(out, stanza(0))
    out.flush()
    deliver(out, *(stanza(number, 60) for number in range(1, 4)))
    wait = out.flush()
    deliver(out, stanza(4))
    out.shut()
    assert wait is not None
    assert wait.called
    first.drained()  # room on a stream that is gone means nothing
    assert (first.took, len(out)) == (["0"], 4)
    out.open(second)
    assert second.took == numbers(1, 5)


def test_a_batch_that_was_not_flushed_survives_its_channel() -> None:
    out, stream = outflow(), Stream()
    out.open(Stream())
    deliver(out, stanza(1))
    out.shut()
    out.open(stream)
    assert stream.took == ["1"]


def test_what_has_to_be_sent_again_goes_first() -> None:
    out, stream = outflow(), Stream()
    deliver(out, stanza(3))
    out.put_first([stanza(1), stanza(2)])
    out.open(stream)
    assert stream.took == ["1", "2", "3"]


def test_what_has_to_be_sent_again_overtakes_the_batch_on_an_open_channel() -> None:
    out, stream = outflow(), Stream(room_for=1)
    out.open(stream)
    deliver(out, stanza(0))
    out.flush()
    stream.drained(room_for=1)
    out.put_first([stanza(1)])
    deliver(out, stanza(3))
    out.put_first([stanza(2)])
    deliver(out, stanza(4))
    out.flush()
    stream.drained()
    assert stream.took == ["0", "1", "2", "3", "4"]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(1, 60)),
        st.tuples(st.sampled_from(["flush", "drain", "open", "shut"]), st.integers(1, 100)),
    ),
    max_size=60,
)


@given(steps)
def test_every_stanza_is_refused_or_written_once_in_order(plan: list[tuple[str, int]]) -> None:
    space = QueueSpace(1000, each=0)
    out = Outflow(BOUNDS, space, Clock())
    streams: list[Stream] = []
    accepted: list[str] = []
    for number, (step, size) in enumerate(plan):
        if step == "deliver" and all(deliver(out, stanza(number, size))):
            accepted.append(str(number))
        elif step == "flush":
            out.flush()
        elif step == "drain" and streams:
            streams[-1].drained(size)
        elif step == "shut":
            out.shut()
        elif step == "open":
            out.shut()
            streams.append(Stream(size))
            out.open(streams[-1])
    out.shut()
    streams.append(Stream())
    out.open(streams[-1])
    assert [number for stream in streams for number in stream.took] == accepted
    assert (out.waiting_bytes, space.take(1000), space.take(1)) == (0, True, False)


# What was written lately.


def test_what_was_written_lately_is_in_doubt() -> None:
    lately = Lately(seconds=60)
    lately.add(5, now=0)
    lately.add(1, now=70)
    lately.add(2, now=100)
    assert lately.take(110, stuck=False) == Doubt(count=3, seconds=40)
    assert lately.take(110, stuck=False) == Doubt()


def test_what_was_written_before_it_was_stuck_is_in_doubt_too() -> None:
    lately = Lately(seconds=60)
    lately.add(5, now=0)
    lately.add(1, now=40)
    assert lately.take(100, stuck=True) == Doubt(count=6, seconds=100)


def test_however_much_is_written_what_is_remembered_is_counted_by_the_second() -> None:
    lately = Lately(seconds=60)
    for tick in range(100_000):
        lately.add(1, now=tick / 1000)
    assert len(lately._written) <= 62
    assert lately.take(100, stuck=False).count >= 60_000
