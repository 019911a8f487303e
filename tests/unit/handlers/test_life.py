"""The life of a handler: attached when it may send, detached with all that it has open, and every request answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, LoopingCall
from twisted.logger import globalLogPublisher
from zope.interface import implementer

from gateway.handlers.route import ANSWER_SECONDS, MOST_OPEN, HandlerRoute
from gateway.notices.notices import Board
from gateway.routing.interfaces import Handled, IActiveHandler, IDetachableHandler
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza
from tests.unit.handlers.test_route import ASKED, REPLY, Handler, Router

DOMAIN = Domain("service.test")
REQUEST = "<iq type='get' from='romeo@far.test/a' to='service.test' id='{}'><q xmlns='urn:q'/></iq>"
ANSWER = "<iq type='result' from='service.test' to='romeo@far.test/a' id='{}'/>"


@implementer(IDetachableHandler)
class Ticker:
    """Sends something every second, until it is detached."""

    def __init__(self, clock: Clock, name: str = "ticker", *, breaks: bool = False) -> None:
        self.clock = clock
        self.name = name
        self.send: Any = None
        self._breaks = breaks
        self._loop = LoopingCall(self.tick)
        self._loop.clock = clock

    def attached(self, domain: Domain, send: Callable[[Stanza], None]) -> None:
        if self._breaks:
            raise OSError("the port is taken")
        self.send = send
        self._loop.start(1)

    def tick(self) -> None:
        self.send(stanza(REPLY))

    def detached(self) -> None:
        self._loop.stop()

    def handle(self, stanza: Stanza) -> Handled:
        return Handled()


class Stage:
    """A route with these handlers, and what happens around it."""

    def __init__(self, *handlers: Any, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.router = Router()
        self.route = HandlerRoute(DOMAIN, handlers, self.router, Board().publish, self.clock)

    def happened(self) -> list[str]:
        """Return what has happened since the last time, without the writing."""
        log, self.router.log = self.router.log, []
        return [each for each in log if each != "flush"]


def failure_of(result: Deferred[Any]) -> BaseException | None:
    """The exception of a Deferred that has failed; None if it has not."""
    failures: list[Any] = []
    result.addErrback(failures.append)
    return failures[0].value if failures else None


@pytest.fixture
def lines() -> Any:
    """The formatted lines of the log."""
    found: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        found.append(str(event.get("log_format", "")).format(**event))

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


def test_nothing_is_attached_before_the_start() -> None:
    clock = Clock()
    ticker = Ticker(clock)
    stage = Stage(ticker, clock=clock)
    assert ticker.send is None
    stage.route.start()
    assert stage.happened() == ["route message to romeo@far.test/a"]


def test_a_stopped_handler_has_no_timer_and_sends_nothing(lines: list[str]) -> None:
    clock = Clock()
    ticker = Ticker(clock)
    stage = Stage(ticker, clock=clock)
    stage.route.start()
    stage.happened()
    stage.route.stop()
    assert not clock.getDelayedCalls()
    ticker.tick()
    assert stage.happened() == []
    assert any("Ticker of service.test has been stopped and still sends" in line for line in lines)


def test_a_handler_may_come_back() -> None:
    clock = Clock()
    stage = Stage(Ticker(clock), clock=clock)
    for _ in range(3):
        stage.route.start()
        assert stage.happened() == ["route message to romeo@far.test/a"]
        stage.route.stop()


def test_a_handler_that_cannot_be_attached_takes_its_neighbours_along() -> None:
    clock = Clock()
    stage = Stage(Ticker(clock), Ticker(clock, breaks=True), clock=clock)
    failed = failure_of(stage.route.start())
    assert isinstance(failed, ConfigError)
    assert str(failed) == 'domains."service.test": Ticker cannot be started: OSError: the port is taken'
    assert not clock.getDelayedCalls()


def test_a_handler_that_has_nothing_to_end_need_not_say_so() -> None:
    @implementer(IActiveHandler)
    class Active:
        def attached(self, domain: Domain, send: Any) -> None:
            self.send = send

        def handle(self, stanza: Stanza) -> Handled:
            return Handled()

    active = Active()
    stage = Stage(active)
    stage.route.start()
    stage.route.stop()
    active.send(stanza(REPLY))
    assert stage.happened() == []


# Requests.


def test_a_request_that_is_never_answered_gets_an_error_in_time() -> None:
    for answer in (Handled, Deferred):
        stage = Stage()
        stage.route.handlers = (Handler([], "a", answer),)
        stage.route.deliver(stanza(REQUEST.format(1)))
        stage.clock.advance(1)
        stage.route.deliver(stanza(REQUEST.format(2)))
        stage.clock.advance(ANSWER_SECONDS - 1)
        assert stage.happened() == ["bounce 1 remote-server-timeout"]
        stage.clock.advance(1)
        assert stage.happened() == ["bounce 2 remote-server-timeout"]
        assert not stage.clock.getDelayedCalls()


def test_a_request_that_is_open_at_the_stop_gets_an_error() -> None:
    later: Deferred[Any] = Deferred()
    stage = Stage(Handler([], "a", lambda: later))
    stage.route.start()
    stage.route.deliver(stanza(REQUEST.format(1)))
    stage.route.stop()
    assert stage.happened() == ["bounce 1 remote-server-timeout"]
    assert not stage.clock.getDelayedCalls()


def test_nobody_is_answered_twice() -> None:
    later: Deferred[Any] = Deferred()
    stage = Stage(Handler([], "a", lambda: later))
    stage.route.deliver(stanza(REQUEST.format(1)))
    stage.clock.advance(ANSWER_SECONDS)
    stage.happened()
    later.callback(Handled(replies=[stanza(ANSWER.format(1))]))
    assert stage.happened() == []


def test_an_answer_that_is_sent_later_is_the_answer() -> None:
    stage = Stage(Handler([], "a", Handled))
    stage.route.start()
    stage.route.deliver(stanza(REQUEST.format(1)))
    stage.route._send_now(stanza(ANSWER.format(1)))
    assert stage.happened() == ["route iq to romeo@far.test/a"]
    stage.clock.advance(ANSWER_SECONDS)
    assert stage.happened() == []


def test_open_requests_are_bounded() -> None:
    stage = Stage(Handler([], "a", Handled))
    for number in range(MOST_OPEN + 1):
        stage.route.deliver(stanza(REQUEST.format(number)))
    assert stage.happened() == ["bounce 0 remote-server-timeout"]


def test_the_domain_that_asks_most_makes_room() -> None:
    stage = Stage(Handler([], "a", Handled))
    stage.route.deliver(stanza(REQUEST.format("first").replace("far.test", "small.test")))
    for number in range(MOST_OPEN):
        stage.route.deliver(stanza(REQUEST.format(number)))
    assert stage.happened() == ["bounce 0 remote-server-timeout"]


@pytest.mark.parametrize("answer", [None, "Hello", 7, stanza(REPLY)])
def test_what_is_no_answer_is_named_in_the_log(answer: Any, lines: list[str]) -> None:
    stage = Stage(Handler([], "a", lambda: answer))
    stage.route.deliver(stanza(ASKED))
    assert stage.happened() == ["bounce 1 internal-server-error"]
    (line,) = [line for line in lines if "which is not Handled" in line]
    assert line.startswith(f"Handler of service.test answered a stanza (message) with {type(answer).__name__}, which")
