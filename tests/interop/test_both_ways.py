"""Streams in both directions (XEP-0288), with Prosody: one connection carries messages and their answers.

Prosody asks for it and proves itself in one breath, and expects to be spoken to as soon as it has said <success/>.
"""

from __future__ import annotations

import re

import pytest

from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody


@pytest.fixture
def two_way(start: Starter) -> Peer:
    return start(Prosody, "two-way.test", bidi=True)


def streams(gateway: Peer, *, with_domain: str) -> list[str]:
    """Return which streams were open between the gateway and that domain: 'in' or 'out', in order."""
    found = re.findall(r"stream from (\S+)(?: \(\S+\))? to (\S+)(?: \(\S+\))? established", gateway.log())
    return [("in" if sender == with_domain else "out") for sender, target in found if with_domain in (sender, target)]


async def test_answers_come_back_on_the_stream_that_prosody_opened(start: Starter, two_way: Peer) -> None:
    gateway = start(Gateway, "gateway-two.test")
    async with user(two_way, "romeo") as romeo:
        romeo.send_message("echo@gateway-two.test", "O, speak again")
        await romeo.expect_message("O, speak again")
        answer = await romeo.request("gateway-two.test", "<ping xmlns='urn:xmpp:ping'/>")
        assert answer["type"] == "result"
    assert streams(gateway, with_domain="two-way.test") == ["in"]


async def test_answers_come_back_on_the_stream_that_we_opened(start: Starter, two_way: Peer) -> None:
    gateway = start(Gateway, "gateway-two.test", components={"component.gateway-two.test": "secret"})
    async with attached(gateway) as component, user(two_way, "romeo") as romeo:
        answer = await component.request("two-way.test", "<ping xmlns='urn:xmpp:ping'/>")
        assert answer["type"] == "result"
        component.send_message(romeo.jid, "Anon, good nurse!")
        heard = await romeo.expect_message("Anon, good nurse!")
        romeo.send_message(str(heard["from"]), "Stay but a little")
        await component.expect_message("Stay but a little")
    assert streams(gateway, with_domain="two-way.test") == ["out"]


async def test_where_we_do_not_want_it_each_direction_has_its_stream(start: Starter, two_way: Peer) -> None:
    gateway = start(Gateway, "gateway-two.test", options={"peers": {"any": {"bidi": False}}})
    async with user(two_way, "romeo") as romeo:
        romeo.send_message("echo@gateway-two.test", "O, speak again")
        await romeo.expect_message("O, speak again")
    assert streams(gateway, with_domain="two-way.test") == ["in", "out"]
