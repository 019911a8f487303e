"""The life of a service: started with a context, stopped in time, and silent afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from zope.interface import implementer

from gateway.handlers.context import REQUEST_SECONDS, ServiceContext, ServiceStopped
from gateway.handlers.route import START_SECONDS, STOP_SECONDS
from gateway.routing.interfaces import Handled, IService
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import ConfigError, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import CLIENT, PING
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza
from tests.unit.handlers.test_life import Stage, failure_of, lines
from tests.unit.handlers.test_route import ASKED

assert lines  # the fixture


def message(to: str = "romeo@far.test") -> Element:
    return Element(CLIENT, "message", {"to": to})


def ping(to: str = "far.test") -> Element:
    return Element(CLIENT, "iq", {"type": "get", "to": to, "id": "p"}, [Element(PING, "ping")])


def pong(sender: str, *, type_: str = "result", id_: str = "p", payload: str = "") -> Stanza:
    return stanza(f"<iq type='{type_}' from='{sender}' to='service.test' id='{id_}'>{payload}</iq>")


@implementer(IService)
class Noting:
    """A service that notes what it is given; start and stop do what the test sets."""

    def __init__(self, starts: Callable[[], Any] = lambda: None, stops: Callable[[], Any] = lambda: None) -> None:
        self.context: Any = None
        self.noted: list[str] = []
        self._starts = starts
        self._stops = stops

    def start(self, context: ServiceContext) -> Any:
        self.context = context
        return self._starts()

    def stop(self) -> Any:
        self.noted.append("stop")
        return self._stops()

    def handle(self, stanza: Stanza) -> Handled:
        self.noted.append(f"{stanza.name} {stanza.type}")
        return Handled()


def running(**how: Any) -> tuple[Stage, Noting]:
    service = Noting(**how)
    stage = Stage(service)
    stage.route.start()
    return stage, service


def never() -> Deferred[None]:
    return Deferred()


async def failing() -> None:
    raise OSError("the port is taken")


# Start.


def test_a_service_may_send_as_soon_as_it_is_started() -> None:
    service = Noting(starts=lambda: service.context.send(message()))
    stage = Stage(service)
    stage.route.start()
    assert stage.happened() == ["route message to romeo@far.test"]


def test_no_stanza_is_given_to_a_service_that_does_not_run() -> None:
    begun: Deferred[None] = Deferred()
    ended: Deferred[None] = Deferred()
    service = Noting(starts=lambda: begun, stops=lambda: ended)
    stage = Stage(service)
    steps = [lambda: None, stage.route.start, lambda: begun.callback(None), stage.route.stop]
    happened = []
    for step in steps:
        step()
        stage.route.deliver(stanza(ASKED))
        happened.append(stage.happened())
    away = ["bounce 1 remote-server-timeout"]
    assert happened == [away, away, [], away]
    assert service.noted == ["message None", "stop"]


@pytest.mark.parametrize(
    ("starts", "why"),
    [(failing, "OSError: the port is taken"), (never, f"it has not started after {START_SECONDS:g} s")],
)
def test_a_start_that_fails_or_takes_too_long_is_explained(starts: Any, why: str) -> None:
    first, second = Noting(), Noting(starts=starts)
    stage = Stage(first, second)
    started = stage.route.start()
    stage.clock.advance(START_SECONDS)
    failed = failure_of(started)
    assert isinstance(failed, ConfigError)
    assert str(failed) == f'domains."service.test": Noting cannot be started: {why}'
    assert stage.route.has_stopped
    assert first.noted == ["stop"]
    assert not stage.clock.getDelayedCalls()


def test_a_service_that_is_stopped_while_it_starts_never_runs() -> None:
    stage, service = running(starts=never)
    ended: list[None] = []
    stage.route.stop().addCallback(ended.append)
    assert ended == [None]
    assert stage.route.has_stopped
    service.context.send(message())
    assert stage.happened() == []


# Stop.


def test_a_service_may_send_until_its_stop_has_ended(lines: list[str]) -> None:
    ended: Deferred[None] = Deferred()
    stage, service = running(stops=lambda: ended)
    stage.route.stop()
    service.context.send(message())
    assert stage.happened() == ["route message to romeo@far.test"]
    ended.callback(None)
    service.context.send(message("juliet@far.test"))
    assert stage.happened() == []
    text = "Noting of service.test has been stopped and still sends: message to juliet@far.test is dropped"
    assert text in lines


def test_a_stop_that_takes_too_long_is_cut_off(lines: list[str]) -> None:
    cancelled: list[str] = []

    async def slow() -> None:
        try:
            await never()
        except CancelledError:
            cancelled.append("cancelled")
            raise

    stage, _ = running(stops=slow)
    stopped = stage.route.stop()
    stage.clock.advance(STOP_SECONDS)
    assert stopped.called
    assert stage.route.has_stopped
    assert cancelled == ["cancelled"]
    assert f"Noting of service.test did not stop in {STOP_SECONDS} s: it is cut off" in lines


def test_a_stop_that_fails_is_logged_and_is_the_end(lines: list[str]) -> None:
    stage, _ = running(stops=failing)
    assert stage.route.stop().called
    assert any("Noting failed when it was stopped" in line for line in lines)


def test_a_service_that_comes_back_has_a_context_of_its_own() -> None:
    stage, service = running()
    old = service.context
    stage.route.stop()
    stage.route.start()
    old.send(message())
    assert stage.happened() == []
    service.context.send(message())
    assert stage.happened() == ["route message to romeo@far.test"]


# Requests.


def asked(stage: Stage, service: Noting, timeout: float = REQUEST_SECONDS) -> list[Any]:
    """Ask for a ping; the result or the exception comes into this list."""
    outcomes: list[Any] = []

    async def ask() -> None:
        try:
            outcomes.append(await service.context.request(ping(), timeout))
        except Exception as error:
            outcomes.append(error)

    Deferred.fromCoroutine(ask())
    assert stage.happened() == ["route iq to far.test"]
    return outcomes


def test_an_answer_is_matched_by_kind_sender_and_id() -> None:
    stage, service = running()
    outcomes = asked(stage, service)
    others = [
        pong("evil.test"),
        pong("far.test", id_="q"),
        pong("far.test", type_="get", payload="<ping xmlns='urn:xmpp:ping'/>"),
        stanza("<message type='error' from='far.test' to='service.test' id='p'/>"),
    ]
    for other in others:
        stage.route.deliver(other)
    assert outcomes == []
    assert len(service.noted) == len(others)
    right = pong("far.test")
    stage.route.deliver(right)
    stage.route.deliver(right)
    assert outcomes == [right]
    assert service.noted[len(others) :] == ["iq result"]  # the second one is not an answer to anything


def test_an_error_is_raised_as_it_was_sent() -> None:
    stage, service = running()
    outcomes = asked(stage, service)
    error = (
        "<error type='wait'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Not now</text></error>"
    )
    stage.route.deliver(pong("far.test", type_="error", payload=error))
    (raised,) = outcomes
    assert isinstance(raised, StanzaError)
    assert (raised.condition, raised.text, raised.error_type) == (StanzaCondition.FORBIDDEN, "Not now", "wait")


def test_no_answer_in_time_is_an_error_too() -> None:
    stage, service = running()
    outcomes = asked(stage, service, timeout=5)
    stage.clock.advance(5)
    (raised,) = outcomes
    assert str(raised) == "remote-server-timeout: no answer from far.test in 5 s"


def test_requests_fail_when_the_service_is_stopped() -> None:
    stage, service = running()
    outcomes = asked(stage, service)
    stage.route.stop()
    assert [type(each) for each in outcomes] == [ServiceStopped]
    assert isinstance(failure_of(service.context.request(ping())), ServiceStopped)
    assert stage.happened() == []
    assert not stage.clock.getDelayedCalls()


def test_a_cancelled_request_leaves_nothing() -> None:
    stage, service = running()
    service.context.request(ping()).addErrback(lambda failure: failure.trap(CancelledError)).cancel()
    assert not stage.clock.getDelayedCalls()
    service.context.request(ping())  # the id is free again
