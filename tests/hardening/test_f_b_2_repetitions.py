"""B-2: what is repeated a hundred thousand times during negotiation leaves nothing behind."""

from __future__ import annotations

import gc
import socket
import sys
import threading
from pathlib import Path

import pytest
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from gateway.config import load
from gateway.service import build
from tests.support.configuration import Folder
from tests.support.reactor import run_in_reactor, running_reactor

HEADER = (
    b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    b" xmlns:db='jabber:server:dialback' from='peer.test' to='im.test' version='1.0'>"
)
ELEMENTS = {
    "question": b"<db:verify from='peer.test' to='im.test' id='x'>0123</db:verify>",
    "refused": b"<db:result from='peer.test' to='unknown.test'>0123</db:result>",
    "unasked": b"<db:verify from='peer.test' to='im.test' id='x' type='valid'/>",
}
TIMES = 100_000


def repeat(connection: socket.socket, element: bytes, times: int) -> None:
    """Say an element this many times, while the answers are read by somebody else."""
    for _ in range(times // 100):
        connection.sendall(element * 100)


@pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
def test_f_b_2_repetitions_leave_nothing_behind(tmp_path: Path, element: bytes) -> None:
    """The number of allocated blocks is what it was, on the same stream, after a hundred thousand repetitions."""
    text = '[listen]\nserver = ["tcp:0:interface=127.0.0.1"]\n[peers.any]\nrequire_tls = false\n'
    config = Folder(tmp_path).complete(text + "[limits]\nnegotiate_seconds = 300\n")

    async def scenario() -> int:
        gateway = build(load(config), running_reactor())
        gateway.privilegedStartService()
        gateway.startService()
        [(address, port)] = gateway.shared.endpoints.doors()[0].addresses
        connection = await deferToThread(socket.create_connection, (address, port), 120)
        threading.Thread(target=lambda: [None for _ in iter(lambda: connection.recv(65536), b"")], daemon=True).start()
        sent, blocks = len(HEADER), []
        connection.sendall(HEADER)
        for times in (2_000, TIMES):
            await deferToThread(repeat, connection, element, times)
            sent += times * len(element)
            [stream] = gateway.reception.porter.connections
            while stream.bytes_in < sent:  # type: ignore[attr-defined]
                await deferLater(running_reactor(), 0.02)
            gc.collect()
            blocks.append(sys.getallocatedblocks())
        connection.shutdown(socket.SHUT_RDWR)
        await gateway.stopService()
        return blocks[1] - blocks[0]

    assert run_in_reactor(scenario, timeout=240) < 3_000
