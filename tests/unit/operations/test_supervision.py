"""systemd learns that the service is ready, that its event loop lives, that it reloads and stops; nobody else does."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from gateway.operations.supervision import Supervised


class Supervisor:
    """The socket of systemd."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(1000).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(str(tmp_path / "notify"))
    yield supervisor
    supervisor.socket.close()


def test_ready_is_told_once_everything_has_been_started(supervisor: Supervisor, tmp_path: Path) -> None:
    clock, missing = Clock(), ["the door server is not open"]
    service = Supervised({"NOTIFY_SOCKET": str(tmp_path / "notify")}, lambda: missing, clock)
    service.startService()
    assert supervisor.heard() == []
    missing.clear()
    clock.advance(0)
    assert supervisor.heard() == ["READY=1\nSTATUS=all ports are open"]
    service.stopService()
    assert supervisor.heard() == ["STOPPING=1"]


def test_the_watchdog_hears_of_us_twice_in_its_time(supervisor: Supervisor, tmp_path: Path) -> None:
    clock = Clock()
    environment = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "20000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    service = Supervised(environment, lambda: [], clock)
    service.startService()
    clock.pump([0, 10, 10])
    assert supervisor.heard().count("WATCHDOG=1") == 3
    service.stopService()
    clock.advance(100)
    assert supervisor.heard() == ["STOPPING=1"]
    assert clock.getDelayedCalls() == []


def test_a_watchdog_for_another_process_is_not_ours(tmp_path: Path) -> None:
    clock = Clock()
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}
    Supervised(environment, lambda: [], clock).startService()
    clock.advance(0)
    assert clock.getDelayedCalls() == []


def test_reloading_is_told_with_its_time(supervisor: Supervisor, tmp_path: Path) -> None:
    service = Supervised({"NOTIFY_SOCKET": str(tmp_path / "notify")}, lambda: [], Clock())
    service.reloading()
    service.reloaded("nothing has changed")
    began, ended = supervisor.heard()
    assert began.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert ended == "READY=1\nSTATUS=nothing has changed"


def test_an_abstract_socket_is_found() -> None:
    name = f"xmpp-gateway-test-{os.getpid()}"
    supervisor = Supervisor("\0" + name)
    service = Supervised({"NOTIFY_SOCKET": f"@{name}"}, lambda: [], Clock())
    service.reloaded("well")
    assert supervisor.heard() == ["READY=1\nSTATUS=well"]
    supervisor.socket.close()


def test_without_a_supervisor_nothing_is_done() -> None:
    clock = Clock()
    service = Supervised({}, lambda: [], clock)
    service.startService()
    service.stopService()
    assert clock.getDelayedCalls() == []


def test_a_watchdog_with_a_time_that_is_none_hears_nothing(supervisor: Supervisor, tmp_path: Path) -> None:
    clock = Clock()
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "soon"}
    service = Supervised(environment, lambda: [], clock)
    service.startService()
    service.stopService()
    clock.advance(0)
    assert supervisor.heard() == ["STOPPING=1"]  # and not that it is ready, since it has stopped before


def test_a_supervisor_that_is_gone_does_not_matter(tmp_path: Path) -> None:
    service = Supervised({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, lambda: [], Clock())
    service.reloaded("well")
