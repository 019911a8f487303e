"""H-33, object counts return: what belonged to a connection is freed when it is lost, without the garbage collector.

With very many streams a run of the collector over all of them holds everybody up, so a flood of connections that come
and go must not be what calls it.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from benchmarks.load.streams import CLOSING_TAG, Credentials, Place, server_stream
from gateway.config import load
from gateway.net.connection.protocol import StreamProtocol
from gateway.net.listen.connection_limits import ConnectionLimits
from gateway.service import build
from tests.support.configuration import Folder
from tests.support.reactor import run_in_reactor, running_reactor

DOMAIN, PEER = "ours.test", "peer.test"
HEADER = (
    f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    f" from='{PEER}' to='{DOMAIN}' version='1.0'>"
).encode()
Visit = Callable[[Place, Credentials], Any]


def say_nothing(place: Place, credentials: Credentials) -> Any:
    return socket.create_connection((place.address, place.port))


def open_and_stop(place: Place, credentials: Credentials) -> Any:
    connection = say_nothing(place, credentials)
    connection.sendall(HEADER)
    connection.recv(4096)
    return connection


def begin_tls(place: Place, credentials: Credentials) -> Any:
    connection = open_and_stop(place, credentials)
    connection.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    connection.recv(4096)
    connection.sendall(b"\x16\x03\x01")
    return connection


def spoil_tls(place: Place, credentials: Credentials) -> Any:
    connection = begin_tls(place, credentials)
    connection.sendall(b"\x00\x05hello")
    connection.recv(4096)  # an alert
    return connection


def break_rules(place: Place, credentials: Credentials) -> Any:
    connection = open_and_stop(place, credentials)
    connection.sendall(b"<!DOCTYPE x>")
    return connection


def prove_and_send(place: Place, credentials: Credentials) -> Any:
    wire = server_stream(place, PEER, credentials.initiating())
    wire.send(f"<message from='a@{PEER}' to='{DOMAIN}' type='normal'/>".encode())
    return wire


def prove_and_close(place: Place, credentials: Credentials) -> Any:
    wire = prove_and_send(place, credentials)
    wire.send(CLOSING_TAG)
    wire.receive()
    return wire


VISITS = (say_nothing, open_and_stop, begin_tls, spoil_tls, break_rules, prove_and_send, prove_and_close)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_h_33_a_connection_that_is_lost_is_freed_at_once(tmp_path: Path, visit: Visit) -> None:
    folder = Folder(tmp_path)
    configuration = folder.complete(
        f'[listen]\nserver = ["tcp:0:interface=127.0.0.1"]\n'
        f'[domains."{DOMAIN}"]\nserve = "gateway.handlers.echo.Echo"\ncertificate = "{folder.certify(DOMAIN)}"\n'
    )
    credentials = Credentials(bundle=tmp_path / folder.certify(PEER), authorities=tmp_path / "ca.pem")

    async def scenario() -> list[StreamProtocol | None]:
        gateway = build(load(configuration), running_reactor())
        gateway.privilegedStartService()
        gateway.startService()
        try:
            [(address, port)] = gateway.shared.endpoints.doors()[0].addresses
            place = Place(address=address, port=port, domain=DOMAIN)
            connections = watch_the_door(gateway.reception.connection_limits)
            (await deferToThread(visit, place, credentials)).close()
            while not connections or gateway.reception.connection_limits.connections:
                await pause(0.01)
            await pause(0.05)
            return [each() for each in connections]
        finally:
            await gateway.stopService()

    left = run_in_reactor(scenario)
    assert left == [None]


def watch_the_door(connection_limits: ConnectionLimits) -> list[ref[StreamProtocol]]:
    """Everybody who comes in from now on."""
    came: list[ref[StreamProtocol]] = []
    let_in = connection_limits.entered

    def entered(connection: Any) -> None:
        came.append(ref(connection))
        let_in(connection)

    connection_limits.entered = entered  # type: ignore[method-assign]
    return came


def pause(seconds: float) -> Deferred[None]:
    return deferLater(running_reactor(), seconds)
