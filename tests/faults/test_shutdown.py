"""Shutdown: what was written arrives, whatever a component does with our closing tag; the log says what may be lost."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from tests.faults import log
from tests.faults.components import Answer, Component
from tests.faults.sides import SECRET
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT

MESSAGES = 200
SINK = "sink.here.test"
SHUTDOWN_SECONDS = 5


@pytest.mark.parametrize(
    ("answer", "is_deaf", "named"),
    [
        (Answer.CLOSES, False, 0),
        (Answer.LEAVES, False, 0),
        (Answer.NOTHING, False, MESSAGES),
        (Answer.NOTHING, True, MESSAGES),
    ],
)
async def test_what_was_written_before_a_shutdown_arrives(
    start: Starter, answer: Answer, is_deaf: bool, named: int
) -> None:
    server = start(Gateway, "here.test", components=dict.fromkeys(("source.here.test", SINK), SECRET))
    heard: list[str] = []

    async def everything_is_heard() -> None:
        async with asyncio.timeout(60):
            while len(heard) < MESSAGES:
                await asyncio.sleep(0.05)

    async with (
        Component("source.here.test", SECRET, server.at(COMPONENT), lambda _: None) as source,
        Component(SINK, SECRET, server.at(COMPONENT), lambda stanza: heard.append(stanza.id), answer) as sink,
    ):
        if is_deaf:
            sink.deafen()
        await source.send("".join(map(message, range(MESSAGES))).encode())
        if is_deaf:
            await asyncio.to_thread(server.wait_until, lambda: f"to {SINK}\n" in server.log(), 30, "writing")
        else:
            await everything_is_heard()
        began = monotonic()
        await asyncio.to_thread(server.stop)
        assert monotonic() - began < SHUTDOWN_SECONDS
        sink.listen()
        await everything_is_heard()
    assert heard == [str(number) for number in range(MESSAGES)]
    assert log.named(server, SINK) == named


def message(number: int) -> str:
    return f"<message id='{number}' from='a@source.here.test' to='b@{SINK}'><body>{number}</body></message>"
