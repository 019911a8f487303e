"""B-16: no stranger's DNS leads us to a loopback or link-local address, unless the operator allows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol

from gateway.config import load
from gateway.net.dns.destinations import Destinations
from gateway.service import build
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import ResolutionFailed
from tests.support.configuration import Folder
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor

DOMAIN = "stranger.test"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1", "a loopback"),
        ("127.255.1.2", "a loopback"),
        ("::1", "a loopback"),
        ("::ffff:127.0.0.1", "a loopback"),
        ("169.254.169.254", "a link-local"),
        ("::ffff:169.254.169.254", "a link-local"),
        ("fe80::1", "a link-local"),
    ],
)
def test_f_b_16_near_addresses_are_refused_by_default(address: str, told: str) -> None:
    """The refusal names the kind of address and the key that allows it."""
    objection = Destinations().objection(address, 5269)
    assert told in objection
    assert "[dns] allow_networks" in objection


class Tripwire(Protocol):
    """A service on this machine that trusts every caller."""

    def connectionMade(self) -> None:
        self.factory.came.append(self.transport.getPeer().host)  # type: ignore[attr-defined, union-attr]
        self.transport.loseConnection()  # type: ignore[union-attr]


@asynccontextmanager
async def tripwire() -> AsyncIterator[tuple[int, list[str]]]:
    factory = Factory.forProtocol(Tripwire)
    factory.came = []  # type: ignore[attr-defined]
    port = await TCP4ServerEndpoint(running_reactor(), 0, interface="127.0.0.1").listen(factory)
    try:
        yield port.getHost().port, factory.came  # type: ignore[attr-defined]
    finally:
        await port.stopListening()


@pytest.mark.parametrize("allowed", [False, True])
def test_f_b_16_a_service_on_this_machine_is_not_reached_through_a_service_record(
    tmp_path: Path, allowed: bool
) -> None:
    """A real nameserver, a real gateway and a real port: nobody comes, unless `allow_networks` says so."""
    folder = Folder(tmp_path)

    async def scenario() -> list[str]:
        async with tripwire() as (port, came):
            names = NameServer(
                {
                    f"_xmpp-server._tcp.{DOMAIN}": {"SRV": [f"10 0 {port} to.{DOMAIN}"]},
                    f"to.{DOMAIN}": {"A": ["127.0.0.1"]},
                }
            )
            await names.start(running_reactor())
            allow = 'allow_networks = ["127.0.0.0/8"]\n' if allowed else ""
            text = f'[dns]\nnameservers = ["{names.address}"]\n{allow}'
            gateway = build(load(folder.complete(text)), running_reactor())
            pair = DomainPair(Domain("im.test"), Domain(DOMAIN))
            done: Deferred[None] = Deferred()
            gateway.federation.streams.open(pair).addBoth(lambda result: done.callback(None))
            await done
            await names.stop()
            return came

    assert bool(run_in_reactor(scenario)) == allowed


def test_f_b_16_a_domain_that_is_such_an_address_is_refused_for_good(tmp_path: Path) -> None:
    """A stranger who calls itself 127.0.0.1 leads nowhere."""
    folder = Folder(tmp_path)

    async def scenario() -> ResolutionFailed:
        gateway = build(load(folder.complete("")), running_reactor())
        try:
            await gateway.federation.resolver.resolve("127.0.0.1")
        except ResolutionFailed as failure:
            return failure
        raise AssertionError("it was resolved")

    failure = run_in_reactor(scenario)
    assert failure.permanent
    assert "a loopback address" in failure.sentence
