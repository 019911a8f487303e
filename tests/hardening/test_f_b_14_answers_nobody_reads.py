"""B-14: a peer that asks and does not read is not read any further, whatever the answers are."""

from __future__ import annotations

import resource
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from twisted.internet.threads import deferToThread

from gateway.config import load
from gateway.net.connection.writable import MOST_ANSWERS
from gateway.service import build
from gateway.stream.facts import Role
from tests.support.configuration import Folder
from tests.support.reactor import run_in_reactor, running_reactor
from tests.support.talk import header, server_features
from tests.support.wire import Wire

LIMITS = "[limits]\nunauthenticated_stream_bytes = 1000000000\nnegotiate_seconds = 3600\nstall_seconds = 3600\n"
VERIFY = "<db:verify from='theirs.test' to='ours.test' id='0c7f-1'>6d3c4b</db:verify>"
READ = 100  # questions in one read


def asking() -> Wire:
    """A negotiation with a peer that takes nothing more."""
    wire = Wire(profile=server_features(Role.RECEIVING)).type(header())
    wire.heard()
    wire.clog()
    wire.transport.clear()
    return wire


def reads_until_paused(wire: Wire) -> int:
    for number in range(1, 1000):
        wire.type(VERIFY * READ)
        if "transport: pause" in wire.log:
            return number
    raise AssertionError("it was read for ever")


def test_f_b_14_answers_that_are_not_read_end_the_reading() -> None:
    wire = asking()
    reads_until_paused(wire)
    gathered = len(wire.transport.value())
    assert MOST_ANSWERS < gathered < 2 * MOST_ANSWERS
    wire.type(*[VERIFY * READ] * 100)
    assert len(wire.transport.value()) == gathered  # whatever else the peer sends stays in the socket


def test_f_b_14_reading_goes_on_when_the_answers_are_taken() -> None:
    wire = asking()
    reads_until_paused(wire)
    wire.type(VERIFY)
    wire.transport.clear()
    wire.unclog()
    assert "transport: resume" in wire.log
    assert "db:verify" in wire.heard()


def test_f_b_14_a_few_answers_do_not_end_the_reading() -> None:
    """Both sides of a busy stream have no room at times, and must read on to make some."""
    wire = asking()
    wire.type(VERIFY * READ)
    assert "transport: pause" not in wire.log


@pytest.mark.parametrize("closes", [True, False])
def test_f_b_14_a_stream_that_closes_is_read_to_its_end(closes: bool) -> None:
    wire = asking()
    reads_until_paused(wire)
    if closes:
        wire.connection.close()
        assert wire.log[-1] != "transport: pause"
        assert "transport: resume" in wire.log
    else:
        wire.leave()


HEADER = (
    b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    b" xmlns:db='jabber:server:dialback' from='theirs.test' to='im.test' version='1.0'>"
)
LONG_ID = "0c7f-1" * 100  # which the answers repeat: as many bytes are read and said in fewer questions
OFFERED = 32 << 20  # bytes of questions; their answers would be as many
MOST_HELD = 8 << 20  # what is read at most: our answers, and what the system holds of them


def resident() -> int:
    """Return how many bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def offer(connection: socket.socket) -> int:
    """Send questions and read no answer, until nothing is taken for some seconds; return how many bytes were taken."""
    questions = VERIFY.replace("ours.test", "im.test").replace("0c7f-1", LONG_ID).encode() * READ
    connection.settimeout(3)
    connection.sendall(HEADER)
    sent = 0
    with suppress(TimeoutError):
        while sent < OFFERED:
            sent += connection.send(questions[sent % len(questions) :])
    return sent


def test_f_b_14_answers_that_are_not_read_over_a_socket_take_bounded_memory(tmp_path: Path) -> None:
    text = '[listen]\nserver = ["tcp:0:interface=127.0.0.1"]\n[peers.any]\nrequire_tls = false\n'
    config = Folder(tmp_path).complete(text + LIMITS)

    async def scenario() -> tuple[int, int, int]:
        gateway = build(load(config), running_reactor())
        gateway.privilegedStartService()
        gateway.startService()
        [(address, port)] = gateway.shared.endpoints.doors()[0].addresses
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        await deferToThread(connection.connect, (address, port))
        before = resident()
        taken = await deferToThread(offer, connection)
        held = resident() - before
        [stream] = gateway.reception.connection_limits.connections
        read = stream.bytes_in  # type: ignore[attr-defined]
        connection.close()
        await gateway.stopService()
        return taken, read, held

    taken, read, held = run_in_reactor(scenario, timeout=120)
    assert 0 < read < MOST_HELD
    assert taken < OFFERED
    assert held < 2 * MOST_HELD
