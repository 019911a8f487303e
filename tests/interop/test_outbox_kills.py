"""SIGKILL while `outbox import` moves what another gateway has kept, and while stanzas expire.

What is promised is in docs/delivery.md: nothing is lost, order holds, and at most a few come twice after each kill. The
kills are at random moments, or inside an fdatasync; OUTBOX_KILLS is how many there are of each.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.operations.control.client import NotDone
from gateway.outbox.adoption import PAGE_STANZAS
from gateway.outbox.chunks import STANZAS as CHUNK_STANZAS
from gateway.outbox.window import MOST
from gateway.run.assembly.outbox import SLICE
from tests.interop.clients import Component, LoginError, attached, condition, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, PeerError, Prosody
from tests.interop.test_outbox import LATE_HOURS, gateway, kept, send, until, waiting
from tests.interop.test_outbox_crashes import KILL, Faulty, is_injected

TIMES = int(os.environ.get("OUTBOX_KILLS", "2"))
SEED = os.environ.get("OUTBOX_SEED", "14")
IMPORTED = 2300  # several pages
EXPIRE_SECONDS = 1.0  # the longest that stanzas expire before a kill
BACK_SECONDS = 2.0  # the longest until the sender is back after a start
MOST_TWICE = SLICE - 1 + CHUNK_STANZAS
SYNCS = (6, 14)  # an fdatasync of which a process dies; the first few are those of its start
HEARD_SECONDS = 0.3
PATIENCE_SECONDS = 90.0  # of a busy machine

INSIDE = pytest.mark.parametrize(
    "inside", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["random", "fdatasync"]
)


@INSIDE
async def test_an_import_that_is_killed_is_finished_by_the_next(start: Starter, inside: bool) -> None:
    ours, chance = gateway(start, kind=Faulty), Random(SEED)
    assert isinstance(ours, Faulty)
    far = start(Prosody, "far.import.test")
    left = await _left_behind(ours, far, IMPORTED)
    far.start()
    whole, moment = 0.0, 0.0
    async with user(far, "romeo") as romeo:
        heard: list[str] = []
        romeo.xmpp.add_event_handler("message", lambda message: heard.append(message["body"]))
        for life in range(TIMES + 1):
            copy = Path(shutil.copytree(left, ours.folder / f"copy-{life}", ignore=shutil.ignore_patterns("*.socket")))
            ours.ending = f"{KILL}:when={chance.randint(*SYNCS)}" if life and inside else ""
            ours.start()
            began = time.monotonic()
            if not life:
                await asyncio.to_thread(_begin_import, ours, copy)
                whole = time.monotonic() - began
            else:
                importing = asyncio.create_task(asyncio.to_thread(_begin_import, ours, copy))
                moment = PATIENCE_SECONDS if inside else chance.uniform(0, 1.2 * whole)
                await asyncio.wait([importing], timeout=moment)
                ours.kill()
                await importing
                await _settled(heard)
                ours.ending = ""
                ours.start()
            assert waiting(ours) >= 0  # it is ready for commands
            await asyncio.to_thread(ours.operate, "outbox", "import", str(copy))
            assert (await asyncio.to_thread(ours.operate, "outbox", "import", str(copy))).startswith("no stanzas of")
            await until(lambda: waiting(ours) == 0, PATIENCE_SECONDS)
            await _settled(heard)
            expected = [str(number) for number in range(IMPORTED)]
            print(
                f"killed after {moment:.3f} s of {whole:.3f} {ours.ending}: {len(heard) - IMPORTED} of {IMPORTED} twice"
            )
            assert list(dict.fromkeys(heard)) == expected, "nothing is lost, and order holds"
            assert len(heard) - IMPORTED <= (PAGE_STANZAS + MOST if life else 0)
            heard.clear()
            ours.kill()
            shutil.rmtree(copy)


async def _left_behind(ours: Gateway, far: Peer, count: int) -> Path:
    """Return the state of a gateway that has kept this many stanzas and will not come back; there is a new one."""
    far.stop()
    async with attached(ours) as component:
        send(component, f"romeo@{far.site.domains[0]}", *map(str, range(count)))
        await kept(ours, count)
        ours.kill()
        component.abort()
    return (ours.folder / "state").rename(ours.folder / "left")


def _begin_import(ours: Gateway, copy: Path) -> None:
    with suppress(PeerError, NotDone):
        ours.ask("import_outbox", path=str(copy / "outbox.db"))


async def _settled(heard: list[str]) -> None:
    """Wait until nothing more arrives."""
    before = -1
    while before != len(heard):
        before = len(heard)
        await asyncio.sleep(HEARD_SECONDS)


@INSIDE
async def test_each_stanza_expires_once_although_the_gateway_is_killed_meanwhile(start: Starter, inside: bool) -> None:
    ours, chance = gateway(start, kind=Faulty, keep_hours=LATE_HOURS), Random(SEED)
    assert isinstance(ours, Faulty)
    far = start(Prosody, "far.expire.test")
    far.stop()
    count = 200 + 600 * TIMES
    ids = [str(number) for number in range(count)]
    async with attached(ours) as component:
        send(component, "romeo@far.expire.test", *ids)
        await kept(ours, count)
        ours.kill()
        component.abort()
    _make_late(ours)
    heard: list[str] = []
    for _ in range(TIMES):
        ours.ending = f"{KILL}:when={chance.randint(*SYNCS)}" if inside else ""
        before = len(heard)
        with suppress(PeerError, LoginError):  # killed before its component was there
            async with _back(ours, heard, chance) as component:
                await until(lambda: len(heard) > before or is_injected(ours))  # noqa: B023
                if inside:
                    await until(lambda: is_injected(ours))
                else:
                    await asyncio.sleep(chance.uniform(0, EXPIRE_SECONDS))
                ours.kill()
                await _settled(heard)
                component.abort()
        print(f"killed after {len(heard) - before} errors {ours.ending}")
        ours.kill()
    ours.ending = ""
    async with _back(ours, heard, chance):
        await until(lambda: waiting(ours) == 0, PATIENCE_SECONDS)
        await _settled(heard)
    times = Counter(heard)
    print(f"{count} expired, {times.total() - count} errors twice, after {TIMES} kills")
    assert [each for each in ids if each not in times] == [], "each has its end"
    assert list(dict.fromkeys(heard)) == ids
    assert times.total() - count <= TIMES * MOST_TWICE


def _make_late(ours: Gateway) -> None:
    """Let the time of everything that is kept be over."""
    with closing(sqlite3.connect(ours.folder / "state" / "outbox.db")) as database:
        database.execute("UPDATE chunk SET expires = ?", (time.time() - 1,))
        database.commit()


@asynccontextmanager
async def _back(ours: Gateway, heard: list[str], chance: Random) -> AsyncIterator[Component]:
    """The gateway starts, and some time later the sender is back and hears what has expired."""

    def came(message: Any) -> None:
        assert condition(message) == "remote-server-timeout"
        heard.append(message["id"])

    ours.start()
    await asyncio.sleep(chance.uniform(0, BACK_SECONDS))
    async with attached(ours) as component:
        component.xmpp.add_event_handler("message_error", came)
        yield component
