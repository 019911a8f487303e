"""With `keep = "all"`, a gateway that dies at any moment loses nothing that it has acknowledged to its sender.

It dies by SIGKILL at random moments, or inside a certain fdatasync; or that fdatasync fails. The far side stays up. The
sender is a client with stream management (XEP-0198), so the test knows what was acknowledged. `make soak` does each
50 times, in rounds of five, and prints the accounts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from gateway.outbox.window import MOST
from tests.interop.clients import PASSWORD, Client, Entity, LoginError, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Ejabberd, Gateway, Peer, PeerError, Prosody

TIMES = int(os.environ.get("OUTBOX_KILLS", "0"))  # 0: a handful
SEED = int(os.environ.get("OUTBOX_SEED", "14"))
ROUND = 5
LONGEST_SECONDS = 1.0  # of sending before a kill
BLOCK = 20  # messages sent at a time
PATIENCE_SECONDS = 30.0  # of a busy machine
HEARD_SECONDS = 0.2
QUIET_SECONDS = 4.0  # without a message, and nothing more will come
ARRIVAL_SECONDS = 150.0  # ejabberd may refuse a gateway that was killed for 42 s; and the machine may be busy
OURS = "crash.test"
MANAGED = {"stream_management": True}

RANDOM = ""  # SIGKILL at a random moment; others are what strace injects into an fdatasync


def rounds(kind: type[Peer], demands: dict[str, Any], endings: Sequence[str]) -> list[Any]:
    """Return the parameters of some tests, each with a few endings."""
    name = endings[0].partition(":")[0] or "kill"
    return [
        pytest.param(kind, demands, endings[at : at + ROUND], SEED + at, id=f"{kind.name}-{len(demands)}-{name}-{at}")
        for at in range(0, len(endings), ROUND)
    ]


def inside(fault: str, places: Sequence[int]) -> list[str]:
    """Return endings inside an fdatasync of a thread: the first, the second ..."""
    return [f"{fault}:when={place}" for place in places]


KILL, FAIL = "signal=KILL", "error=EIO"
CASES = (
    [
        *rounds(Prosody, MANAGED, [RANDOM] * TIMES),
        *rounds(Prosody, {}, [RANDOM] * TIMES),
        *rounds(Ejabberd, {}, [RANDOM] * TIMES),
        *rounds(Prosody, MANAGED, inside(KILL, range(1, TIMES + 1))),
        *rounds(Prosody, MANAGED, inside(FAIL, range(1, TIMES + 1))),
    ]
    if TIMES
    else [
        *rounds(Prosody, MANAGED, [RANDOM, *inside(KILL, [4, 17]), *inside(FAIL, [2])]),
        *rounds(Prosody, {}, [RANDOM]),
    ]
)


class Faulty(Gateway):
    """A gateway into whose fdatasync something is injected."""

    ending = RANDOM

    def command(self) -> list[str]:
        if not self.ending:
            return super().command()
        inject = f"fdatasync:{self.ending}"
        return [sys.executable, "-m", "tests.support.hampered", "--inject", inject, *super().command()]


@dataclass
class Account:
    """What was sent, what of it was not acknowledged, refused, has arrived, and how much had at each end."""

    sent: list[str] = field(default_factory=list)
    unacknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    arrived: list[str] = field(default_factory=list)
    at_ends: list[int] = field(default_factory=list)

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
        """Return what was acknowledged, has not arrived, and was not refused."""
        ended = {*self.arrived, *self.refused}
        return [each for each in self.sent if each not in self.unacknowledged and each not in ended]

    @property
    def doubles(self) -> list[int]:
        """Return how many stanzas arrived again: before the first end, and after each."""
        known: set[str] = set()
        again: Counter[int] = Counter()
        for place, each in enumerate(self.arrived):
            if each in known:
                again[sum(before <= place for before in self.at_ends)] += 1
            known.add(each)
        return [again[end] for end in range(len(self.at_ends) + 1)]

    @property
    def is_in_order(self) -> bool:
        """Return whether what arrived, without doubles, is in the order in which it was sent."""
        first = list(dict.fromkeys(self.arrived))
        return first == [each for each in self.sent if each in set(first)]

    def __str__(self) -> str:
        doubles, order = self.doubles, "in order" if self.is_in_order else "OUT OF ORDER"
        return (
            f"{len(self.at_ends)} ends; {len(self.sent)} sent, {len(self.unacknowledged)} never acknowledged,"
            f" {len(self.refused)} refused, {len(self.lost)} lost, {sum(doubles)} twice, at most {max(doubles)} after"
            f" one end; {order}"
        )


def gateway(start: Starter) -> Faulty:
    """Return a gateway with an account, which keeps everything before it sends it."""
    options = {"domains": {OURS: {"serve": "im"}}, "peers": {"any": {"keep": "all"}}}
    ours = start(Faulty, OURS, options=options, verbose=False)
    assert isinstance(ours, Faulty)
    ours.register(f"juliet@{OURS}", PASSWORD)
    return ours


def juliet(ours: Peer, account: Account) -> Client:
    """Return a client that learns what happens to its messages, and sends nothing again."""
    client = user(ours, "juliet", available=False)
    client.xmpp.register_plugin("xep_0198", {"allow_resume": False})
    client.xmpp.add_event_handler("stanza_acked", lambda stanza: account.unacknowledged.discard(stanza["id"]))
    client.xmpp.add_event_handler("message_error", lambda message: account.refused.add(message["id"]))
    return client


async def talk(client: Client, to: str, life: int, account: Account) -> None:
    """Send messages as fast as the connection takes them, while there is one."""
    while client.xmpp.is_connected():
        for body in account.block(life):
            message = client.xmpp.make_message(mto=to, mbody=body, mtype="chat")
            message["id"] = body
            message.send()
        await asyncio.sleep(0.005)


def is_injected(ours: Faulty) -> bool:
    """Return whether what was to be injected has been: the process has ended, or has logged the error."""
    if KILL in ours.ending:
        return ours._process is not None and ours._process.poll() is not None
    return "disk I/O error" in ours.log()


async def end(account: Account) -> None:
    """Note an end when all has arrived that the gateway had said before."""
    before = -1
    while before != len(account.arrived):
        before = len(account.arrived)
        await asyncio.sleep(HEARD_SECONDS)
    account.at_ends.append(before)


async def some_are_acknowledged(account: Account) -> None:
    """Wait for more than a block, without which an end would show nothing; in later lives there are as many already."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(account.sent) - len(account.unacknowledged) <= BLOCK:
            await asyncio.sleep(0.01)


