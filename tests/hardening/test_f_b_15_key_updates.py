"""B-15: the answers to requests for new TLS keys do not gather until we have something else to say."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import pytest
from twisted.internet.testing import StringTransport

from gateway.net.tls.layer import TLSLayer
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import authority
from tests.support.tls import contexts

PEER = prepare_domain("peer.test")
REQUESTS = 20
RECORD = 32  # bytes: about as large as a record with next to nothing in it


@pytest.fixture
def talking() -> Iterator[tuple[TLSLayer, StringTransport, socket.socket, subprocess.Popen[bytes]]]:
    """Our layer, what it writes, and OpenSSL's own client at the other end of a socket."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)
    command = ["openssl", "s_client", "-tls1_3", "-connect", f"127.0.0.1:{listening.getsockname()[1]}"]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ours, _ = listening.accept()
    ours.settimeout(10)
    written = StringTransport()
    layer = TLSLayer(written, contexts(authority().issue("peer.test")).accepting(PEER), written.write)
    try:
        yield layer, written, ours, client
    finally:
        client.kill()
        client.communicate()
        ours.close()
        listening.close()


def test_f_b_15_answers_to_requests_for_new_keys_do_not_gather(
    talking: tuple[TLSLayer, StringTransport, socket.socket, subprocess.Popen[bytes]],
) -> None:
    layer, written, ours, client = talking

    def carry() -> int:
        written.clear()
        layer.received(ours.recv(1 << 16))
        layer.send_answers()
        if written.value():
            ours.sendall(written.value())
        return len(written.value())

    while not layer.is_established:
        carry()
    assert client.stdin is not None
    answered = 0
    for _ in range(REQUESTS):
        client.stdin.write(b"K\n")  # to s_client: change your keys, and ask for new ones of the other side
        client.stdin.flush()
        answered += carry() > 0
    assert answered >= REQUESTS - 1  # OpenSSL makes an answer no later than it reads the next request
    written.clear()
    layer.write(b"hi")
    assert len(written.value()) < 4 * RECORD
