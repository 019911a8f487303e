"""B-2: what is repeated a hundred thousand times during negotiation, or after it, leaves nothing behind.

Every element that a stream negotiates with is repeated on every kind of stream, before and after the proof, on streams
without sockets. Where it ends the stream, what follows is repeated to a stream that has ended. One case is repeated
over a real socket as well. `REPETITIONS` sets how often; a leak shows after far fewer than a hundred thousand.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from gateway.config import load
from gateway.service import build
from gateway.stream.facts import Role
from gateway.xmpp.faults import StreamKind
from tests.support.configuration import Folder
from tests.support.ends import ENDS
from tests.support.reactor import run_in_reactor, running_reactor
from tests.support.talk import Talk, header, proved, server_features, talk

TIMES = int(os.environ.get("REPETITIONS", "600"))
FIRST = 300  # that fill what is kept once: caches, tables, counters
BATCH = 100  # in one read
MOST_BLOCKS = 400  # of memory that may be left behind: a leak of one block each would be `TIMES`

SASL, SM = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'", "xmlns='urn:xmpp:sm:3'"
ELEMENTS = {
    "db:verify": "<db:verify from='peer.test' to='ours.test' id='x'>0123</db:verify>",
    "db:verify, answer": "<db:verify from='theirs.test' to='ours.test' id='x' type='valid'/>",
    "db:verify, malformed": "<db:verify from='a b' to='ours.test' id='x'>0123</db:verify>",
    "db:result": "<db:result from='theirs.test' to='ours.test'>0123</db:result>",
    "db:result, refused": "<db:result from='theirs.test' to='unknown.test'>0123</db:result>",
    "db:result, answer": "<db:result from='theirs.test' to='ours.test' type='valid'/>",
    "db:result, malformed": "<db:result from='a b' to='ours.test'>0123</db:result>",
    "auth, refused mechanism": f"<auth {SASL} mechanism='KERBEROS_V4'>=</auth>",
    "auth, PLAIN": f"<auth {SASL} mechanism='PLAIN'>AGFsaWNlAHdyb25n</auth>",
    "auth, EXTERNAL": f"<auth {SASL} mechanism='EXTERNAL'>=</auth>",
    "auth, SCRAM": f"<auth {SASL} mechanism='SCRAM-SHA-256'>bixhLCxuPWFsaWNlLHI9YWJj</auth>",
    "auth, no base64": f"<auth {SASL} mechanism='EXTERNAL'>!</auth>",
    "response": f"<response {SASL}>=</response>",
    "abort": f"<abort {SASL}/>",
    "success": f"<success {SASL}/>",
    "starttls": "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "proceed": "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "a": f"<a {SM} h='0'/>",
    "a, no number": f"<a {SM} h='x'/>",
    "r": f"<r {SM}/>",
    "enable": f"<enable {SM}/>",
    "enable, resumable": f"<enable {SM} resume='true'/>",
    "enabled": f"<enabled {SM} id='x' resume='true' max='600'/>",
    "resume": f"<resume {SM} h='0' previd='x'/>",
    "resumed": f"<resumed {SM} h='0' previd='x'/>",
    "failed": f"<failed {SM}/>",
    "bidi": "<bidi xmlns='urn:xmpp:bidi'/>",
    "bidi, in the feature's namespace": "<bidi xmlns='urn:xmpp:features:bidi'/>",
    "bind": "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    "session": "<iq type='set' id='1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
    "limits": "<stream:features>"
    "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>1</max-bytes></limits></stream:features>",
    "features": "<stream:features/>",
    "active": "<active xmlns='urn:xmpp:csi:0'/>",
    "inactive": "<inactive xmlns='urn:xmpp:csi:0'/>",
    "handshake": "<handshake>0123</handshake>",
    "unknown": "<x xmlns='urn:x'/>",
    "white space": " ",
}  # fmt: skip


def left_behind(say: Callable[[str], object], element: str) -> int:
    """Return how many blocks of memory are in use after all repetitions that were not after the first ones."""
    blocks = []
    text = element * BATCH
    for times in (FIRST, TIMES):
        for _ in range(times // BATCH):
            say(text)
        gc.collect()
        blocks.append(sys.getallocatedblocks())
    return blocks[1] - blocks[0]


@pytest.mark.parametrize("proves", [False, True], ids=["unproved", "proved"])
@pytest.mark.parametrize("kind", [StreamKind.SERVER, StreamKind.COMPONENT, StreamKind.CLIENT])
@pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
def test_f_b_2_repetitions_leave_nothing_behind(kind: StreamKind, element: str, proves: bool) -> None:
    end = ENDS[kind](proves=proves)

    def say(text: str) -> None:
        end.type(text)
        end.forget()

    assert left_behind(say, element) < MOST_BLOCKS


def outgoing() -> Talk:
    """A stream that we have opened, on which the other server may do as it likes before any proof."""
    return talk(Role.INITIATING, profile=server_features(Role.INITIATING)).open().hear(header(id_="theirs-1"))


@pytest.mark.parametrize("begin", [outgoing, lambda: proved(Role.INITIATING)], ids=["unproved", "proved"])
@pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
def test_f_b_2_repetitions_on_a_stream_of_ours_leave_nothing_behind(begin: Callable[[], Talk], element: str) -> None:
    said = begin()

    def say(text: str) -> None:
        said.hear(text).forget()

    assert left_behind(say, element) < MOST_BLOCKS


HEADER = (
    b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    b" xmlns:db='jabber:server:dialback' from='peer.test' to='im.test' version='1.0'>"
)
REFUSED = b"<db:result from='peer.test' to='unknown.test'>0123</db:result>"


def repeat(connection: socket.socket, element: bytes, times: int) -> None:
    """Say an element this many times, while the answers are read by somebody else."""
    for _ in range(times // BATCH):
        connection.sendall(element * BATCH)


def test_f_b_2_repetitions_over_a_socket_leave_nothing_behind(tmp_path: Path) -> None:
    """The number of allocated blocks of a whole gateway is what it was, on the same stream."""
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
        for times in (2_000, 10_000 + TIMES):
            await deferToThread(repeat, connection, REFUSED, times)
            sent += times * len(REFUSED)
            [stream] = gateway.reception.connection_limits.connections
            while stream.bytes_in < sent:  # type: ignore[attr-defined]
                await deferLater(running_reactor(), 0.02)
            gc.collect()
            blocks.append(sys.getallocatedblocks())
        connection.shutdown(socket.SHUT_RDWR)
        await gateway.stopService()
        return blocks[1] - blocks[0]

    assert run_in_reactor(scenario, timeout=240) < 3_000
