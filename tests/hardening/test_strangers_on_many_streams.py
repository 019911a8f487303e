"""Streams that have proved nothing, many at once: established streams are served in between, and so are newcomers."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, ExitStack

from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactor

from gateway.net.connection.reading_turns import SMALL_BYTES, ReadingTurns
from gateway.net.listen.listening import ACCEPTED_IN_A_TURN, accept_few
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.probe import Probe, client_tls, dial, header
from tests.interop.world import World
from tests.support.talk import CLOSING_TAG
from tests.support.talk import header as header_of_theirs
from tests.support.wire import Wire

OURS, BRIDGE = "turns.test", "bridge.turns.test"
STRANGERS, KEYS = 20, 1000
SECONDS_IN_A_TURN = 0.3
SENDER, SENDERS, MESSAGES = "much.test", 20, 5000
DROPPED = f"<message type='error' from='a@{SENDER}' to='x@{OURS}'><body>x</body></message>"
KEY = f"<db:verify from='flood.test' to='{OURS}' id='x'>a</db:verify>"
PING = f"<iq type='get' id='ping' from='a@{BRIDGE}' to='{OURS}'><ping xmlns='urn:xmpp:ping'/></iq>"


class Flood:
    """Strangers whose every read costs a third of what all of them may take in one turn."""

    def __init__(self, cost: float = SECONDS_IN_A_TURN / 3) -> None:
        self.clock = Clock()
        self._cost = cost
        self.reads = ReadingTurns(self.clock, SECONDS_IN_A_TURN)
        self.taken: list[str] = []
        self.waiting = 0

    def read(self, what: str, address: str = "192.0.2.1:1") -> None:
        def take() -> None:
            self.clock.rightNow += self._cost
            self.taken.append(what)

        began = self.reads.begin()
        if began is None:
            self.reads.take_later(address, take)
            self.waiting += 1
        else:
            take()
            self.reads.end(began)

    def turn(self) -> None:
        """Run what is due, but not what that asks for: the reactor leaves it for its next turn."""
        self.taken.clear()
        for call in list(self.clock.calls):
            call.func(*call.args, **call.kw)
            call.cancel()


def test_one_turn_takes_what_fits_in_it_and_the_next_goes_on() -> None:
    flood = Flood()
    for number in range(8):
        flood.read(str(number))
    assert (flood.taken, flood.waiting) == (["0", "1", "2"], 5)
    flood.turn()
    assert flood.taken == ["3", "4", "5"]
    flood.turn()
    assert flood.taken == ["6", "7"]
    flood.turn()
    flood.turn()
    assert not flood.clock.getDelayedCalls()


def test_another_address_has_the_next_turn_but_one() -> None:
    flood = Flood()
    for number in range(100):
        flood.read(str(number), f"192.0.2.1:{number}")
    flood.read("honest", "192.0.2.2:1")
    flood.turn()
    assert "honest" in flood.taken


def test_reads_that_come_later_do_not_overtake() -> None:
    flood = Flood()
    for number in range(4):
        flood.read(str(number))
    flood.clock.rightNow += 1
    flood.read("4")
    flood.turn()
    assert flood.taken == ["3", "4"]


def test_reads_cost_no_timer_while_they_are_few() -> None:
    flood = Flood(cost=SECONDS_IN_A_TURN / 10)
    for number in range(10):
        flood.read(str(number))
        flood.clock.rightNow += 2 * SECONDS_IN_A_TURN
    assert (len(flood.taken), flood.waiting) == (10, 0)
    assert not flood.clock.getDelayedCalls()


def test_a_share_ends_with_its_turn() -> None:
    flood = Flood()
    for number in range(10):
        flood.read(str(number))
        flood.turn()
    assert flood.waiting == 0


def test_a_read_that_took_long_has_others_wait_for_a_turn() -> None:
    flood = Flood()
    assert flood.reads.begin() == 0
    flood.clock.rightNow += 10 * SECONDS_IN_A_TURN
    flood.reads.end(0)
    flood.read("next")
    assert flood.waiting == 1


def test_a_port_accepts_few_in_one_turn() -> None:
    class Counting(Protocol):
        made = 0

        def connectionMade(self) -> None:
            Counting.made += 1

    port = Port(0, ServerFactory.forProtocol(Counting), interface="127.0.0.1", reactor=MemoryReactor())
    port.startListening()
    accept_few(port)
    with ExitStack() as stack:
        for _ in range(3 * ACCEPTED_IN_A_TURN):
            stack.enter_context(socket.create_connection(("127.0.0.1", port.getHost().port)))
        for turn in range(1, 4):
            port.doRead()
            assert Counting.made == turn * ACCEPTED_IN_A_TURN
    port.connectionLost(None)


def message(number: int, size: int) -> str:
    return f"<message id='{number}' from='a@theirs.test' to='b@ours.test'><body>{'x' * size}</body></message>"


def overtaken() -> Wire:
    """An established stream, in a turn of which other large reads have taken everything."""
    wire = Wire(in_turns=True).type(header_of_theirs())
    wire.clock.advance(0)
    wire.log.clear()
    assert wire.shares is not None
    began = wire.shares.large.begin()
    assert began is not None
    wire.clock.rightNow += 1
    wire.shares.large.end(began)
    return wire


def test_a_small_read_is_taken_at_once_and_a_large_one_in_its_turn() -> None:
    wire = overtaken().type(message(1, 10), message(2, SMALL_BYTES), message(3, 10))
    assert wire.log == ["stanzas: 1", "transport: pause"]
    wire.clock.advance(0)
    assert wire.log[2:] == ["stanzas: 2", "transport: resume", "stanzas: 3"]


def test_what_was_read_counts_when_the_other_side_has_gone() -> None:
    wire = overtaken().type(message(1, SMALL_BYTES)).leave()
    assert wire.log[1:3] == ["stanzas: 1", "left"]
    wire.clock.advance(0)
    assert wire.log.count("stanzas: 1") == 1


def test_what_was_read_behind_our_closing_tag_counts_when_the_other_side_has_gone() -> None:
    wire = overtaken()
    wire.connection.close()
    wire.type(message(1, SMALL_BYTES) + CLOSING_TAG.decode()).leave()
    assert "stanzas: 1" in wire.log
    assert wire.ending.closed


def test_nothing_more_is_read_behind_our_closing_tag_while_a_read_waits_for_its_turn() -> None:
    wire = overtaken().type(message(1, SMALL_BYTES))
    wire.connection.close()
    assert "transport: resume" not in wire.log
    wire.clock.advance(0)
    assert wire.log[-2:] == ["stanzas: 1", "transport: resume"]


def test_nothing_counts_after_we_have_cut_the_connection() -> None:
    wire = overtaken().type(message(1, SMALL_BYTES))
    wire.connection.abort("for a test")
    wire.leave()
    wire.clock.advance(0)
    assert "stanzas: 1" not in wire.log


def test_what_comes_while_the_stream_closes_does_not_overtake() -> None:
    wire = overtaken().type(message(1, SMALL_BYTES))
    wire.connection.close()
    wire.type(message(2, 10))
    wire.clock.advance(0)
    assert [line for line in wire.log if "stanzas" in line] == ["stanzas: 1", "stanzas: 2"]


async def ask_about_keys(probe: Probe) -> None:
    """Ask about very many keys at once, and wait for the answers."""
    await probe.type(header("flood.test", OURS) + KEY * KEYS)
    await probe.header()
    for _ in range(1 + KEYS):
        await probe.element(120)


async def test_a_component_is_served_while_strangers_ask_about_keys(world: World, start: Starter) -> None:
    gateway = start(Gateway, OURS, components={BRIDGE: "secret"}, verbose=False)
    assert isinstance(gateway, Gateway)
    async with AsyncExitStack() as stack:
        component = await stack.enter_async_context(dial(gateway.address, COMPONENT))
        await component.attach(BRIDGE, "secret")
        probes = [await stack.enter_async_context(dial(gateway.address, SERVER)) for _ in range(STRANGERS)]
        floods = asyncio.gather(*map(ask_about_keys, probes))
        assert await pings_during(floods, component) > 2 * STRANGERS


async def test_a_component_is_served_while_domains_send_without_end(world: World, start: Starter) -> None:
    """These stanzas are dropped as soon as they are read, so nothing but reading slows their senders down."""
    gateway = start(Gateway, OURS, components={BRIDGE: "secret"}, verbose=False)
    assert isinstance(gateway, Gateway)
    context = client_tls(world.bundle(world.authority.issue(SENDER)))
    async with AsyncExitStack() as stack:
        component = await stack.enter_async_context(dial(gateway.address, COMPONENT))
        await component.attach(BRIDGE, "secret")
        probes = [await stack.enter_async_context(dial(gateway.address, SERVER)) for _ in range(SENDERS)]
        for probe in probes:
            await probe.prove(context, SENDER, OURS)
        floods = asyncio.gather(*(send_much(probe) for probe in probes))
        assert await pings_during(floods, component) > 2 * SENDERS


async def send_much(probe: Probe) -> None:
    """Send many stanzas, and close the stream; the answer comes when all of them are read."""
    await probe.type(DROPPED * MESSAGES + "</stream:stream>")
    await probe.ended(120)


async def pings_during(floods: asyncio.Future[list[None]], component: Probe) -> int:
    """Return how many pings of the component are answered meanwhile."""
    answered = 0
    while not floods.done():
        await component.type(PING)
        await component.element(120)
        answered += 1
    await floods
    return answered
