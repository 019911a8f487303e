"""POSH on the wire (RFC 7711): a server whose certificate is its hoster's, and the web server that vouches for it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.net.certificates.posh import make_document
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import StreamEndedError, client_tls, dial
from tests.interop.scripted import scripted
from tests.interop.world import World
from tests.support.throwaway_ca import self_signed

OURS = "component.posh-asking.test"
HOSTER = self_signed("hoster.test")
VOUCHED = json.loads(make_document([HOSTER.certificate], 60))
HTTPS = 443  # RFC 7711 knows no other


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    options = {"peers": {"any": {"authenticate": ["external", "posh"], "connect_seconds": 8.0}}}
    return start_all(Gateway, "posh-asking.test", components={OURS: "secret"}, options=options)


@asynccontextmanager
async def web(
    world: World, domain: str, answer: Any, *, status: str = "200 OK", more: str = ""
) -> AsyncIterator[list[str]]:
    """The web server of a domain, which answers everything so; yields what it was asked for."""
    asked: list[str] = []
    body = json.dumps(answer).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().split()[1])
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)
        await writer.drain()
        writer.close()

    address = world.address()
    world.nameserver.publish_records({domain: {"A": [address], "TTL": 0}})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.bundle(world.authority.issue(domain)))
    try:
        server = await asyncio.start_server(serve, address, HTTPS, ssl=context)
    except PermissionError:
        pytest.skip("this user may not listen on port 443")
    try:
        yield asked
    finally:
        server.close()


def found_elsewhere(world: World, domain: str, address: str) -> Mapping[str, Any]:
    """The records of a domain whose XMPP server is at its own address."""
    host = f"xmpp.{domain}"
    return {
        host: {"A": [address], "TTL": 0},
        f"_xmpp-server._tcp.{domain}": {"SRV": [f"10 0 {SERVER} {host}"], "TTL": 0},
    }


async def test_a_server_with_the_certificate_of_its_hoster_is_proved_by_the_web_server(
    world: World, gateway: Peer
) -> None:
    domain = "hosted.posh.test"
    async with scripted(world, domain, HOSTER) as script, web(world, domain, VOUCHED), attached(gateway) as component:
        world.nameserver.publish_records(found_elsewhere(world, domain, script.address))
        component.send_message(f"anybody@{domain}", "Art thou there?")
        assert (await (await script.established()).element()).tag == "{jabber:server}message"
    (line,) = gateway.logged(f"to {domain}", "established")
    assert f"proves {domain} by POSH https://{domain}/.well-known/posh/xmpp-server.json" in line


async def test_a_caller_is_proved_by_a_document_that_its_web_server_delegates(world: World, gateway: Peer) -> None:
    delegated = {"url": "https://hosting.posh.test/all.json", "expires": 60}
    async with web(world, "delegating.posh.test", delegated), web(world, "hosting.posh.test", VOUCHED) as asked:
        async with dial(gateway.address, SERVER) as probe:
            await probe.prove(client_tls(world.bundle(HOSTER)), "delegating.posh.test", OURS)
        assert asked == ["/all.json"]
    (line,) = gateway.logged("from delegating.posh.test", "established")
    assert "proof by posh" in line


@pytest.mark.parametrize(
    ("label", "answer", "more"),
    [
        ("expired", {**VOUCHED, "expires": 0}, {}),
        ("other", json.loads(make_document([self_signed("other.test").certificate], 60)), {}),
        ("redirected", {}, {"status": "302 Found", "more": "Location: https://127.0.0.1/posh.json\r\n"}),
    ],
)
async def test_a_document_that_does_not_vouch_for_it_leaves_a_caller_unproved(
    world: World, gateway: Peer, label: str, answer: Any, more: dict[str, str]
) -> None:
    domain = f"{label}.posh.test"
    async with web(world, domain, answer, **more) as asked, dial(gateway.address, SERVER) as probe:
        with pytest.raises(StreamEndedError):
            await probe.prove(client_tls(world.bundle(HOSTER)), domain, OURS)
        assert len(asked) == 1
    assert gateway.logged(f"from {domain}", "not-trusted")
