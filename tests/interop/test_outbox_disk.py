"""A disk that is full, locked or read-only: senders get errors, streams go on, and it ends when the cause is gone."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from gateway.outbox.conditions import Condition
from tests.interop.clients import Entity, attached, condition, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, PeerError, Prosody
from tests.interop.peers.site import HTTP
from tests.interop.test_outbox import COMPONENT, PUT_SECONDS, until, waiting
from tests.interop.world import World

AWAY = "away.disk.test"
BODY = "x" * 2000
FILL = 1500  # messages, twice what the disk holds


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Mount a disk of 2 MiB there."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder.mkdir(mode=0o700, parents=True)
    options = ["-t", "tmpfs", "-o", "size=2m,mode=0700"]
    done = subprocess.run(["mount", *options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small disk: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the outbox locked, as a database shell may."""
    with closing(sqlite3.connect(folder / "outbox.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@dataclass
class Scene:
    """A gateway on a small disk, with a component, and somebody on a server that is up."""

    ours: Gateway
    http: str
    component: Entity
    romeo: Entity
    sent: int = 0

    def send_away(self, count: int = 1) -> None:
        """Send messages that have to wait."""
        for _ in range(count):
            self.sent += 1
            self.component.xmpp.send_raw(
                f"<message from='{COMPONENT}' to='a@{AWAY}' type='chat' id='{self.sent}'><body>{BODY}</body></message>"
            )

    async def refused(self) -> set[str]:
        """Send until the sender gets an error; return which errors came."""
        while not self.component.inbox:
            self.send_away()
            await asyncio.sleep(PUT_SECONDS)
        return {condition(each) for each in self.component.take_all()}

    def status(self) -> str:
        """Return what `status` says when something is wrong, without its line breaks."""
        with pytest.raises(PeerError) as wrong:
            self.ours.operate("status")
        return " ".join(str(wrong.value).split())

    async def is_told(self, cause: Condition, times: int) -> None:
        """Check that an operator can read what is wrong, and that streams continue."""
        lines = [line for line in self.ours.log().splitlines() if " error " in line and cause.sentence in line]
        assert len(lines) == times
        await until(lambda: f"- {cause.sentence}" in self.status())  # between two tries it looks well for a moment
        assert cause.sentence in await self.get("healthz")
        assert f'xmpp_gateway_outbox_ready{{condition="{cause.word}"}} 0.0' in await self.get("metrics")
        self.component.send_message(self.romeo.jid, f"in spite of {cause.word}")
        await self.romeo.expect_message(f"in spite of {cause.word}")

    async def recovers(self, times: int) -> None:
        """Check that it takes stanzas again by itself."""
        await until(lambda: self.ours.log().count(Condition.READY.sentence) == times)
        self.component.take_all()
        before = waiting(self.ours)
        self.send_away(3)
        await until(lambda: waiting(self.ours) == before + 3)
        assert not self.component.inbox
        assert 'xmpp_gateway_outbox_ready{condition="ready"} 1.0' in await self.get("metrics")

    async def get(self, path: str) -> str:
        """Fetch a page of the gateway's."""

        def fetch() -> str:
            with urlopen(f"http://{self.http}:{HTTP}/{path}", timeout=10) as answer:
                return str(answer.read().decode())

        return await asyncio.to_thread(fetch)


@asynccontextmanager
async def scene(world: World, start: Starter) -> AsyncIterator[Scene]:
    """Start it all."""
    far = start(Prosody, "far.disk.test")
    world.nameserver.publish(world.address(), AWAY)  # nothing listens there
    address = world.address()
    options = {
        "outbox": {"url": f"sqlite:{world.folder / 'small' / 'outbox.db'}"},
        "listen": {"http": [f"tcp:{HTTP}:interface={address}"]},
        "peers": {"any": {"keep": "waiting", "connect_seconds": 2}},
    }
    with mounted(world.folder / "small"):
        ours = start(Gateway, "disk.test", components={COMPONENT: "secret"}, options=options)
        assert isinstance(ours, Gateway)
        async with attached(ours) as component, user(far, "romeo") as romeo:
            yield Scene(ours, address, component, romeo)
        ours.stop()


async def test_full_locked_and_read_only_disk(world: World, start: Starter) -> None:
    async with scene(world, start) as it:
        folder = world.folder / "small"
        it.send_away(FILL)
        await until(lambda: Condition.DISK_FULL.sentence in it.ours.log())
        assert await it.refused() == {"resource-constraint"}
        assert waiting(it.ours) > 200
        await it.is_told(Condition.DISK_FULL, 1)
        remount(folder, "size=20m")
        await it.recovers(1)

        with locked(folder):
            assert await it.refused() == {"resource-constraint"}
            await it.is_told(Condition.LOCKED, 1)
        await it.recovers(2)

        it.ours.stop()
        remount(folder, "ro")  # not while files are open for writing
        it.ours.start()
        async with attached(it.ours) as it.component:
            assert await it.refused() == {"remote-server-timeout"}  # as without an outbox
            await it.is_told(Condition.READ_ONLY, 1)
            remount(folder, "rw")
            await it.recovers(3)
