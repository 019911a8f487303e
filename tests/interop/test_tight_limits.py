"""Bounds of what others may make us keep or do, set low: reaching one is answered as the standard says, and told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from tests.interop.clients import PASSWORD, attached
from tests.interop.fixtures import Starter
from tests.interop.knocking import at_home
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT as COMPONENT_PORT
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World

DOMAIN, COMPONENT, OTHER = "tight.test", "component.tight.test", "other.tight.test"
PEOPLE = "people.tight.test"
PEER = "peer.tightened.test"
LIMITS = {
    "negotiate_seconds": 5,
    "pairs_per_stream": 2,
    "verifications": 3,
    "verifications_per_stream": 1,
    "unauthenticated_stream_bytes": 4096,
    "client_stanza_bytes": 10000,
    "component_stanza_bytes": 12000,
    "routes": 2,
    "dns_records": 2,
    "remembered_domains": 3,
    "remembered_attempts": 2,
    "log_lines_per_minute": 10,
}


@pytest.fixture
def gateway(start: Starter) -> Gateway:
    server = start(
        Gateway,
        DOMAIN,
        OTHER,
        components={COMPONENT: "secret"},
        options={
            "limits": LIMITS,
            "domains": {PEOPLE: {"serve": "im"}},
            "log": {"level": "info"},
            "peers": {"silent.test": {"queue_stanzas": 2}, "any": {"connect_seconds": 4}},
        },
    )
    assert isinstance(server, Gateway)
    return server


async def test_domain_pairs_on_a_stream(world: World, gateway: Gateway) -> None:
    bundle = world.bundle(world.authority.issue(PEER))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), PEER, DOMAIN)
        verdicts = []
        for ours in (OTHER, COMPONENT):
            await probe.type(f"<db:result from='{PEER}' to='{ours}'>0123456789</db:result>")
            answer = await probe.element()
            verdicts.append((answer.get("type"), "resource-constraint" in "".join(each.tag for each in answer.iter())))
    assert verdicts == [("valid", False), ("error", True)]


async def test_keys_that_are_verified_at_a_time(world: World, gateway: Gateway) -> None:
    """For all streams together: each question goes to a server that never answers."""
    async with await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), world.address(), SERVER) as nobody:
        address = nobody.sockets[0].getsockname()[0]
        async with AsyncExitStack() as held:
            for number in range(4):
                domain = f"silent-{number}.test"
                world.nameserver.publish(address, domain)
                probe = await held.enter_async_context(dial(gateway.address, SERVER))
                await probe.open(domain, DOMAIN)
                await probe.element()
                await probe.secure(client_tls(world.bundle(world.authority.issue("x.test"))), DOMAIN)
                await probe.open(domain, DOMAIN)
                await probe.element()
                await probe.type(f"<db:result from='{domain}' to='{DOMAIN}'>0123456789</db:result>")
            answer = await probe.element()
            assert answer.get("type") == "error"
            assert "resource-constraint" in answer[0][0].tag
    gateway.wait_until(lambda: "3 keys are being verified ([limits] verifications)" in gateway.log(), 10, "telling")


async def test_keys_that_are_verified_at_a_time_for_one_stream(world: World, gateway: Gateway) -> None:
    async with await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), world.address(), SERVER) as nobody:
        world.nameserver.publish(nobody.sockets[0].getsockname()[0], "slow-0.test", "slow-1.test")
        async with dial(gateway.address, SERVER) as probe:
            await probe.prove(client_tls(world.bundle(world.authority.issue(PEER))), PEER, DOMAIN)
            for number in range(2):
                await probe.type(f"<db:result from='slow-{number}.test' to='{DOMAIN}'>0123456789</db:result>")
            answer = await probe.element()
    assert (answer.get("to"), answer.get("type")) == ("slow-1.test", "error")
    assert "resource-constraint" in answer[0][0].tag


async def test_bytes_before_any_proof(gateway: Gateway) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.open(PEER, DOMAIN)
        await probe.element()
        await probe.type(f"<a xmlns='b'>{'x' * 4200}")
        assert await probe.error() == "policy-violation"


async def test_bytes_of_a_stanza_of_a_component(gateway: Gateway) -> None:
    async with dial(gateway.address, COMPONENT_PORT) as probe:
        await probe.attach(COMPONENT, "secret")
        await probe.type(f"<message from='{COMPONENT}' to='{DOMAIN}' id='1'><body>{'x' * 12000}</body></message>")
        answer = await probe.element()
        assert (answer.get("id"), answer.get("type"), answer[0].get("type")) == ("1", "error", "modify")
        assert "more than 12000 bytes in one element" in "".join(answer.itertext())


async def test_bytes_of_a_stanza_of_a_client(gateway: Gateway) -> None:
    gateway.register(f"romeo@{PEOPLE}", PASSWORD)
    house: Any = SimpleNamespace(at=gateway.at, site=SimpleNamespace(domains=(PEOPLE,)))
    async with at_home(house, "romeo") as probe:
        await probe.type(f"<message to='romeo@{PEOPLE}' id='1'><body>{'x' * 10000}</body></message>")
        answer = await probe.element()
        assert (answer.get("id"), answer.get("type")) == ("1", "error")
        assert "more than 10000 bytes in one element" in "".join(answer.itertext())


async def test_ways_to_other_domains(world: World, gateway: Gateway) -> None:
    async with await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), world.address(), SERVER) as nobody:
        address = nobody.sockets[0].getsockname()[0]
        world.nameserver.publish(address, "far-0.test", "far-1.test", "far-2.test", "far-3.test")
        async with attached(gateway) as component:
            numbers = [component.send_message(f"a@far-{number}.test", "hello") for number in range(4)]
            for number in numbers[2:]:
                assert await component.expect_error(number) == "resource-constraint"
    told = "stanzas for far-2.test are answered with resource-constraint: 2 other routes are in use ([limits] routes)"
    assert gateway.log().count("([limits] routes)") == gateway.log().count(told) == 1


async def test_stanzas_that_wait_for_a_domain(world: World, gateway: Gateway) -> None:
    async with await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), world.address(), SERVER) as nobody:
        world.nameserver.publish(nobody.sockets[0].getsockname()[0], "silent.test")
        async with attached(gateway) as component:
            numbers = [component.send_message("a@silent.test", "hello") for _ in range(5)]
            for number in numbers[2:]:
                assert await component.expect_error(number) == "resource-constraint"
    assert (
        gateway.log().count("stanzas for silent.test are answered with resource-constraint: 2 are waiting already") == 1
    )


async def test_records_of_an_answer_of_the_dns(world: World, gateway: Gateway) -> None:
    """One domain names very many servers, none of which is there."""
    servers = [f"{number} 0 {7100 + number} many.test" for number in range(10)]
    world.nameserver.publish_records({"_xmpp-server._tcp.many.test": {"SRV": servers}})
    world.nameserver.publish_records({"many.test": {"A": [gateway.address]}})
    async with attached(gateway) as component:
        await component.expect_error(component.send_message("a@many.test", "hello"))
    assert gateway.log().count(f"{gateway.address}:71") == gateway.log().count(" refused") == 2


async def test_attempts_and_domains_that_are_remembered(world: World, gateway: Gateway) -> None:
    for number in range(5):
        for _ in range(3):
            domain = f"known-{number}.test"
            async with dial(gateway.address, SERVER) as probe:
                bundle = world.bundle(world.authority.issue(domain))
                await probe.prove(client_tls(bundle), domain, DOMAIN)
    remembered = [len(gateway.ask("explain", domain=f"known-{number}.test")["attempts"]) for number in range(5)]
    assert remembered == [0, 0, 2, 2, 2]


async def test_lines_of_the_log(world: World, gateway: Gateway) -> None:
    for _ in range(20):
        async with dial(gateway.address, SERVER) as probe:
            await probe.open("noisy.test", DOMAIN)
            await probe.type("<!DOCTYPE x>")
            assert await probe.error() == "restricted-xml"
    await asyncio.sleep(0.2)
    assert gateway.log().count("noisy.test") == 10
