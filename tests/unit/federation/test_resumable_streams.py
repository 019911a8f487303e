"""Streams that broke: what is sent again, when, and who waits until then."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.federation.delivery import DeliveryFailed
from gateway.federation.resumable_streams import ATTEMPT_SECONDS, PAUSES, RESUME_SECONDS, BrokenStream, BrokenStreams
from gateway.stream.acknowledgements import Acknowledgements
from gateway.stream.facts import Resumable
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

PAIR = DomainPair(Domain("capulet.test"), Domain("montague.test"))
SECOND = DomainPair(Domain("nurse.test"), PAIR.target)


def message(number: int, pair: DomainPair = PAIR) -> Stanza:
    return stanza(f"<message id='{number}' from='{pair.sender}' to='{pair.target}'/>")


class World:
    """What happens, in order: attempts to reopen, stanzas given back by their ids, and who may go on."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log: list[str] = []
        self.attempts: list[Deferred[object]] = []
        self.keeping: Deferred[None] | None = None
        self.streams = BrokenStreams(self.clock, self.reopen, lambda: self.keeping)

    def reopen(self, broken: BrokenStream) -> Deferred[object]:
        self.log.append(f"reopen at {self.clock.seconds():g}")
        self.attempts.append(Deferred(lambda attempt: attempt.errback(DeliveryFailed("cancelled"))))
        return self.attempts[-1]

    def broken(self, *stanzas: Stanza, is_ours: bool = True, bidirectional: bool = False) -> BrokenStream:
        """A stream on which these were sent, by the routes of two pairs."""
        acknowledgements: Acknowledgements[Stanza] = Acknowledgements()
        acknowledgements.handled(5)
        acknowledgements.add(stanzas, 1)
        routes = {PAIR: self.take_back, SECOND: self.take_back}
        return BrokenStream(PAIR, "mantua", acknowledgements, routes, is_ours=is_ours, bidirectional=bidirectional)

    def breaks(self, broken: BrokenStream) -> None:
        self.streams.expect(broken)
        self.clock.advance(0)

    def take_back(self, stanzas: Sequence[Stanza]) -> None:
        if stanzas:
            self.log.append("back " + " ".join(str(each.id) for each in stanzas))

    def wait(self, pair: DomainPair = PAIR) -> Deferred[None]:
        """Somebody wants to send."""
        wait = self.streams.outcome(pair)
        assert wait is not None
        self.clock.advance(0)
        return wait.addCallback(lambda _: self.log.append("on"))

    def fail(self) -> None:
        self.attempts[-1].errback(DeliveryFailed("refused"))


@pytest.fixture
def world() -> World:
    return World()


def test_a_stream_is_resumed_by_its_id_and_what_we_have_handled(world: World) -> None:
    assert world.broken().resumable == Resumable(id="mantua", h=5)


def test_what_was_handled_is_not_sent_again_and_the_rest_before_anything_newer(world: World) -> None:
    broken = world.broken(message(1), message(2, SECOND), message(3), message(4, SECOND), message(5))
    world.breaks(broken)
    world.wait()
    broken.settle(2)
    world.attempts[-1].callback(None)
    assert world.log == ["reopen at 0", "back 3 5", "back 4", "on"]


def test_when_it_cannot_be_resumed_everything_is_sent_again(world: World) -> None:
    world.breaks(world.broken(message(1), message(2)))
    world.wait()
    world.attempts[-1].callback(None)  # a stream, on which nothing was said about the old one
    assert world.log == ["reopen at 0", "back 1 2", "on"]


def test_an_h_that_cannot_be_is_none(world: World) -> None:
    world.broken(message(1), message(2)).settle(3)
    assert world.log == ["back 1 2"]


def test_it_is_tried_several_times_with_pauses(world: World) -> None:
    world.breaks(world.broken(message(1)))
    for pause in PAUSES[1:]:
        world.fail()
        world.clock.advance(pause)
    assert world.log == [f"reopen at {sum(PAUSES[: tries + 1]):g}" for tries in range(len(PAUSES))]
    world.fail()
    assert world.log[-1] == "back 1"
    assert (len(world.streams), world.clock.getDelayedCalls()) == (0, [])


def test_an_attempt_that_hangs_is_not_the_last(world: World) -> None:
    world.breaks(world.broken(message(1)))
    world.clock.advance(ATTEMPT_SECONDS)
    world.clock.advance(PAUSES[1])
    assert world.log == ["reopen at 0", f"reopen at {ATTEMPT_SECONDS + PAUSES[1]:g}"]
    world.attempts[-1].callback(None)
    assert world.log[2:] == ["back 1"]
    assert world.clock.getDelayedCalls() == []


