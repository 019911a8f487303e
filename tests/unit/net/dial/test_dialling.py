"""Dialling the targets of a domain: on a clock with made-up connections, and on real sockets."""

from __future__ import annotations

import weakref
from typing import Any, Literal

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectBindError,
    ConnectionRefusedError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from gateway.net.dial.dialling import Dialled, dial
from gateway.net.dns.targets import Source, Target
from gateway.xmpp.errors import DiallingFailed
from tests.support.reactor import run_in_reactor, running_reactor
from tests.support.sockets import free_port


def target(*addresses: str, port: int = 5269, source: Source = "srv") -> Target:
    return Target(host="xmpp.example.test", port=port, tls="starttls", addresses=addresses, source=source)


class Dialling:
    """A call under way, on a reactor in which the test decides the outcome of each attempt."""

    def __init__(self, *targets: Target, build: Any = None) -> None:
        self.reactor = MemoryReactorClock()
        self.told: list[str] = []
        self.built: list[Target] = []
        self.results: list[Any] = []
        call = dial(self.reactor, targets, build or self.build, note=self.told.append)
        self.call = Deferred.fromCoroutine(call).addBoth(self.results.append)

    def build(self, target: Target) -> Protocol:
        self.built.append(target)
        return Protocol()

    @property
    def attempts(self) -> list[str]:
        """The addresses that were tried, in order."""
        return [host for host, *_ in self.reactor.tcpClients]

    def connect(self, attempt: int) -> StringTransport:
        host, port, factory, *_ = self.reactor.tcpClients[attempt]
        wire = StringTransport()
        factory.buildProtocol((host, port)).makeConnection(wire)
        return wire

    def fail(self, attempt: int, error: Exception) -> None:
        factory = self.reactor.tcpClients[attempt][2]
        factory.clientConnectionFailed(self.reactor.connectors[attempt], Failure(error))

    def given_up(self) -> list[bool]:
        return [connector.stoppedConnecting for connector in self.reactor.connectors]

    def failure(self) -> DiallingFailed:
        self.results[0].trap(DiallingFailed)
        return self.results[0].value


def test_first_connection_wins() -> None:
    here = target("192.0.2.1")
    dialling = Dialling(here)
    wire = dialling.connect(0)
    dialled = dialling.results[0]
    assert isinstance(dialled, Dialled)
    assert (dialled.target, dialled.address, dialled.steps) == (here, "192.0.2.1", ("192.0.2.1:5269 connected",))
    assert dialled.protocol.transport is wire
    assert dialling.reactor.getDelayedCalls() == []


def test_next_address_is_tried_after_a_quarter_of_a_second() -> None:
    dialling = Dialling(target("::1", "192.0.2.1", "::2"))
    assert dialling.attempts == ["::1"]
    dialling.reactor.advance(0.24)
    assert dialling.attempts == ["::1"]
    dialling.reactor.advance(0.01)
    assert dialling.attempts == ["::1", "192.0.2.1"]
    dialling.reactor.advance(0.25)
    assert dialling.attempts == ["::1", "192.0.2.1", "::2"]


def test_next_address_is_tried_at_once_after_a_failure() -> None:
    dialling = Dialling(target("::1", "192.0.2.1", "::2"))
    dialling.fail(0, NoRouteError(101, "unreachable"))
    assert dialling.attempts == ["::1", "192.0.2.1"]
    dialling.reactor.advance(0.24)
    assert dialling.attempts == ["::1", "192.0.2.1"]


def test_slower_attempts_are_given_up_when_one_wins() -> None:
    dialling = Dialling(target("::1", "192.0.2.1", "::2"))
    dialling.reactor.advance(0.25)
    dialling.connect(1)
    assert dialling.given_up() == [True, False]
    assert dialling.told == ["[::1]:5269 had not answered yet, so it was given up", "192.0.2.1:5269 connected"]
    dialling.reactor.advance(60)
    assert dialling.attempts == ["::1", "192.0.2.1"]


def test_earlier_attempt_may_still_win() -> None:
    dialling = Dialling(target("::1", "192.0.2.1"))
    dialling.reactor.advance(0.25)
    dialling.connect(0)
    assert dialling.results[0].address == "::1"
    assert dialling.given_up() == [False, True]


