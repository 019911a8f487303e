"""HandlerRoute: which handler is asked, what happens to each answer, and when it is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from gateway.handlers.route import ANSWER_SECONDS, HandlerRoute
from gateway.notices.notices import Board, ServiceBlocked, StanzasPassed
from gateway.routing.interfaces import Answer, Declined, Handled, ILocalHandler, Refused
from gateway.timing.block_watch import BlockWatch
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import Stanza
from tests.support.routers import RecordingRouter
from tests.support.trees import stanza, swelling

DOMAIN = Domain("service.test")
ASKED = "<message from='romeo@far.test/a' to='service.test' id='1'><body>Hi</body></message>"
REPLY = "<message from='service.test' to='romeo@far.test/a'><body>Hi</body></message>"
PATIENCE = 30.0  # of a busy machine
FORBIDDEN = StanzaError(StanzaCondition.FORBIDDEN)


class Router(RecordingRouter):
    """Writes down in one list, as words, what it is given, and when it has things written."""

    def route(self, stanza: Stanza) -> None:
        self.log.append(f"route {stanza.name} to {stanza.to}")

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        self.log.append(f"bounce {stanza.id} {error.condition}")

    def flush(self) -> None:
        self.log.append("flush")


@implementer(ILocalHandler)
class Handler:
    """Gives the answer that it was made with, and notes each call."""

    def __init__(self, log: list[Any], name: str, answer: Callable[[], Answer | Deferred[Answer]]) -> None:
        self._log = log
        self._name = name
        self._answer = answer

    def handle(self, stanza: Stanza) -> Answer | Deferred[Answer]:
        self._log.append(f"ask {self._name}")
        return self._answer()


def route(*answers: Callable[[], Answer | Deferred[Answer]]) -> tuple[HandlerRoute, list[Any]]:
    """A route with handlers a, b, ... that answer so, and the list of what happens."""
    router = Router()
    handlers = [Handler(router.log, name, answer) for name, answer in zip("abc", answers, strict=False)]
    return HandlerRoute(DOMAIN, handlers, router, Board().publish, Clock()), router.log


def breaks() -> Answer:
    raise ZeroDivisionError


def lies() -> Answer:
    return Handled(replies=[stanza(REPLY.replace("from='service.test'", "from='other.test'"))])


@pytest.mark.parametrize(
    ("answers", "happens"),
    [
        ([Handled], ["ask a"]),
        ([lambda: Handled(replies=[stanza(REPLY)])], ["ask a", "route message to romeo@far.test/a"]),
        ([Handled, Handled], ["ask a"]),
        ([Declined, Handled], ["ask a", "ask b"]),
        ([Declined, Declined], ["ask a", "ask b", "bounce 1 service-unavailable"]),
        ([], ["bounce 1 service-unavailable"]),
        ([lambda: Refused(error=FORBIDDEN), Handled], ["ask a", "bounce 1 forbidden"]),
        ([breaks, Handled], ["ask a", "bounce 1 internal-server-error"]),
        ([lies], ["ask a", "bounce 1 internal-server-error"]),
    ],
)
def test_each_answer_has_one_end(answers: Sequence[Callable[[], Answer]], happens: list[str]) -> None:
    handlers, log = route(*answers)
    handlers.deliver(stanza(ASKED))
    assert log == happens  # the caller of deliver flushes, once for a whole batch


@pytest.mark.parametrize(
    ("answer", "happens"),
    [
        (Handled(), ["flush"]),
        (Handled(replies=[stanza(REPLY)]), ["route message to romeo@far.test/a", "flush"]),
        (Declined(), ["bounce 1 service-unavailable", "flush"]),
        (Refused(error=FORBIDDEN), ["bounce 1 forbidden", "flush"]),
        (ZeroDivisionError(), ["bounce 1 internal-server-error", "flush"]),
    ],
)
def test_what_is_answered_later_is_written_then(answer: Answer | Exception, happens: list[str]) -> None:
    later: Deferred[Answer] = Deferred()
    handlers, log = route(lambda: later)
    handlers.deliver(stanza(ASKED))
    assert log == ["ask a"]
    later.errback(answer) if isinstance(answer, Exception) else later.callback(answer)
    assert log == ["ask a", *happens]


def test_nothing_ever_waits_in_the_route() -> None:
    handlers, _ = route(Handled)
    assert handlers.flush() is None


# What passes is published as notices, for the metrics.


def heard(board: Board) -> list[str]:
    """Return what is noticed from now on, in words."""
    sentences: list[str] = []
    board.subscribe(lambda notice: sentences.append(notice.sentence), StanzasPassed)
    return sentences


def test_what_is_given_and_said_is_noticed_by_the_batch() -> None:
    board, router = Board(), Router()
    sentences = heard(board)
    handler = Handler(router.log, "a", lambda: Handled(replies=[stanza(REPLY)]))
    handlers = HandlerRoute(DOMAIN, [handler], router, board.publish, Clock())
    for _ in range(3):
        handlers.deliver(stanza(ASKED))
    assert sentences == []
    handlers.flush()
    asked, replied = 3 * len(stanza(ASKED).raw), 3 * len(stanza(REPLY).raw)
    assert sentences == [
        f"3 stanzas ({asked} bytes) went out from others to service.test",
        f"3 stanzas ({replied} bytes) came in from service.test to others",
    ]
    handlers.flush()
    assert len(sentences) == 2


@pytest.mark.parametrize(("seconds", "named"), [(0.09, False), (0.25, True)])
def test_a_handler_that_blocks_everything_is_named(seconds: float, named: bool) -> None:
    board, router, clock = Board(), Router(), Clock()
    sentences: list[str] = []
    board.subscribe(lambda notice: sentences.append(notice.sentence), ServiceBlocked)
    handler = Handler(router.log, "a", lambda: clock.advance(seconds) or Handled())  # type: ignore[func-returns-value]
    HandlerRoute(DOMAIN, [handler], router, board.publish, clock).deliver(stanza(ASKED))
    sentence = (
        "Handler of service.test blocked the whole gateway for 250 ms with one stanza (message):"
        " it should do such work in a thread"
    )
    assert sentences == ([sentence] if named else [])


def test_the_line_is_named_where_a_handler_stands_that_blocks_everything() -> None:
    board, router = Board(), Router()
    places: list[str] = []
    board.subscribe(lambda notice: places.append(notice.place), ServiceBlocked)
    watch = BlockWatch(time.monotonic)

    class Sleeper(Handler):
        def handle(self, stanza: Stanza) -> Handled:
            call, end = watch.call, time.monotonic() + PATIENCE
            assert call is not None
            while time.monotonic() < max(call[0] + 0.15, 0 if watch.place_of(call) else end):
                time.sleep(0.01)
            return Handled()

    clock = Clock()
    clock.seconds = time.monotonic  # type: ignore[method-assign]
    route = HandlerRoute(DOMAIN, [Sleeper(router.log, "a", Handled)], router, board.publish, clock, watch=watch)
    route.start()
    route.deliver(stanza(ASKED))
    route.stop()
    (place,) = places
    assert place.startswith(f"{__file__}:")
    assert watch.call is None
    assert watch._ended.is_set()


@implementer(ILocalHandler)
class Waiter:
    """Waits for each of its gates and then works, in which time passes."""

    def __init__(self, clock: Clock, *gates: tuple[Deferred[None], float]) -> None:
        self.clock = clock
        self.gates = gates
        self.ended: list[str] = []

    async def handle(self, stanza: Stanza) -> Handled:
        for gate, seconds in self.gates:
            try:
                await gate
            except ValueError as error:
                self.ended.append(str(error))
            self.clock.advance(seconds)
        self.ended.append("done")
        return Handled()


def test_a_handler_that_blocks_between_two_waits_is_named_and_waiting_does_not_count() -> None:
    board, router, clock = Board(), Router(), Clock()
    blocked: list[tuple[str, float]] = []
    board.subscribe(lambda notice: blocked.append((notice.service, round(notice.seconds, 3))), ServiceBlocked)
    gates = [Deferred[None]() for _ in range(3)]
    handler = Waiter(clock, (gates[0], 0.05), (gates[1], 0.25), (gates[2], 0.5))
    watch = BlockWatch(clock.seconds, in_thread=False)
    route = HandlerRoute(DOMAIN, [handler], router, board.publish, clock, watch=watch)
    route.deliver(stanza(ASKED))
    clock.advance(10)
    gates[0].callback(None)
    assert blocked == []
    gates[1].errback(ValueError("no"))
    assert blocked == [("Waiter", 0.25)]
    gates[2].callback(None)
    assert [name for name, _ in blocked] == ["Waiter"] * 2
    assert handler.ended == ["no", "done"]
    assert watch.call is None
    assert len(route._open) == 0


def test_a_handler_that_waits_can_be_cut_off() -> None:
    router, clock = Router(), Clock()
    cancelled: list[Deferred[None]] = []
    handler = Waiter(clock, (Deferred(cancelled.append), 0))
    route = HandlerRoute(DOMAIN, [handler], router, lambda notice: None, clock)
    route.deliver(stanza(ASKED))
    clock.advance(ANSWER_SECONDS)
    assert len(cancelled) == 1
    assert handler.ended == []


def test_what_is_said_later_is_noticed_then() -> None:
    board, router = Board(), Router()
    later: Deferred[Answer] = Deferred()
    handlers = HandlerRoute(DOMAIN, [Handler(router.log, "a", lambda: later)], router, board.publish, Clock())
    handlers.deliver(stanza(ASKED))
    handlers.flush()
    sentences = heard(board)
    later.callback(Handled(replies=[stanza(REPLY)]))
    assert [sentence.partition("(")[0] for sentence in sentences] == ["1 stanza "]


def test_what_swells_in_the_hands_of_a_service_is_refused() -> None:
    asked = stanza(ASKED.replace("</message>", f"{swelling()}</message>"))
    there, log = route(lambda: Handled(replies=[Stanza.from_element(asked.element)]))
    there.deliver(asked)  # type: ignore[arg-type]
    assert log[:2] == ["ask a", "bounce 1 policy-violation"]