def test_when_the_other_side_has_come_it_is_tried_at_once(world: World) -> None:
    world.breaks(world.broken(message(1)))
    for pause in PAUSES[1:4]:
        world.fail()
        world.clock.advance(pause)
    world.fail()
    world.log.clear()
    world.streams.hurry(PAIR.sender)
    world.clock.advance(0)
    assert world.log == []
    world.streams.hurry(PAIR.target)
    world.streams.hurry(PAIR.target)
    world.clock.advance(0)
    assert world.log == [f"reopen at {sum(PAUSES[:4]):g}"]
    world.streams.hurry(PAIR.target)  # it is being tried
    world.attempts[-1].callback(None)
    world.streams.hurry(PAIR.target)
    assert world.log[1:] == ["back 1"]
    assert world.clock.getDelayedCalls() == []


def test_when_time_is_up_the_attempt_ends_and_things_go_on(world: World) -> None:
    world.breaks(world.broken(message(1)))
    world.wait()
    world.clock.advance(RESUME_SECONDS)
    assert world.log == ["reopen at 0", "back 1", "on"]
    assert world.attempts[-1].called
    world.clock.advance(100)
    assert (len(world.log), world.clock.getDelayedCalls()) == (3, [])


def test_a_stream_of_which_nothing_is_missing_is_resumed_when_somebody_wants_to_send(world: World) -> None:
    world.breaks(world.broken())
    assert world.log == []
    world.wait()
    world.wait()
    assert world.log == ["reopen at 0"]


def test_or_forgotten(world: World) -> None:
    world.breaks(world.broken())
    world.clock.advance(RESUME_SECONDS)
    assert world.streams.outcome(PAIR) is None
    assert (world.log, len(world.streams)) == ([], 0)


def test_the_other_side_may_have_something_for_us_on_a_stream_in_both_directions(world: World) -> None:
    world.breaks(world.broken(bidirectional=True))
    assert world.log == ["reopen at 0"]


def test_a_stream_of_the_other_side_is_resumed_by_the_other_side(world: World) -> None:
    world.breaks(world.broken(message(1), message(2), is_ours=False, bidirectional=True))
    world.wait()
    world.streams.settle("mantua", 1)
    assert world.log == ["back 2"]
    world.streams.resumed("mantua")
    assert world.log == ["back 2", "on"]
    assert (len(world.streams), world.clock.getDelayedCalls()) == (0, [])


@pytest.mark.parametrize("is_ours", [False, True])
def test_or_it_has_forgotten_it_and_begins_a_new_one(world: World, is_ours: bool) -> None:
    world.breaks(world.broken(message(1), is_ours=is_ours, bidirectional=True))
    world.streams.forgotten(SECOND)
    assert len(world.streams) == 1
    world.streams.forgotten(PAIR)
    assert len(world.streams) == is_ours
    assert ("back 1" in world.log) != is_ours


def test_or_never(world: World) -> None:
    world.breaks(world.broken(message(1), is_ours=False, bidirectional=True))
    world.wait()
    world.clock.advance(RESUME_SECONDS)
    assert world.log == ["back 1", "on"]
    world.streams.settle("mantua", 1)
    world.streams.resumed("mantua")
    assert len(world.log) == 2


def test_pairs_that_were_not_on_it_do_not_wait(world: World) -> None:
    world.breaks(world.broken(message(1)))
    assert world.streams.outcome(PAIR.reversed()) is None


def test_who_waits_no_longer_is_left_out(world: World) -> None:
    world.breaks(world.broken(message(1)))
    wait = world.wait()
    failures: list[str] = []
    wait.addErrback(lambda failure: failures.append(failure.trap(DeliveryFailed).__name__))
    wait.cancel()
    assert failures == ["DeliveryFailed"]
    world.attempts[-1].callback(None)
    assert world.log == ["reopen at 0", "back 1"]


def test_at_shutdown_nothing_is_waited_for(world: World) -> None:
    world.breaks(world.broken(message(1)))
    world.streams.stop()
    assert world.log == ["reopen at 0", "back 1"]
    world.breaks(world.broken(message(2)))
    assert world.log[2:] == ["back 2"]
    assert world.clock.getDelayedCalls() == []


def test_what_came_is_kept_before_the_other_side_is_told_how_much_was_handled(world: World) -> None:
    keeping = world.keeping = Deferred()
    world.breaks(world.broken(message(1)))
    assert world.log == []
    world.keeping = None
    keeping.callback(None)
    assert world.log == ["reopen at 0"]
