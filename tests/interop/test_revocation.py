"""Revocation lists on the wire: fetched where certificates name them, and open streams closed that are revoked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import Probe, StreamEndedError, client_tls, dial
from tests.interop.world import World
from tests.support.throwaway_ca import Issued

WEB = 8080
OURS = "component.revoking.test"


@pytest.fixture(scope="module")
def web(world: World) -> str:
    """Return where the authority publishes its lists."""
    address = world.address()
    world.nameserver.publish_records({"crl.web.test": {"A": [address], "TTL": 0}})
    return address


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    peers = {"any": {"authenticate": ["external"]}, "*.hard.test": {"revocation": "hard"}}
    options = {"tls": {"fetch_crls": True}, "peers": peers}
    return start_all(Gateway, "revoking.test", components={OURS: "secret"}, options=options)


def naming(world: World, domain: str) -> Issued:
    """A certificate that names its own list."""
    url = x509.UniformResourceIdentifier(f"http://crl.web.test:{WEB}/{domain}.crl")
    points = x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)])
    return world.authority.issue(domain, extensions=[points])


@asynccontextmanager
async def publishing(world: World, address: str, *revoked: x509.Certificate) -> AsyncIterator[list[str]]:
    """A web server with a list of these certificates, wherever it is asked; yields what it was asked for."""
    found = x509.load_pem_x509_crl(world.authority.revoke(*revoked)).public_bytes(Encoding.DER)
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().split()[1])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(found) + found)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, address, WEB)
    try:
        yield asked
    finally:
        server.close()


@asynccontextmanager
async def called(world: World, gateway: Peer, domain: str, issued: Issued) -> AsyncIterator[Probe]:
    """A server that has called the gateway and proved itself by its certificate."""
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(world.bundle(issued)), domain, OURS)
        yield probe


async def test_an_open_stream_is_closed_when_its_certificate_turns_out_revoked(
    world: World, gateway: Peer, web: str
) -> None:
    issued = naming(world, "soft.test")
    async with (
        publishing(world, web, issued.certificate) as asked,
        called(world, gateway, "soft.test", issued) as probe,
    ):
        assert await probe.error() == "not-authorized"
        assert asked == ["/soft.test.crl"]
        async with dial(gateway.address, SERVER) as again:
            with pytest.raises(StreamEndedError):
                await again.prove(client_tls(world.bundle(issued)), "soft.test", OURS)
    assert gateway.logged("from soft.test", "certificate-revoked", "was revoked on")


async def test_a_list_that_cannot_be_fetched_is_told_and_the_certificate_counts(world: World, gateway: Peer) -> None:
    async with called(world, gateway, "dead.test", naming(world, "dead.test")):
        assert gateway.logged("revocation list of 'Authority of the tests' cannot be fetched", "dead.test.crl")


async def test_where_lists_are_needed_a_stream_waits_for_them(world: World, gateway: Peer, web: str) -> None:
    good, bad, unknown = (naming(world, f"{name}.hard.test") for name in ("good", "bad", "unknown"))
    async with publishing(world, web, bad.certificate):
        async with called(world, gateway, "good.hard.test", good):
            pass
        with pytest.raises(StreamEndedError):
            async with called(world, gateway, "bad.hard.test", bad):
                pass
    with pytest.raises(StreamEndedError):
        async with called(world, gateway, "unknown.hard.test", unknown):
            pass
    assert gateway.logged("from unknown.hard.test", "could not be fetched")
