"""The http port: one address that opens connections without end and drips bytes into them leaves room for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport

from gateway.config import load
from gateway.operations.http.door import MOST_CONNECTIONS
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


def test_somebody_new_is_answered_while_all_places_are_taken(gateway: Gateway) -> None:
    for _ in range(MOST_CONNECTIONS):
        Wire(gateway, "192.0.2.1").server.dataReceived(QUESTION[:1])
    late = Wire(gateway, "192.0.2.1")
    late.server.dataReceived(QUESTION)
    assert late.value().startswith(b"HTTP/1.1 200 ")
