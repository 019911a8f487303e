"""As systemd runs it: a socket that is passed in, a sign when it is ready, reload and stop by signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.configuration import Folder

TWISTD = Path(sys.executable).with_name("twistd")
PATIENCE = 30  # of a busy machine


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(PATIENCE)
        yield supervisor


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """The socket that systemd opens, and passes in as descriptor 3."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield door


@pytest.fixture
def service(tmp_path: Path, supervisor: socket.socket, door: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    folder = Folder(tmp_path)
    config = folder.complete(
        '[listen]\nserver = ["systemd:domain=INET:name=server"]\n'
        '[domains."echo.test"]\nserve = "gateway.handlers.echo.Echo"\n'
    )
    command = f"LISTEN_PID=$$ exec {TWISTD} --nodaemon --pidfile= xmpp-gateway --config {config} 3<&{door.fileno()}"
    environment = os.environ | {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "400000",
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "server",
    }
    process = subprocess.Popen(["bash", "-c", command], cwd=tmp_path, env=environment, pass_fds=[door.fileno()])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def heard(supervisor: socket.socket, wanted: str) -> str:
    """The next message that begins so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        message = supervisor.recv(1000).decode()
        if message.startswith(wanted):
            return message
    raise AssertionError(f"systemd did not hear {wanted}")


def test_it_is_ready_alive_reloaded_and_stopped(
    service: subprocess.Popen[bytes], supervisor: socket.socket, door: socket.socket
) -> None:
    assert heard(supervisor, "READY=1") == "READY=1\nSTATUS=all ports are open"
    heard(supervisor, "WATCHDOG=1")
    with socket.create_connection(door.getsockname(), PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(100)
    service.send_signal(signal.SIGHUP)
    heard(supervisor, "RELOADING=1\nMONOTONIC_USEC=")
    heard(supervisor, "READY=1")
    service.send_signal(signal.SIGTERM)
    heard(supervisor, "STOPPING=1")
    assert service.wait(PATIENCE) in (0, -signal.SIGTERM)
