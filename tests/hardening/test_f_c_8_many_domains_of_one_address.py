"""C-8: the many domains of one hoster are let in, and a connection that is turned away gets the reason."""

from __future__ import annotations

import socket
from pathlib import Path

from twisted.internet.threads import deferToThread

from gateway.config import load
from gateway.net.listen.connection_limits import ConnectionLimits, Crowd, Places
from gateway.service import build
from gateway.xmpp.errors import StreamError
from tests.support.configuration import Folder
from tests.support.reactor import run_in_reactor, running_reactor

HOSTER = "192.0.2.1"


class Guest:
    peer_address = f"{HOSTER}:40000"

    def dismiss(self, error: StreamError) -> None:
        raise AssertionError(f"nobody has to leave, but: {error}")


def test_f_c_8_proved_streams_count_apart() -> None:
    """Three hundred domains prove themselves from one address, and a hundred more may still try to."""
    connection_limits = ConnectionLimits(Crowd(), Places(20_000), lambda _: None, lambda: 0.0)
    for _ in range(300):
        assert connection_limits.objection(HOSTER) == ""
        guest = Guest()
        connection_limits.entered(guest)
        connection_limits.established(guest)
    for _ in range(100):
        assert connection_limits.objection(HOSTER) == ""
        connection_limits.entered(Guest())
    assert "streams_per_address" in connection_limits.objection(HOSTER)


def hear(port: int) -> tuple[bytes, bytes]:
    """Return the answers to a header on a connection that is let in, and on one that is not."""
    header = (
        b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='im.test'"
        b" from='peer.test' version='1.0'>"
    )
    with socket.create_connection(("127.0.0.1", port), 5) as first:
        first.sendall(header)
        let_in = first.recv(4096)
        with socket.create_connection(("127.0.0.1", port), 5) as second:
            second.sendall(header)
            told = b""
            while data := second.recv(4096):
                told += data
    return let_in, told


def test_f_c_8_a_refusal_says_why_on_the_wire(tmp_path: Path) -> None:
    """A connection too many gets a stream with an error, and its end, rather than silence."""
    folder = Folder(tmp_path)
    text = '[listen]\nserver = ["tcp:0:interface=127.0.0.1"]\n[limits]\nstreams_per_address = 1\n'

    async def scenario() -> tuple[bytes, bytes]:
        gateway = build(load(folder.complete(text)), running_reactor())
        gateway.privilegedStartService()
        gateway.startService()
        try:
            [(_, port)] = gateway.shared.endpoints.doors()[0].addresses
            return await deferToThread(hear, port)  # type: ignore[no-any-return]
        finally:
            await gateway.stopService()

    let_in, told = run_in_reactor(scenario)
    assert b"stream:error" not in let_in
    assert b"<resource-constraint" in told
    assert told.endswith(b"</stream:stream>")
