"""Strangers who flood an account that is offline: its owner does not wait behind them, nor do other strangers."""

from __future__ import annotations

import asyncio

import pytest
from slixmpp.exceptions import IqError

from tests.interop.clients import PASSWORD, Component, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT
from tests.interop.probe import dial
from tests.support.accounts import HERE
from tests.support.doors import House

OURS, FLOODING, HONEST, SECRET = "owned.test", "flood.strangers.test", "honest.others.test", "secret"
ALICE = f"alice@{OURS}"
FLOOD = 900  # fewer than may wait
PING = "<ping xmlns='urn:xmpp:ping'/>"


def request(to: str, id_: str) -> str:
    return f"<iq type='get' id='{id_}' from='a@{FLOODING}' to='{to}'>{PING}</iq>"


def message(number: int) -> str:
    """A message that is kept, because nobody is available."""
    return f"<message from='a@{FLOODING}' to='{ALICE}'><body>{number}</body></message>"


async def test_the_owner_and_others_are_answered_before_a_flood_is_dealt_with(start: Starter) -> None:
    gateway = start(
        Gateway, OURS, components={FLOODING: SECRET, HONEST: SECRET}, options={"domains": {OURS: {"serve": "im"}}}
    )
    assert isinstance(gateway, Gateway)
    gateway.register(ALICE, PASSWORD)
    address = gateway.at(COMPONENT)
    async with (
        dial(*address) as flooding,
        Component(HONEST, SECRET, address) as honest,
        user(gateway, "alice", available=False) as alice,
    ):
        await flooding.attach(FLOODING, SECRET)
        messages = "".join(map(message, range(FLOOD)))
        await flooding.type(messages + request(ALICE, "behind them") + request(OURS, "all has come"))
        assert (await flooding.element()).get("id") == "all has come"
        behind = asyncio.create_task(flooding.element())
        await alice.request(ALICE, PING)
        assert not behind.done(), "the owner waits behind strangers"
        with pytest.raises(IqError):
            await honest.request(ALICE, PING)
        assert not behind.done(), "strangers wait behind others"
        assert (await behind).get("id") == "behind them"


def test_what_a_client_has_sent_is_acknowledged_before_a_flood_is_dealt_with() -> None:
    house = House("alice", "bob", slow=True)
    bob = house.connect().login("bob")
    house.store.answer_all()
    bob.say("<enable xmlns='urn:xmpp:sm:3'/>")
    bob.heard()
    house.arrive(*[f"<message from='a@{FLOODING}' to='alice@{HERE}'><body>{n}</body></message>" for n in range(20)])
    bob.say(f"<message to='alice@{HERE}'><body>art thou there?</body></message><r xmlns='urn:xmpp:sm:3'/>")
    answers = 0
    while "<a " not in bob.heard():
        house.store.answer()
        answers += 1
    assert answers <= 4, "the look-up, one message of the flood, and this one"