def test_next_target_waits_for_every_address_of_the_one_before() -> None:
    first, second = target("192.0.2.1", "192.0.2.2"), target("192.0.2.3", port=5299)
    dialling = Dialling(first, second)
    dialling.fail(0, ConnectionRefusedError())
    dialling.reactor.advance(5)
    assert dialling.attempts == ["192.0.2.1", "192.0.2.2"]
    dialling.fail(1, ConnectionRefusedError())
    assert dialling.attempts == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    dialling.connect(2)
    assert dialling.built == [second]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "refused"),
        (TimeoutError(), "timed out after 10 s"),
        (TCPTimedOutError(110, "timed out"), "timed out"),
        (NoRouteError(101, "no route"), "not reached: Network is unreachable"),
        (ConnectBindError(24, "too many"), "not reached: Too many open files"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_each_failure_is_told_in_words(error: Exception, words: str) -> None:
    dialling = Dialling(target("192.0.2.1"))
    dialling.fail(0, error)
    assert dialling.told == [f"192.0.2.1:5269 {words}"]
    assert dialling.failure().steps == tuple(dialling.told)


def test_each_attempt_has_ten_seconds() -> None:
    dialling = Dialling(target("192.0.2.1"))
    assert dialling.reactor.tcpClients[0][3] == 10


def test_failure_of_all_tells_each_of_them() -> None:
    dialling = Dialling(target("::1"), target("192.0.2.1"))
    dialling.fail(0, ConnectionRefusedError())
    dialling.fail(1, TimeoutError())
    assert str(dialling.failure()) == "[::1]:5269 refused; 192.0.2.1:5269 timed out after 10 s"
    assert dialling.reactor.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("sources", "permanent"),
    [
        (["fallback"], True),
        (["srv"], False),
        (["literal"], False),
        (["configured"], False),
        (["srv", "fallback"], False),
    ],
)
def test_only_a_guessed_port_without_a_server_is_not_found_for_good(sources: list[Source], permanent: bool) -> None:
    dialling = Dialling(*(target("192.0.2.1", source=source) for source in sources))
    for attempt in range(len(sources)):
        dialling.fail(attempt, ConnectionRefusedError())
    assert dialling.failure().permanent is permanent


def test_nothing_to_dial_fails() -> None:
    assert str(Dialling().failure()) == "there is nothing to dial"


def test_cancelling_gives_up_everything() -> None:
    dialling = Dialling(target("::1", "192.0.2.1", "::2"), target("192.0.2.3"))
    dialling.reactor.advance(0.25)
    dialling.call.cancel()
    dialling.results[0].trap(CancelledError)
    assert dialling.given_up() == [True, True]
    assert dialling.told == [
        "[::1]:5269 had not answered yet, so it was given up",
        "192.0.2.1:5269 had not answered yet, so it was given up",
    ]
    dialling.reactor.advance(60)
    assert dialling.attempts == ["::1", "192.0.2.1"]
    assert dialling.reactor.getDelayedCalls() == []


def test_same_address_is_tried_once() -> None:
    dialling = Dialling(target("192.0.2.1", "192.0.2.1"))
    dialling.fail(0, ConnectionRefusedError())
    assert dialling.attempts == ["192.0.2.1"]
    assert dialling.failure()


def test_mistake_in_building_the_protocol_is_not_taken_for_the_network() -> None:
    def build(target: Target) -> Protocol:
        raise KeyError("mistake")

    dialling = Dialling(target("192.0.2.1", "192.0.2.2"), build=build)
    dialling.reactor.advance(0.25)
    with pytest.raises(AttributeError):
        dialling.connect(0)  # no protocol was built
    dialling.results[0].trap(KeyError)
    assert dialling.given_up() == [False, True]


class Sockets:
    """Listening on loopback addresses of one port, and ports on which nobody listens."""

    def __init__(self, *listening: str) -> None:
        self._listening = listening
        self.ports: list[Any] = []

    async def dial(self, addresses: tuple[str, ...]) -> Dialled:
        reactor = running_reactor()
        port = free_port()
        for address in self._listening:
            self.ports.append(reactor.listenTCP(port, Factory.forProtocol(Protocol), interface=address))
        try:
            dialled = await dial(reactor, [target(*addresses, port=port)], lambda target: Protocol())
            dialled.protocol.transport.abortConnection()
            return dialled
        finally:
            for listening in self.ports:
                await listening.stopListening()


@pytest.mark.parametrize(
    ("addresses", "listening"),
    [(("127.0.0.1",), "127.0.0.1"), (("::1", "127.0.0.1"), "127.0.0.1"), (("127.0.0.1", "::1"), "::1")],
)
def test_real_connection_to_the_address_that_listens(
    addresses: tuple[str, ...], listening: Literal["127.0.0.1"]
) -> None:
    dialled = run_in_reactor(lambda: Sockets(listening).dial(addresses))
    assert dialled.address == listening
    assert dialled.steps[-1].endswith("connected")
    assert [step.rpartition(" ")[2] for step in dialled.steps[:-1]] == ["refused"] * (len(addresses) - 1)


def test_real_refusal_everywhere() -> None:
    port = free_port()

    async def scenario() -> Dialled:
        return await dial(running_reactor(), [target("127.0.0.1", "127.0.0.2", port=port)], lambda target: Protocol())

    with pytest.raises(DiallingFailed) as failure:
        run_in_reactor(scenario)
    assert failure.value.steps == (f"127.0.0.1:{port} refused", f"127.0.0.2:{port} refused")


def test_nothing_holds_on_to_who_builds_once_a_connection_stands() -> None:
    class Builder:
        def build(self, _: Target) -> Protocol:
            return Protocol()

    builder = Builder()
    held = weakref.ref(builder)
    dialling = Dialling(target("192.0.2.1"), build=builder.build)
    del builder
    dialling.connect(0)
    assert dialling.results
    assert held() is None  # though the reactor knows the factory for as long as the connection lasts
