"""RemoteRoute: idle, queueing, sending; what waits, what is bounced, when it is tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.federation.backoff import Backoff, Waits
from gateway.federation.broken_streams import RESUME_SECONDS
from gateway.federation.delivery_failures import NOT_THERE, OUT_OF_REACH, UNWILLING, DeliveryFailed, Told
from gateway.federation.route import RemoteRoute, RouteTerms
from gateway.federation.session import StreamUser
from gateway.federation.stream_end import StreamEnd
from gateway.notices.notices import MaybeLost, Notice, TooMuch
from gateway.routing.disposition import Disposition
from gateway.routing.interfaces import IRoute
from gateway.routing.outflow import QueueSpace
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.stream.sessions import PeerReading
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

HERE, OTHER, FAR = Domain("here.test"), Domain("other.test"), Domain("far.test")
PAIR, OTHER_PAIR = DomainPair(HERE, FAR), DomainPair(OTHER, FAR)
TERMS = RouteTerms(connect_seconds=30, queue_stanzas=5, answer_seconds=10)
MESSAGE = "<message id='{id}' from='a@here.test' to='b@far.test'><body>Hi</body></message>"
ASKED = "<iq type='get' id='{id}' from='a@here.test' to='b@far.test'><ping xmlns='urn:xmpp:ping'/></iq>"
ANSWERED = "<iq type='result' id='{id}' from='b@far.test' to='a@here.test'/>"
TIMEOUT, NOT_FOUND = "remote-server-timeout", "remote-server-not-found"


class Longest(Random):
    """Chance that always makes the longest wait: 15 s, then 30, 60, ..."""

    def random(self) -> float:
        return 1.0


@implementer(IRoute)
class RouteHarness:
    """Routes to `far.test`, and our own domain as one route; `log` is what happens, in order."""

    def __init__(self, terms: RouteTerms = TERMS, space: int = 1_000_000) -> None:
        self.log: list[str] = []
        self.notices: list[Notice] = []
        self.clock = Clock()
        self.openings: list[Deferred[Session]] = []
        self.router = Router(Domains({HERE: DomainRule(), OTHER: DomainRule()}), self.route_for, self.notices.append)
        self.router.attach(HERE, self)
        self.router.attach(OTHER, self)
        self.backoff = Backoff(Waits(first=15), Longest())
        self._terms = terms
        self.space = QueueSpace(space, each=0)
        self.routes: dict[DomainPair, RemoteRoute] = {}
        self.route = self.route_for(PAIR)

    def route_for(self, pair: DomainPair) -> RemoteRoute:
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
            )
        return self.routes[pair]

    def open(self, pair: DomainPair) -> Deferred[Session]:
        self.log.append("open")
        self.openings.append(Deferred(lambda opening: opening.errback(DeliveryFailed("it took too long"))))
        return self.openings[-1]

    def opened(self) -> Session:
        """The stream that was wanted last stands."""
        session = Session(self.log)
        self.openings[-1].callback(session)
        return session

    def refused(self, told: Told = OUT_OF_REACH, *, of_the_pair: bool = False) -> None:
        """The stream that was wanted last cannot be opened."""
        self.openings[-1].errback(DeliveryFailed("no", told, of_the_pair=of_the_pair))

    def send(self, *texts: str) -> Deferred[None] | None:
        """Stanzas of ours are on their way."""
        for text in texts:
            self.router.route(stanza(text))
        return self.router.flush()

    # -- as the route of our own domains -----------------------------------------------------------------------------

    def deliver(self, stanza: Stanza) -> None:
        condition = next((each.name for each in stanza.element.elements(name="error") for each in each.elements()), "")
        self.log.append(" ".join(filter(None, ["we get", stanza.type, stanza.id, condition])))

    def flush(self) -> None:
        return None


class Session:
    """A stream on which the pair may be sent."""

    def __init__(self, log: list[str]) -> None:
        self.is_managed = False
        self.was_resumed = False
        self.largest: int | None = None
        self.full: Deferred[None] | None = None
        self.user: StreamUser | None = None
        self._log = log

    def carry(self, pair: DomainPair, user: StreamUser) -> None:
        self.user = user

    @property
    def has_room(self) -> bool:
        return self.full is None

    def room(self) -> Deferred[None] | None:
        return self.full

    def send(self, batch: Sequence[Stanza], data: bytes) -> None:
        assert data == b"".join(stanza.raw for stanza in batch)
        self._log.append(f"write {' '.join(str(stanza.id) for stanza in batch)}")

    def ends(self, **how: object) -> None:
        """The stream is gone."""
        assert self.user is not None
        self.user.ended(StreamEnd(reason="it ended", **how))  # type: ignore[arg-type]


def messages(*ids: int) -> list[str]:
    return [MESSAGE.format(id=number) for number in ids]


@pytest.fixture
def harness() -> RouteHarness:
    return RouteHarness()


# Opening.


def test_the_first_stanza_wants_a_stream_and_what_waits_goes_first_and_in_order(harness: RouteHarness) -> None:
    harness.send(*messages(1, 2))
    assert harness.route.disposition is Disposition.QUEUEING
    harness.opened()
    harness.send(*messages(3))
    assert harness.log == ["open", "write 1 2", "write 3"]
    assert harness.route.disposition is Disposition.SENDING
    assert not harness.clock.getDelayedCalls()


@pytest.mark.parametrize("told", [OUT_OF_REACH, UNWILLING, NOT_THERE])
def test_what_waits_is_bounced_once_and_in_order_when_there_is_no_stream(harness: RouteHarness, told: Told) -> None:
    harness.send(*messages(1, 2, 3))
    harness.refused(told)
    assert harness.log == [
        "open",
        *(f"we get error {number} {told.condition}" for number in (1, 2, 3)),
        "here.test rests",
    ]
    assert harness.route.disposition is Disposition.IDLE
    assert harness.route.queued == 0


def test_what_waits_is_bounced_when_it_takes_too_long(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    harness.clock.advance(29)
    assert harness.log == ["open"]
    harness.clock.advance(1)
    assert harness.log == ["open", f"we get error 1 {TIMEOUT}", "here.test rests"]


def test_our_own_bug_bounces_what_waits_too(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    opening = harness.openings[-1]
    opening.errback(ZeroDivisionError())
    opening.addErrback(lambda failure: failure.trap(ZeroDivisionError) and None)  # else it would be logged
    assert harness.log[1] == f"we get error 1 {TIMEOUT}"


def test_whom_we_do_not_allow_is_not_tried() -> None:
    harness = RouteHarness(RouteTerms(allow=False))
    harness.send(*messages(1))
    assert harness.log == ["we get error 1 not-allowed", "here.test rests"]


def test_no_more_wait_than_is_allowed(harness: RouteHarness) -> None:
    harness.send(*messages(1, 2, 3, 4, 5, 6))
    assert harness.log == ["open", "we get error 6 resource-constraint"]


def test_that_too_much_waits_is_told_once_until_it_waits_no_more(harness: RouteHarness) -> None:
    def told() -> list[str]:
        return [notice.sentence for notice in harness.notices if isinstance(notice, TooMuch)]

    harness.send(*messages(*range(1, 10)))
    assert told() == [
        "stanzas for far.test are answered with resource-constraint: 5 are waiting already"
        " ([peers] queue_stanzas, [limits] queue_bytes)"
    ]
    harness.refused()
    harness.backoff.reached(FAR)
    harness.send(*messages(*range(10, 19)))
    assert len(told()) == 2


def test_no_more_bytes_wait_than_there_is_space_for_all() -> None:
    harness = RouteHarness(space=2 * len(MESSAGE.format(id=1)))
    harness.send(*messages(1, 2, 3))
    assert harness.log == ["open", "we get error 3 resource-constraint"]
    harness.refused()
    harness.backoff.reached(FAR)
    harness.log.clear()
    harness.send(*messages(4, 5))  # the space has been given back
    assert harness.log == ["open"]


def test_h_44_three_hundred_domains_share_the_space_and_give_it_back() -> None:
    each = "<message id='{id}' from='a@here.test' to='b@d{id:04}.far.test'/>"
    size = len(each.format(id=1000))
    harness = RouteHarness(space=750 * size)
    for _ in range(3):
        harness.send(*(each.format(id=number) for number in range(1000, 1300)))
    assert Counter(line.split()[-1] for line in harness.log) == {"open": 300, "resource-constraint": 150}
    assert harness.space.left == 0
    harness.log.clear()
    harness.clock.advance(TERMS.connect_seconds)
    assert Counter(line.split()[-1] for line in harness.log) == {TIMEOUT: 750, "rests": 300}
    assert harness.space.left == 750 * size


# Trying again.


def test_soon_after_a_failure_stanzas_wait_for_the_next_try(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    harness.refused()
    harness.log.clear()
    harness.send(*messages(2))
    harness.clock.advance(14)
    assert harness.log == []
    harness.clock.advance(1)
    assert harness.log == ["open"]
    harness.opened()
    assert harness.log == ["open", "write 2"]


def test_when_the_next_try_is_far_away_stanzas_come_back_at_once_with_the_last_cause(harness: RouteHarness) -> None:
    for number in (1, 2):
        harness.send(*messages(number))
        harness.clock.advance(15 * (number - 1))
        harness.refused()
    harness.log.clear()
    harness.send(*messages(3))
    assert harness.log == [f"we get error 3 {TIMEOUT}", "here.test rests"]
    harness.clock.advance(30)
    harness.send(*messages(4))
    assert harness.log[2:] == ["open"]


def test_a_domain_that_is_not_there_is_not_waited_for(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    harness.refused(NOT_THERE)
    harness.log.clear()
    harness.send(*messages(2))
    assert harness.log == [f"we get error 2 {NOT_FOUND}", "here.test rests"]
    harness.clock.advance(15)
    harness.send(*messages(3))
    assert harness.log[2:] == ["open"]


@pytest.mark.parametrize("of_the_pair", [False, True])
def test_what_failed_for_one_domain_of_ours_may_succeed_for_another(harness: RouteHarness, of_the_pair: bool) -> None:
    harness.send(*messages(1))
    harness.refused(of_the_pair=of_the_pair)
    harness.log.clear()
    harness.send(*messages(2), "<message id='3' from='a@other.test' to='b@far.test'/>")
    assert harness.log == (["open"] if of_the_pair else [])


def test_what_is_remembered_of_a_failure_holds_nothing_else(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    try:
        raise DeliveryFailed("refused")
    except DeliveryFailed:
        harness.openings[-1].errback(Failure())
    wait = harness.backoff.wait(FAR, harness.clock.seconds())
    assert wait is not None
    assert str(wait.cause) == "refused"
    assert wait.cause.__traceback__ is wait.cause.__context__ is None  # type: ignore[union-attr]


def test_a_sign_of_life_ends_the_waiting(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    harness.refused()
    harness.send(*messages(2))
    harness.log.clear()
    harness.route.retry()
    assert harness.log == ["open"]
    harness.opened()
    assert harness.log == ["open", "write 2"]
    assert not harness.clock.getDelayedCalls()


def test_a_sign_of_life_changes_nothing_while_a_stream_is_being_opened(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    harness.route.retry()
    assert harness.log == ["open"]


# Sending.


def test_what_has_no_room_waits_and_is_written_when_there_is_some(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    session = harness.opened()
    session.full = Deferred()
    harness.send(*messages(2))
    harness.send(*messages(3))
    assert harness.log == ["open", "write 1"]
    full, session.full = session.full, None
    full.callback(None)
    assert harness.log == ["open", "write 1", "write 2 3"]


def test_what_is_larger_than_the_other_side_takes_comes_back(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    session = harness.opened()
    session.largest = 100
    harness.log.clear()
    harness.send(MESSAGE.format(id=2), MESSAGE.format(id="3" * 100), MESSAGE.format(id=4))
    assert harness.log == ["we get error " + "3" * 100 + " policy-violation", "write 2 4"]


# The end of a stream.


def test_a_new_stream_is_wanted_by_the_next_stanza(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    harness.opened().ends(cleanly=True)
    assert harness.log == ["open", "write 1"]
    harness.send(*messages(2))
    harness.opened()
    assert harness.log == ["open", "write 1", "open", "write 2"]


def test_what_was_held_for_the_stream_takes_the_next_one(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    session = harness.opened()
    session.full = Deferred()
    harness.send(*messages(2))
    session.ends(cleanly=True)
    harness.opened()
    assert harness.log == ["open", "write 1", "open", "write 2"]


def test_what_was_returned_goes_first(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    session = harness.opened()
    session.ends(unacknowledged={PAIR: [stanza(text) for text in messages(1)]})
    harness.send(*messages(2))
    harness.opened()
    assert harness.log == ["open", "write 1", "open", "write 1 2"]


@pytest.mark.parametrize(("cleanly", "lost"), [(True, []), (False, [2])])
def test_what_may_be_lost_is_noticed(harness: RouteHarness, cleanly: bool, lost: list[int]) -> None:
    harness.send(*messages(1, 2))
    harness.opened().ends(cleanly=cleanly)
    assert [notice.count for notice in harness.notices if isinstance(notice, MaybeLost)] == lost


def test_what_may_be_lost_is_named_with_its_window_and_the_reason(harness: RouteHarness) -> None:
    harness.send(*messages(1, 2))
    session = harness.opened()
    harness.clock.advance(70)
    harness.send(*messages(3))
    harness.clock.advance(4)
    session.ends()
    (lost,) = [notice for notice in harness.notices if isinstance(notice, MaybeLost)]
    assert lost.sentence == (
        "up to 1 stanza may not have arrived at far.test: they were written within 4.0 s before the end of"
        " a connection that the other side did not close (it ended)"
    )


def test_what_a_stalled_stream_left_waiting_is_bounced(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    session = harness.opened()
    session.full = Deferred()
    harness.send(*messages(2))
    session.ends(reading=PeerReading.STALLED)
    assert harness.log == ["open", "write 1", f"we get error 2 {TIMEOUT}"]


# Requests.


def test_an_open_request_is_answered_some_time_after_the_stream_ended(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1), ASKED.format(id=2))
    session = harness.opened()
    harness.router.route(stanza(ANSWERED.format(id=1)))
    session.ends()
    harness.log.clear()
    harness.clock.advance(9)
    assert harness.log == []
    harness.clock.advance(1)
    assert harness.log == [f"we get error 2 {TIMEOUT}", "here.test rests"]


def test_an_answer_on_another_stream_is_in_time(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1))
    harness.opened().ends()
    harness.router.route(stanza(ANSWERED.format(id=1)))
    harness.log.clear()
    harness.clock.advance(10)
    assert harness.log == ["here.test rests"]


def test_an_answer_that_comes_too_late_is_dropped(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1))
    harness.opened().ends()
    harness.clock.advance(10)
    harness.send(ANSWERED.format(id=1))
    assert harness.log == ["open", "write 1", f"we get error 1 {TIMEOUT}", "here.test rests"]
    assert "already been answered with an error" in harness.notices[-1].sentence


def test_a_request_that_may_be_sent_again_is_not_answered_before_that_is_known(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1))
    session = harness.opened()
    session.ends(resuming=True)
    harness.clock.advance(20)
    assert session.user is not None
    session.user.take_back([stanza(ASKED.format(id=1))])
    harness.opened()
    harness.clock.advance(RESUME_SECONDS)
    assert harness.log == ["open", "write 1", "open", "write 1"]


def test_when_nothing_is_resumed_what_was_handled_has_the_usual_time_for_an_answer(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1), ASKED.format(id=2))
    session = harness.opened()
    session.ends(resuming=True)
    harness.clock.advance(20)
    assert session.user is not None
    session.user.take_back([stanza(ASKED.format(id=2))])
    harness.opened()
    harness.clock.advance(TERMS.answer_seconds)
    assert harness.log[-1] == f"we get error 1 {TIMEOUT}"
    assert not harness.clock.getDelayedCalls()


def test_what_was_asked_before_the_end_is_answered_though_there_is_a_new_stream(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1))
    harness.opened().ends()
    harness.send(ASKED.format(id=2))
    harness.opened()
    harness.log.clear()
    harness.clock.advance(10)
    assert harness.log == [f"we get error 1 {TIMEOUT}"]  # and not 2, which was asked on the new one


def test_what_was_asked_is_not_forgotten_over_a_failure_to_reconnect(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1))
    harness.opened().ends()
    harness.send(*messages(2))
    harness.refused()
    harness.log.clear()
    harness.clock.advance(10)
    assert harness.log == [f"we get error 1 {TIMEOUT}", "here.test rests"]


def test_streams_that_end_again_and_again_put_nothing_off(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1))
    harness.opened().ends()
    harness.clock.advance(5)
    harness.send(*messages(2))
    harness.log.clear()
    harness.opened().ends()
    assert harness.log == ["write 2", f"we get error 1 {TIMEOUT}"]


# Shutting down.


def test_at_shutdown_what_waits_is_bounced_and_nothing_is_opened_any_more(harness: RouteHarness) -> None:
    harness.send(*messages(1))
    harness.route.close()
    harness.send(*messages(2))
    assert [line for line in harness.log if not line.endswith("rests")] == [
        "open",
        f"we get error 1 {TIMEOUT}",
        f"we get error 2 {TIMEOUT}",
    ]


def test_at_shutdown_open_requests_are_answered(harness: RouteHarness) -> None:
    harness.send(ASKED.format(id=1))
    harness.opened().ends()
    harness.route.close()
    assert f"we get error 1 {TIMEOUT}" in harness.log
    assert not harness.clock.getDelayedCalls()
