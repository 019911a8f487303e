"""Stream management (XEP-0198) with Prosody, which has it between servers without resumption.

What was not acknowledged when a connection broke goes out again on the next one, in either direction.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.faults.proxy import Wire
from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import SERVER
from tests.interop.world import World

COMPONENT = "component.managed-gateway.test"


@pytest.fixture
def managed(start: Starter) -> Peer:
    return start(Prosody, "managed.test", stream_management=True)


@pytest.fixture
def gateway(start: Starter) -> Peer:
    return start(Gateway, "managed-gateway.test", components={COMPONENT: "secret"})


async def test_both_acknowledge_what_they_have_handled(gateway: Peer, managed: Peer) -> None:
    async with attached(gateway) as component, user(managed, "romeo") as romeo:
        for number in range(3):
            romeo.send_message(f"nurse@{COMPONENT}", f"message {number}")
            heard = await component.expect_message(f"message {number}")
            component.send_message(str(heard["from"]), f"answer {number}")
            await romeo.expect_message(f"answer {number}")
        # Prosody counts from the second stanza on, since it sends the first one before it enables the counting.
        managed.wait_until(lambda: acknowledged_by_us(managed) == 2, 5, "told of two stanzas")
        assert "#queue = 0 (acked: 1)" in managed.log()
        assert "Received ack request, acking for 3" in managed.log()


async def test_what_was_on_its_way_when_the_connection_broke_arrives(
    world: World, gateway: Peer, managed: Peer
) -> None:
    async with (
        Wire(world.address(), SERVER, to=managed.at(SERVER)) as wire,
        attached(gateway) as component,
        user(managed, "romeo") as romeo,
    ):
        world.nameserver.publish(wire.address, "managed.test")
        component.send_message(romeo.jid, "before")
        await romeo.expect_message("before")
        wire.freeze()
        for number in range(5):
            component.send_message(romeo.jid, f"message {number}")
        await until(lambda: "5 stanzas" in unread(gateway))
        wire.cut()
        wire.thaw()
        for number in range(5):
            await romeo.expect_message(f"message {number}")
    # The first one may have lost its acknowledgement.
    assert re.search("[56] unacknowledged stanzas are sent again", gateway.log())


async def test_what_prosody_had_on_its_way_to_us_arrives_or_its_sender_is_told(
    world: World, gateway: Peer, managed: Peer
) -> None:
    async with (
        Wire(world.address(), SERVER, to=gateway.at(SERVER)) as wire,
        attached(gateway) as component,
        user(managed, "romeo") as romeo,
    ):
        world.nameserver.publish(wire.address, COMPONENT)
        romeo.send_message(f"nurse@{COMPONENT}", "before")
        await component.expect_message("before")
        wire.freeze()
        sent = {romeo.send_message(f"nurse@{COMPONENT}", f"message {number}") for number in range(5)}
        # Answered behind them: they are on their way.
        await romeo.request("managed.test", "<ping xmlns='urn:xmpp:ping'/>")
        wire.cut()
        wire.thaw()
        await until(lambda: len(errors(romeo.inbox)) + len(component.inbox) == len(sent))
        assert {heard["id"] for heard in component.inbox} | errors(romeo.inbox) == sent


@pytest.mark.parametrize("opened_by", ["us", "them"])
async def test_what_was_on_its_way_on_a_stream_in_both_directions_arrives(
    world: World, start: Starter, gateway: Peer, opened_by: str
) -> None:
    both_ways = start(Prosody, "both-ways.test", bidi=True, stream_management=True)
    broken = gateway if opened_by == "them" else both_ways
    async with (
        Wire(world.address(), SERVER, to=broken.at(SERVER)) as wire,
        attached(gateway) as component,
        user(both_ways, "romeo") as romeo,
    ):
        world.nameserver.publish(wire.address, COMPONENT if opened_by == "them" else "both-ways.test")
        if opened_by == "them":
            for number in range(3):  # Prosody begins to count after its first stanza
                romeo.send_message(f"nurse@{COMPONENT}", f"before {number}")
                await component.expect_message(f"before {number}")
        component.send_message(romeo.jid, "before")
        await romeo.expect_message("before")
        assert wire.opened == 1
        wire.freeze()
        for number in range(5):
            component.send_message(romeo.jid, f"message {number}")
        await until(lambda: "5 stanzas" in unread(gateway))
        wire.cut()
        wire.thaw()
        for number in range(5):
            await romeo.expect_message(f"message {number}")
    assert re.search("[56] unacknowledged stanzas are sent again", gateway.log())


async def until(condition: Callable[[], bool]) -> None:
    """Wait, and let everything else go on."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def errors(inbox: Sequence[Any]) -> set[str]:
    """The ids of the messages that came back."""
    return {str(stanza["id"]) for stanza in inbox if stanza["type"] == "error"}


def unread(gateway: Peer) -> str:
    """Return how many stanzas the gateway has sent after the first one."""
    sent = re.findall(rf"(\d+) stanzas? \(\d+ bytes\) went out from {COMPONENT}", gateway.log())
    return f"{sum(map(int, sent)) - 1} stanzas"


def acknowledged_by_us(prosody: Peer) -> int:
    """The highest h that we have sent to a Prosody."""
    return max((int(h) for h in re.findall(r"Received\[s2sout\S*\]: <a [^>]*\bh='(\d+)'", prosody.log())), default=0)
