"""B-17: no timer waits for the system's clock when that is set back; stamps follow it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.support.configuration import Folder
from tests.support.sockets import free_port

TWISTD = Path(sys.executable).with_name("twistd")
PATIENCE = 20
# The system's clock of one process, which is set back by an hour as soon as there is such a file.
CLOCK = """
import os, time
real = time.time
time.time = lambda: real() - 3600 * os.path.exists({file!r})
"""
HEADER = (
    b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    b" from='peer.test' to='echo.test' version='1.0'>"
)


def test_f_b_17_a_stream_times_out_although_the_clock_was_set_back(tmp_path: Path) -> None:
    """A silent peer is closed after its two seconds, and the log has the new time of day."""
    set_back = tmp_path / "set-back"
    (tmp_path / "sitecustomize.py").write_text(CLOCK.format(file=str(set_back)))
    port = free_port()
    config = Folder(tmp_path).complete(
        f'[listen]\nserver = ["tcp:{port}:interface=127.0.0.1"]\n[limits]\nnegotiate_seconds = 2\nclose_seconds = 1\n'
        '[domains."echo.test"]\nserve = "gateway.handlers.echo.Echo"\n'
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    command = [TWISTD, "--nodaemon", "--pidfile=", "--logfile", "log", "xmpp-gateway", "--config", config]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    try:
        with connected(port) as peer:
            peer.sendall(HEADER)
            peer.recv(4096)
            set_back.touch()
            came = b""
            while data := peer.recv(4096):
                came += data
        assert b"<connection-timeout" in came
    finally:
        process.terminate()
        process.wait(PATIENCE)
    lines = re.findall(r"^(\S+) (\w+)", (tmp_path / "log").read_text(), flags=re.MULTILINE)
    assert lines[-1][0] < lines[0][0], "the log has the time of day as it is"


def connected(port: int) -> socket.socket:
    """A connection to the service as soon as it listens; it fails when nothing comes for a while."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
