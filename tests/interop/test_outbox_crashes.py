"""With `keep = "all"`, a gateway that dies at any moment loses nothing that it has acknowledged to its sender.

The sender is a client with stream management (XEP-0198), so the test knows what was acknowledged. The far side stays
up. `make soak` kills the gateway 50 times for each kind of far side, and prints the account.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from gateway.outbox.window import MOST
from tests.interop.clients import PASSWORD, Client, Entity, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Ejabberd, Gateway, Peer, Prosody

KILLS = int(os.environ.get("OUTBOX_KILLS", "3"))
SEED = int(os.environ.get("OUTBOX_SEED", "14"))
LONGEST_SECONDS = 1.5  # of sending before a kill
BLOCK = 20  # messages sent at a time
QUIET_SECONDS = 5.0  # without a message, and nothing more will come
ARRIVAL_SECONDS = 60.0  # on a busy machine
OURS = "crash.test"


@dataclass
class Account:
    """What was sent, what of it was not acknowledged, what has arrived, and how much had at each kill."""

    sent: list[str] = field(default_factory=list)
    unacknowledged: set[str] = field(default_factory=set)
    arrived: list[str] = field(default_factory=list)
    at_kills: list[int] = field(default_factory=list)

    def watch(self, receiver: Entity) -> None:
        """Note all that arrives there from now on."""
        receiver.xmpp.add_event_handler("message", lambda message: self.arrived.append(message["body"]))

    def block(self, life: int) -> list[str]:
        """Return the next bodies to be sent."""
        bodies = [f"{life}-{len(self.sent) + place}" for place in range(BLOCK)]
        self.sent += bodies
        self.unacknowledged |= set(bodies)
        return bodies

    @property
    def lost(self) -> list[str]:
        """What was acknowledged and has not arrived."""
        there = set(self.arrived)
        return [each for each in self.sent if each not in self.unacknowledged and each not in there]

    @property
    def doubles(self) -> list[int]:
        """How many stanzas arrived again: before the first kill, and after each."""
        known: set[str] = set()
        again: Counter[int] = Counter()
        for place, each in enumerate(self.arrived):
            if each in known:
                again[sum(before <= place for before in self.at_kills)] += 1
            known.add(each)
        return [again[kill] for kill in range(len(self.at_kills) + 1)]

    @property
    def is_in_order(self) -> bool:
        """Return whether what arrived, without doubles, is in the order in which it was sent."""
        first = list(dict.fromkeys(self.arrived))
        return first == [each for each in self.sent if each in set(first)]

    def __str__(self) -> str:
        return (
            f"{len(self.at_kills)} kills; {len(self.sent)} sent, {len(self.unacknowledged)} never acknowledged,"
            f" {len(self.lost)} lost, {sum(self.doubles)} twice, at most {max(self.doubles)} after one kill;"
            f" {'in order' if self.is_in_order else 'OUT OF ORDER'}"
        )


def gateway(start: Starter) -> Gateway:
    """Return a gateway with an account, which keeps everything before it sends it."""
    options = {"domains": {OURS: {"serve": "im"}}, "peers": {"any": {"keep": "all"}}}
    ours = start(Gateway, OURS, options=options, verbose=False)
    assert isinstance(ours, Gateway)
    ours.register(f"juliet@{OURS}", PASSWORD)
    return ours


def juliet(ours: Peer, account: Account) -> Client:
    """Return a client that learns what of its messages was acknowledged, and sends nothing again."""
    client = user(ours, "juliet", available=False)
    client.xmpp.register_plugin("xep_0198", {"allow_resume": False})
    client.xmpp.add_event_handler("stanza_acked", lambda stanza: account.unacknowledged.discard(stanza["body"]))
    return client


async def talk(client: Client, to: str, life: int, account: Account) -> None:
    """Send messages as fast as the connection takes them."""
    while True:
        for body in account.block(life):
            client.send_message(to, body)
        await asyncio.sleep(0.005)


async def arrival(ours: Peer, account: Account) -> None:
    """Wait until all that was acknowledged has arrived, and nothing more comes."""
    loop = asyncio.get_running_loop()
    deadline, since, before = loop.time() + ARRIVAL_SECONDS, loop.time(), -1
    while loop.time() < deadline and (account.lost or loop.time() < since + QUIET_SECONDS):
        if before != len(account.arrived):
            since, before = loop.time(), len(account.arrived)
        await asyncio.sleep(0.2)


@pytest.mark.parametrize(("kind", "demands"), [(Prosody, {"stream_management": True}), (Ejabberd, {})])
async def test_kills_at_random_moments_lose_nothing_and_double_no_more_than_a_window(
    start: Starter, kind: type[Peer], demands: dict[str, Any]
) -> None:
    chance, account = Random(SEED), Account()
    far = start(kind, f"far.{kind.name.lower()}.test", verbose=False, **demands)
    ours = gateway(start)
    async with user(far, "romeo") as romeo:
        account.watch(romeo)
        for life in range(KILLS):
            async with juliet(ours, account) as sender:
                talking = asyncio.create_task(talk(sender, romeo.jid, life, account))
                await asyncio.sleep(chance.uniform(0.05, LONGEST_SECONDS))
                ours.kill()
                account.at_kills.append(len(account.arrived))
                talking.cancel()
                sender.abort()
            await asyncio.to_thread(ours.start)
        await arrival(ours, account)
    print(f"\n{kind.name} {demands or ''}: {account}")
    assert len(account.sent) - len(account.unacknowledged) > KILLS * BLOCK
    assert account.lost == []
    assert account.is_in_order
    assert max(account.doubles) <= MOST
