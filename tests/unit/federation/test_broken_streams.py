"""Streams that broke: what is sent again, when, and who waits until then."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.federation.broken_streams import ATTEMPT_SECONDS, PAUSES, RESUME_SECONDS, BrokenStream, BrokenStreams
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.stream.acknowledgements import Acknowledgements
from gateway.stream.facts import Resumable, Role
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

PAIR = DomainPair(Domain("capulet.test"), Domain("montague.test"))
SECOND = DomainPair(Domain("nurse.test"), PAIR.target)


def message(number: int, pair: DomainPair = PAIR) -> Stanza:
    return stanza(f"<message id='{number}' from='{pair.sender}' to='{pair.target}'/>")


class ResumableHarness:
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

    def broken(
        self, *stanzas: Stanza, is_ours: bool = True, bidirectional: bool = False, in_vain: int = 0
    ) -> BrokenStream:
        """A stream on which these were sent, by the routes of two pairs."""
        acknowledgements: Acknowledgements[Stanza] = Acknowledgements()
        acknowledgements.handled(5)
        acknowledgements.add(stanzas, 1)
        routes = {PAIR: self.take_back, SECOND: self.take_back}
        role = Role.INITIATING if is_ours else Role.RECEIVING
        return BrokenStream(
            PAIR, "mantua", acknowledgements, routes, role=role, bidirectional=bidirectional, in_vain=in_vain
        )

    def breaks(self, broken: BrokenStream) -> None:
        self.streams.expect(broken)
        self.clock.advance(0)

    def take_back(self, stanzas: Sequence[Stanza], *, is_back: bool = True) -> None:
        self.is_back = is_back
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
def harness() -> ResumableHarness:
    return ResumableHarness()


def test_a_stream_is_resumed_by_its_id_and_what_we_have_handled(harness: ResumableHarness) -> None:
    assert harness.broken().resumable == Resumable(id="mantua", h=5)


def test_what_was_handled_is_not_sent_again_and_the_rest_before_anything_newer(harness: ResumableHarness) -> None:
    broken = harness.broken(message(1), message(2, SECOND), message(3), message(4, SECOND), message(5))
    harness.breaks(broken)
    harness.wait()
    broken.settle(2)
    harness.attempts[-1].callback(None)
    assert harness.log == ["reopen at 0", "back 3 5", "back 4", "on"]


def test_when_it_cannot_be_resumed_everything_is_sent_again(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1), message(2)))
    harness.wait()
    harness.attempts[-1].callback(None)  # a stream, on which nothing was said about the old one
    assert harness.log == ["reopen at 0", "back 1 2", "on"]


def test_what_is_given_back_says_whether_the_other_side_has_come_back(harness: ResumableHarness) -> None:
    for is_forgotten in (False, True):
        harness.breaks(harness.broken(message(1)))
        harness.wait()
        if is_forgotten:
            harness.attempts[-1].callback(None)
        else:
            harness.clock.advance(RESUME_SECONDS)
        assert harness.log[-2:] == ["back 1", "on"]
        assert harness.is_back is is_forgotten


def test_an_h_that_cannot_be_is_none(harness: ResumableHarness) -> None:
    harness.broken(message(1), message(2)).settle(3)
    assert harness.log == ["back 1 2"]


def test_it_is_tried_several_times_with_pauses(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1)))
    for pause in PAUSES[1:]:
        harness.fail()
        harness.clock.advance(pause)
    assert harness.log == [f"reopen at {sum(PAUSES[: tries + 1]):g}" for tries in range(len(PAUSES))]
    harness.fail()
    assert harness.log[-1] == "back 1"
    assert not harness.is_back
    assert (len(harness.streams), harness.clock.getDelayedCalls()) == (0, [])


@pytest.mark.parametrize(("in_vain", "seconds"), [(1, 0), (2, 0.5), (5, 4), (1000, 8)])
def test_each_connection_that_led_to_nothing_makes_the_next_one_wait_longer(
    harness: ResumableHarness, in_vain: int, seconds: float
) -> None:
    harness.breaks(harness.broken(message(1), in_vain=in_vain))
    harness.clock.advance(seconds)
    assert harness.log == [f"reopen at {seconds:g}"]
    harness.fail()
    harness.clock.advance(PAUSES[1])
    assert harness.log[1:] == [f"reopen at {seconds + PAUSES[1]:g}"]


def test_an_attempt_that_hangs_is_not_the_last(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1)))
    harness.clock.advance(ATTEMPT_SECONDS)
    harness.clock.advance(PAUSES[1])
    assert harness.log == ["reopen at 0", f"reopen at {ATTEMPT_SECONDS + PAUSES[1]:g}"]
    harness.attempts[-1].callback(None)
    assert harness.log[2:] == ["back 1"]
    assert harness.clock.getDelayedCalls() == []


def test_when_the_other_side_has_come_it_is_tried_at_once(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1)))
    for pause in PAUSES[1:4]:
        harness.fail()
        harness.clock.advance(pause)
    harness.fail()
    harness.log.clear()
    harness.streams.hurry(PAIR.sender)
    harness.clock.advance(0)
    assert harness.log == []
    harness.streams.hurry(PAIR.target)
    harness.streams.hurry(PAIR.target)
    harness.clock.advance(0)
    assert harness.log == [f"reopen at {sum(PAUSES[:4]):g}"]
    harness.streams.hurry(PAIR.target)  # it is being tried
    harness.attempts[-1].callback(None)
    harness.streams.hurry(PAIR.target)
    assert harness.log[1:] == ["back 1"]
    assert harness.clock.getDelayedCalls() == []


def test_when_time_is_up_the_attempt_ends_and_things_go_on(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1)))
    harness.wait()
    harness.clock.advance(RESUME_SECONDS)
    assert harness.log == ["reopen at 0", "back 1", "on"]
    assert harness.attempts[-1].called
    harness.clock.advance(100)
    assert (len(harness.log), harness.clock.getDelayedCalls()) == (3, [])


def test_a_stream_of_which_nothing_is_missing_is_resumed_when_somebody_wants_to_send(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken())
    assert harness.log == []
    harness.wait()
    harness.wait()
    assert harness.log == ["reopen at 0"]


def test_or_forgotten(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken())
    harness.clock.advance(RESUME_SECONDS)
    assert harness.streams.outcome(PAIR) is None
    assert (harness.log, len(harness.streams)) == ([], 0)


def test_the_other_side_may_have_something_for_us_on_a_stream_in_both_directions(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(bidirectional=True))
    assert harness.log == ["reopen at 0"]


def test_a_stream_of_the_other_side_is_resumed_by_the_other_side(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1), message(2), is_ours=False, bidirectional=True))
    harness.wait()
    harness.streams.settle("mantua", 1)
    assert harness.log == ["back 2"]
    harness.streams.resumed("mantua")
    assert harness.log == ["back 2", "on"]
    assert (len(harness.streams), harness.clock.getDelayedCalls()) == (0, [])


@pytest.mark.parametrize("is_ours", [False, True])
def test_or_it_has_forgotten_it_and_begins_a_new_one(harness: ResumableHarness, is_ours: bool) -> None:
    harness.breaks(harness.broken(message(1), is_ours=is_ours, bidirectional=True))
    harness.streams.forgotten(SECOND)
    assert len(harness.streams) == 1
    harness.streams.forgotten(PAIR)
    assert len(harness.streams) == is_ours
    assert ("back 1" in harness.log) != is_ours


def test_or_never(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1), is_ours=False, bidirectional=True))
    harness.wait()
    harness.clock.advance(RESUME_SECONDS)
    assert harness.log == ["back 1", "on"]
    harness.streams.settle("mantua", 1)
    harness.streams.resumed("mantua")
    assert len(harness.log) == 2


def test_pairs_that_were_not_on_it_do_not_wait(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1)))
    assert harness.streams.outcome(PAIR.reversed()) is None


def test_who_waits_no_longer_is_left_out(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1)))
    wait = harness.wait()
    failures: list[str] = []
    wait.addErrback(lambda failure: failures.append(failure.trap(DeliveryFailed).__name__))
    wait.cancel()
    assert failures == ["DeliveryFailed"]
    harness.attempts[-1].callback(None)
    assert harness.log == ["reopen at 0", "back 1"]


def test_at_shutdown_nothing_is_waited_for(harness: ResumableHarness) -> None:
    harness.breaks(harness.broken(message(1)))
    harness.streams.stop()
    assert harness.log == ["reopen at 0", "back 1"]
    harness.breaks(harness.broken(message(2)))
    assert harness.log[2:] == ["back 2"]
    assert harness.clock.getDelayedCalls() == []


def test_what_came_is_kept_before_the_other_side_is_told_how_much_was_handled(harness: ResumableHarness) -> None:
    keeping = harness.keeping = Deferred()
    harness.breaks(harness.broken(message(1)))
    assert harness.log == []
    harness.keeping = None
    keeping.callback(None)
    assert harness.log == ["reopen at 0"]
