"""Limits on the wire: reaching one ends in the standard's error and a line in the log that names the peer."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import Probe, client_tls, dial, header
from tests.interop.scripted import EXTERNAL, scripted
from tests.interop.world import World

DOMAIN, PEER = "limited.test", "peer.limits.test"
LIMITS = "{urn:xmpp:stream-limits:0}"
NESTED = "<a xmlns='urn:example'>"


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    return start_all(
        Gateway,
        DOMAIN,
        components={"component.limited.test": "secret"},
        options={
            "log": {"level": "info"},
            "limits": {"depth": 20, "elements": 200, "attributes": 40, "streams_per_address": 20},
            "peers": {PEER: {"stanza_bytes": 20000, "idle_seconds": 300}, "paced.test": {"stanzas_per_second": 20}},
        },
    )


async def proved(world: World, probe: Probe, domain: str = PEER):
    """A stream on which that domain is proved; returns the last features."""
    return await probe.prove(client_tls(world.bundle(world.authority.issue(domain))), domain, DOMAIN)


async def test_what_we_take_is_announced(world: World, gateway: Peer) -> None:
    async with dial(gateway.address, SERVER) as probe:
        features = await proved(world, probe)
        assert features.findtext(f"{LIMITS}limits/{LIMITS}max-bytes") == "20000"
        assert features.findtext(f"{LIMITS}limits/{LIMITS}idle-seconds") == "300"


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("<body>" + "x" * 20000 + "</body>", "more than 20000 bytes in one element"),
        (NESTED * 21 + "</a>" * 21, "more than 20"),
        (NESTED + "<b/>" * 200 + "</a>", "more than 200"),
    ],
    ids=["bytes", "depth", "elements"],
)
async def test_a_stanza_that_is_too_much_ends_alone(world: World, gateway: Peer, inside: str, told: str) -> None:
    async with dial(gateway.address, SERVER) as probe, attached(gateway) as component:
        await probe.prove(client_tls(world.bundle(world.authority.issue(PEER))), PEER, component.jid)
        await probe.type(f"<message from='a@{PEER}' to='{component.jid}'>{inside}</message>")
        await probe.type(f"<message from='a@{PEER}' to='{component.jid}'><body>{told}</body></message>")
        await component.expect_message(told)


async def test_too_many_attributes_end_the_stream(world: World, gateway: Peer) -> None:
    inside = NESTED.replace(">", "".join(f" a{number}='1'" for number in range(41)) + ">") + "</a>"
    async with dial(gateway.address, SERVER) as probe:
        await proved(world, probe)
        await probe.type(f"<message from='a@{PEER}' to='echo@{DOMAIN}'>{inside}</message>")
        assert await probe.error() == "policy-violation"
    ended = rf"stream from {PEER} \S+ to {DOMAIN}: ended .*policy-violation.*more than 40"
    gateway.wait_until(lambda: re.search(ended, gateway.log()) is not None, 10, "telling of it")


async def test_before_any_proof_little_is_taken(gateway: Peer) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.open(PEER, DOMAIN)
        await probe.element()
        with contextlib.suppress(OSError):
            await probe.type("<starttls xmlns='" + "x" * 10000)
        assert await probe.error() == "policy-violation"


async def test_whoever_sends_too_fast_is_read_more_slowly_and_nothing_is_dropped(world: World, gateway: Peer) -> None:
    loop = asyncio.get_running_loop()
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        bundle = world.bundle(world.authority.issue("paced.test"))
        await probe.prove(client_tls(bundle), "paced.test", "component.limited.test")
        message = "<message from='a@paced.test' to='component.limited.test'><body>{}</body></message>"
        began = loop.time()
        await probe.type("".join(map(message.format, range(60))))
        await component.expect_message("59")  # what has come, has come
        await probe.type(message.format(60))
        await component.expect_message("60")
        took = loop.time() - began
        for number in range(59):
            await component.expect_message(str(number))
    assert 1.5 < took < 6.0  # a burst of 20, and the other 40 at 20 a second


async def test_one_address_has_so_many_streams_and_others_are_not_disturbed(gateway: Peer) -> None:
    writers = []
    for _ in range(25):
        _, writer = await asyncio.open_connection(gateway.address, SERVER, local_addr=("127.2.0.1", 0))
        writers.append(writer)
    refused = "a connection from 127.2.0.1 was turned away: 20 streams from there have proved nothing"
    gateway.wait_until(lambda: refused in gateway.log(), 5, "telling of it")
    assert gateway.log().count("from 127.2.0.1 was turned away") == 1
    async with dial(gateway.address, SERVER) as probe:
        await probe.open(PEER, DOMAIN)
    for writer in writers:
        writer.transport.abort()


async def test_a_tight_loop_of_connecting_is_refused_at_once(gateway: Peer) -> None:
    loop = asyncio.get_running_loop()
    began, answered, refused = loop.time(), 0, 0
    while refused < 100 and loop.time() < began + 60:
        reader, writer = await asyncio.open_connection(gateway.address, SERVER, local_addr=("127.2.0.2", 0))
        is_refused = True  # also if the refusal was lost with the connection
        with contextlib.suppress(OSError):
            writer.write(header(PEER, DOMAIN).encode())
            is_refused = b"resource-constraint" in await reader.read(4096)
        refused += is_refused
        answered += not is_refused
        writer.transport.abort()
    assert refused == 100
    assert 590 <= answered <= 600 + 10 * (loop.time() - began + 1)  # 600 a minute
    assert "a connection from 127.2.0.2 was turned away: more than 600 came from there in a minute" in gateway.log()
    async with dial(gateway.address, SERVER) as probe:
        await probe.open(PEER, DOMAIN)


async def test_what_another_server_does_not_take_is_not_sent_to_it(world: World, gateway: Peer) -> None:
    small = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>1000</max-bytes></limits>"
    async with scripted(world, "small.test") as script, attached(gateway) as component:
        component.send_message("a@small.test", "first")
        probe = await script.encrypted(EXTERNAL)
        await probe.element()
        await probe.type("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
        probe.restart()
        await script.greet(probe, small)
        assert "first" in "".join((await probe.element()).itertext())
        large = component.send_message("a@small.test", "x" * 1000)
        component.send_message("a@small.test", "last")
        assert await component.expect_error(large) == "policy-violation"
        assert "last" in "".join((await probe.element()).itertext())


async def test_streams_that_we_would_open_count_as_well(start: Starter) -> None:
    options = {"limits": {"streams": 1}, "log": {"level": "info"}}
    full = start(Gateway, "full.test", components={"component.full.test": "secret"}, options=options)
    await asyncio.sleep(0.5)  # until those are gone who looked whether it is up
    async with attached(full) as component:
        numbers = [component.send_message("a@another.test", "hello") for _ in range(3)]
        for number in numbers:
            assert await component.expect_error(number) == "resource-constraint"
    told = "no stream was opened to another.test: 1 of 1 streams are open ([limits] streams)"
    assert full.log().count(told) == 1
