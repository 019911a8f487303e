"""B-8: whoever makes us open streams leaves room for those who come, and leads us to one server only so often."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol

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


async def lead(folder: Folder, limits: str, names: int) -> tuple[int, int, bool]:
    """Have a gateway send to that many names of one mute server.

    The answer: how often it was connected to, how many attempts failed at once, and whether others may still come.
    """
    factory = Factory.forProtocol(Mute)
    factory.came = []  # type: ignore[attr-defined]
    port = await TCP4ServerEndpoint(running_reactor(), 0, interface="127.0.0.1").listen(factory)
    zone = {f"_xmpp-server._tcp.n{n}.test": {"SRV": [f"10 0 {port.getHost().port} mute.test"]} for n in range(names)}
    server = NameServer({**zone, "mute.test": {"A": ["127.0.0.1"]}})
    await server.start(running_reactor())
    text = f'[dns]\nnameservers = ["{server.address}"]\nallow_networks = ["127.0.0.0/8"]\n{limits}'
    gateway = build(load(folder.complete(text)), running_reactor())
    failed: list[object] = []
    enough: Deferred[None] = Deferred()

    def look() -> None:
        if len(failed) + len(factory.came) >= names:  # type: ignore[attr-defined]
            enough.callback(None)
        else:
            running_reactor().callLater(0.05, look)

    openings = [
        gateway.federation.streams.open(DomainPair(Domain("im.test"), Domain(f"n{number}.test")))
        for number in range(names)
    ]
    for opening in openings:
        opening.addErrback(failed.append)
    look()
    await enough
    result = (len(factory.came), len(failed), not gateway.reception.connection_limits.objection("192.0.2.1"))  # type: ignore[attr-defined]
    for opening in openings:
        opening.cancel()
    await server.stop()
    await port.stopListening()
    return result


def test_f_b_8_a_quarter_of_the_streams_is_kept_for_those_who_come(tmp_path: Path) -> None:
    """Twenty names of a mute server take fifteen of twenty places, and a newcomer is let in."""
    folder = Folder(tmp_path)
    came, failed, is_open = run_in_reactor(lambda: lead(folder, "[limits]\nstreams = 20\n", 20), timeout=30)
    assert (came, failed, is_open) == (15, 5, True)


def test_f_b_8_one_address_is_connected_to_a_limited_number_of_times_at_once(tmp_path: Path) -> None:
    """A hundred and thirty names of a mute server cost it, and us, a hundred connections."""
    folder = Folder(tmp_path)
    came, failed, is_open = run_in_reactor(lambda: lead(folder, "", 130), timeout=30)
    assert (came, failed, is_open) == (100, 30, True)
