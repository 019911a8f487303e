"""The http port: one address that opens connections without end and drips bytes into them leaves room for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport

from gateway.config import load
from gateway.net.listen.descriptors import MOST_CONNECTIONS
from gateway.service import Gateway, build
from tests.support.configuration import Folder

CONFIGURATION = """
[gateway]
state = "state"
[listen]
server = ["tcp:5269:interface=127.0.0.1"]
http = ["tcp:5280:interface=127.0.0.1"]
[domains."people.test"]
serve = "echo"
"""
QUESTION = b"GET /healthz/alive HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Wire(StringTransport):
    """A connection to the http port, which may be cut."""

    is_cut = False

    def __init__(self, gateway: Gateway, host: str) -> None:
        super().__init__(hostAddress=IPv4Address("TCP", "127.0.0.1", 5280), peerAddress=IPv4Address("TCP", host, 40000))
        self.server: Any = gateway.factory_of("http").buildProtocol(self.getPeer())
        self.server.makeConnection(self)

    def abortConnection(self) -> None:
        self.is_cut = True


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    folder = Folder(tmp_path)
    folder.certify("people.test")
    folder.write(CONFIGURATION)
    return build(load(folder.path / "gateway.toml"), MemoryReactorClock())


def test_one_address_that_drips_takes_no_more_than_its_share(gateway: Gateway) -> None:
    neighbour = Wire(gateway, "192.0.2.2")
    dripping = []
    for number in range(3 * MOST_CONNECTIONS):
        dripping.append(Wire(gateway, "192.0.2.1"))
        dripping[-1].server.dataReceived(QUESTION[:1])
        if number % 100 == 0:
            gateway.shared.reactor.advance(30)
            for wire in [neighbour, *dripping]:
                wire.server.dataReceived(b"")
    assert sum(not wire.is_cut for wire in [neighbour, *dripping]) == MOST_CONNECTIONS
    neighbour.server.dataReceived(QUESTION)
    assert neighbour.value().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/metrics", "/events", "/healthz", "/nowhere"])
def test_requests_that_wait_for_no_answer_get_one(gateway: Gateway, path: str) -> None:
    wire = Wire(gateway, "192.0.2.1")
    wire.server.dataReceived(QUESTION.replace(b"/healthz/alive", path.encode()) * 300)
    assert wire.value().count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in wire.value()
    wire.server.dataReceived(QUESTION)
    assert wire.value().count(b"HTTP/1.1 ") == 1


def test_one_request_after_the_other_is_answered_on_one_connection(gateway: Gateway) -> None:
    wire = Wire(gateway, "192.0.2.1")
    for _ in range(3):
        wire.server.dataReceived(QUESTION[:20])
        wire.server.dataReceived(QUESTION[20:])
    assert wire.value().count(b"HTTP/1.1 200 ") == 3
    assert not wire.disconnecting


def test_the_first_http_port_that_a_reload_opens_is_bounded(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.certify("people.test")
    file = folder.write(CONFIGURATION.replace("http = ", "# http = "))
    gateway = build(load(file), MemoryReactorClock())
    gateway.startService()
    assert [door.door for door in gateway.shared.endpoints.doors()] == ["server"]
    folder.write(CONFIGURATION)
    gateway.reload()
    [door] = [door for door in gateway.shared.endpoints.doors() if door.door == "http"]
    assert door.is_open
    assert door.factory is gateway.factory_of("http")
    wires = [Wire(gateway, "192.0.2.1") for _ in range(2 * MOST_CONNECTIONS)]
    assert sum(not wire.is_cut for wire in wires) == MOST_CONNECTIONS


def test_somebody_new_is_answered_while_all_places_are_taken(gateway: Gateway) -> None:
    for _ in range(MOST_CONNECTIONS):
        Wire(gateway, "192.0.2.1").server.dataReceived(QUESTION[:1])
    late = Wire(gateway, "192.0.2.1")
    late.server.dataReceived(QUESTION)
    assert late.value().startswith(b"HTTP/1.1 200 ")
