"""A door opens with the service, tells why it cannot, and shuts again."""

from __future__ import annotations

import socket

import pytest
from twisted.internet.protocol import Factory, Protocol

from gateway.net.listen.listening import Listening, NotOpened, with_backlog
from tests.support.reactor import run_in_reactor, running_reactor
from tests.support.sockets import free_port


def door(port: int) -> Listening:
    return Listening("server", f"tcp:{port}:interface=127.0.0.1", Factory.forProtocol(Protocol), running_reactor())


def connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_door_is_open_from_start_to_stop() -> None:
    port = free_port()

    async def scenario() -> list[bool]:
        listening = door(port)
        seen = [listening.is_open]
        listening.privilegedStartService()
        listening.startService()
        seen += [listening.is_open, connects(port)]
        await listening.stopService()  # type: ignore[misc]
        return [*seen, listening.is_open, connects(port)]

    assert run_in_reactor(scenario) == [False, True, True, False, False]


def test_a_port_that_is_taken_is_told_by_key_and_reason() -> None:
    async def scenario() -> str:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with pytest.raises(NotOpened) as problem:
                door(taken.getsockname()[1]).privilegedStartService()
            return str(problem.value)

    told = run_in_reactor(scenario)
    assert told.startswith("listen.server: 'tcp:")
    assert told.endswith("cannot be opened: Address already in use")


def test_an_endpoint_of_systemd_that_was_not_passed_is_told() -> None:
    async def scenario() -> None:
        listening = Listening("http", "systemd:domain=INET:name=web", Factory(), running_reactor())
        with pytest.raises(NotOpened, match=r"listen\.http: 'systemd:domain=INET:name=web' cannot be opened"):
            listening.privilegedStartService()

    run_in_reactor(scenario)


@pytest.mark.parametrize(
    ("endpoint", "opened"),
    [
        ("tcp:5269", "tcp:5269:backlog=1024"),
        ("tcp:5269:interface=127.0.0.1", "tcp:5269:interface=127.0.0.1:backlog=1024"),
        ("tcp6:5269", "tcp6:5269:backlog=1024"),
        ("tcp:5269:backlog=5", "tcp:5269:backlog=5"),
        ("systemd:domain=INET:name=server", "systemd:domain=INET:name=server"),
    ],
)
def test_many_may_connect_at_once(endpoint: str, opened: str) -> None:
    assert with_backlog(endpoint) == opened
