"""F-D-1: stanzas to a component that is not attached come back with remote-server-timeout of type wait."""

from __future__ import annotations

import asyncio

import pytest
from slixmpp.exceptions import IqError

from tests.interop.clients import Entity, attached, condition, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer

BRIDGE = "component.d1.test"


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    """A gateway with a component that nobody has attached, and one that somebody will."""
    return start_all(Gateway, "d1.test", components={BRIDGE: "secret", "asks.d1.test": "secret"})


async def _error_of(asker: Entity, to: str) -> tuple[str, str]:
    with pytest.raises(IqError) as error:
        await asker.request(to, "<ping xmlns='urn:xmpp:ping'/>")
    return error.value.iq["error"]["type"], condition(error.value.iq)


async def test_f_d_1_nobody_was_ever_attached(gateway: Peer, prosody: Peer) -> None:
    """A request from another server is answered as it would be for a server that is down."""
    async with user(prosody, "romeo") as romeo:
        assert await _error_of(romeo, f"nurse@{BRIDGE}/x") == ("wait", "remote-server-timeout")


async def test_f_d_1_a_component_that_goes_while_a_request_waits(gateway: Peer, prosody: Peer) -> None:
    """A request that the component has not answered when it goes is answered in the same way."""
    async with user(prosody, "romeo") as romeo:
        async with attached(gateway) as component:
            component.mute()
            asking = asyncio.create_task(_error_of(romeo, f"nurse@{component.jid}"))
            await component.expect(lambda stanza: stanza["type"] == "get")
        assert await asking == ("wait", "remote-server-timeout")