async def live(ours: Faulty, to: str, life: int, account: Account, chance: Random) -> None:
    """Let the gateway live once: start it, send, and see it end; it may end before it has started."""
    try:
        await asyncio.to_thread(ours.start)
        async with juliet(ours, account) as sender:
            talking = asyncio.create_task(talk(sender, to, life, account))
            if ours.ending == RANDOM:
                await some_are_acknowledged(account)
            longest = LONGEST_SECONDS if KILL not in ours.ending else 10 * LONGEST_SECONDS
            seconds = chance.uniform(0.05, longest) if ours.ending == RANDOM else longest
            with suppress(TimeoutError):
                await sender.disconnected(seconds)
            if ours.ending != RANDOM:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not is_injected(ours):
                        await asyncio.sleep(0.05)
            ours.kill()
            await end(account)
            talking.cancel()
            sender.abort()
    except (PeerError, LoginError, OSError):
        assert KILL in ours.ending
        ours.kill()
        await end(account)


async def arrival(account: Account) -> None:
    """Wait until all that was acknowledged has arrived, and nothing more comes."""
    loop = asyncio.get_running_loop()
    deadline, since, before = loop.time() + ARRIVAL_SECONDS, loop.time(), -1
    while loop.time() < deadline and (account.lost or loop.time() < since + QUIET_SECONDS):
        if before != len(account.arrived):
            since, before = loop.time(), len(account.arrived)
        await asyncio.sleep(0.2)


@pytest.mark.parametrize(("kind", "demands", "endings", "seed"), CASES)
async def test_nothing_is_lost_and_at_most_a_window_comes_twice(
    start: Starter, kind: type[Peer], demands: dict[str, Any], endings: Sequence[str], seed: int
) -> None:
    if any(endings) and shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    chance, account = Random(seed), Account()
    far = start(kind, f"far.{kind.name.lower()}.test", verbose=False, **demands)
    ours = gateway(start)
    ours.stop()
    async with user(far, "romeo") as romeo:
        account.watch(romeo)
        for life, ours.ending in enumerate(endings):
            await live(ours, romeo.jid, life, account, chance)
        ours.ending = RANDOM
        await asyncio.to_thread(ours.start)
        await arrival(account)
    print(f"\n{kind.name} {'with' if demands else 'without'} XEP-0198, {', '.join(filter(None, endings))}: {account}")
    if KILL not in endings[0]:  # the first few syncs are those of a start
        assert len(account.sent) - len(account.unacknowledged) > BLOCK
    assert account.lost == []
    assert account.is_in_order
    assert not account.refused.intersection(account.arrived), "what was refused does not come back"
    assert max(account.doubles) <= MOST
