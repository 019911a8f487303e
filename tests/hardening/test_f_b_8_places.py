"""B-8: strangers who make us open streams leave room for incoming ones, and cannot lead us to one server too often."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from gateway.config import load
from gateway.service import build
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.configuration import Folder
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor


class Mute(Protocol):
    """A server that takes connections and says nothing."""

    def connectionMade(self) -> None:
        self.factory.came.append(self)  # type: ignore[attr-defined, union-attr]


class Led:
    """A gateway that sends to names of one mute server, as many as there are."""

    def __init__(self, names: int) -> None:
        self.names = names
        self.came: list[Mute] = []
        self.failed: list[object] = []

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not is_so():
            await deferLater(running_reactor(), 0.05)

    def is_open(self) -> bool:
        """Return whether others may still come."""
        return not self.gateway.reception.connection_limits.objection("192.0.2.1")  # type: ignore[attr-defined]

    async def __call__(self, folder: Folder, limits: str, then: Callable[[Led], Coroutine[Any, Any, None]]) -> None:
        """Send, and `then` look."""
        factory = Factory.forProtocol(Mute)
        factory.came = self.came  # type: ignore[attr-defined]
        port = await TCP4ServerEndpoint(running_reactor(), 0, interface="127.0.0.1").listen(factory)
        here = {"SRV": [f"10 0 {port.getHost().port} mute.test"]}
        zone = {f"_xmpp-server._tcp.n{number}.test": here for number in range(self.names)}
        server = NameServer({**zone, "mute.test": {"A": ["127.0.0.1"]}})
        await server.start(running_reactor())
        text = f'[dns]\nnameservers = ["{server.address}"]\nallow_networks = ["127.0.0.0/8"]\n{limits}'
        self.gateway = build(load(folder.complete(text)), running_reactor())
        self.openings = [
            self.gateway.federation.streams.open(DomainPair(Domain("im.test"), Domain(f"n{number}.test")))
            for number in range(self.names)
        ]
        for opening in self.openings:
            opening.addErrback(self.failed.append)
        try:
            await then(self)
        finally:
            for opening in self.openings:
                opening.cancel()
            await server.stop()
            await port.stopListening()


def test_f_b_8_a_quarter_of_the_streams_is_kept_for_those_who_come(tmp_path: Path) -> None:
    """Twenty names of a mute server take fifteen of twenty places, and a newcomer is let in."""

    async def look(led: Led) -> None:
        await led.until(lambda: len(led.came) + len(led.failed) >= 20)
        assert (len(led.came), len(led.failed), led.is_open()) == (15, 5, True)

    folder = Folder(tmp_path)
    run_in_reactor(lambda: Led(20)(folder, "[limits]\nstreams = 20\n", look), timeout=60)


def test_f_b_8_one_address_is_connected_to_a_limited_number_of_times_at_once(tmp_path: Path) -> None:
    """A hundred and thirty names of a mute server cost it, and us, a hundred connections; the others wait."""

    async def look(led: Led) -> None:
        await led.until(lambda: len(led.came) >= 100)
        await deferLater(running_reactor(), 0.5)
        assert (len(led.came), len(led.failed), led.is_open()) == (100, 0, True)
        for opening in led.openings[100:110]:  # these no longer want to
            opening.cancel()
        for mute in led.came[:20]:
            mute.transport.loseConnection()  # type: ignore[union-attr]
        await led.until(lambda: len(led.came) >= 120)
        assert len(led.failed) == 30

    folder = Folder(tmp_path)
    run_in_reactor(lambda: Led(130)(folder, "", look), timeout=60)
