"""A gateway with one good peer and five broken situations around it, each tried once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.interop.clients import Client, Component, LoginError, attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.world import World
from tests.operator.slammer import Slammer
from tests.support import forks
from tests.support.sockets import Swallower, free_port

GOOD, EXPIRED, NOWHERE, SWALLOWED, SLAMMED = "good.test", "expired.test", "nowhere.test", "swallowed.test", "slam.test"
OURS, COMPONENT_DOMAIN, LOCKED_OUT = "gate.test", "rooms.gate.test", "bridge.gate.test"
BROKEN = (EXPIRED, NOWHERE, SWALLOWED, SLAMMED)
BOUNCE_SECONDS = 30
START_SECONDS = 60
COMMAND = Path(sys.executable).with_name("xmpp-gateway")


@dataclass(frozen=True)
class Scene:
    """The gateway among its peers, and how an operator asks it."""

    gateway: Gateway
    good: Peer
    page: str

    def operate(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Use `xmpp-gateway`."""
        command = [COMMAND, *words, "--config", self.gateway.configuration]
        return forks.run(command, timeout=60)

    def ask(self, *words: str) -> Any:
        """The answer of a command, as programs read it."""
        return json.loads(self.operate(*words, "--json").stdout)


@pytest.fixture(scope="session")
def scene(world: World) -> Iterator[Scene]:
    """Everything is started, and every situation has come about."""
    with ExitStack() as servers:
        start = Starter(world, servers)
        yesterday = world.authority.moment - timedelta(days=1)
        old = world.authority.issue(EXPIRED, begins=yesterday - timedelta(days=90), ends=yesterday)
        good = start(Prosody, GOOD)
        start(Prosody, EXPIRED, certificate=old)
        servers.enter_context(Swallower(_found_at_its_own_address(world, SWALLOWED), SERVER))
        slamming = _found_at_its_own_address(world, SLAMMED)
        servers.enter_context(Slammer(slamming, SLAMMED, world.bundle(world.authority.issue(SLAMMED))))
        port = free_port()
        gateway = start(
            Gateway,
            OURS,
            components={COMPONENT_DOMAIN: "the secret of the rooms", LOCKED_OUT: "the secret of the bridge"},
            require_certificates=True,
            options={
                "listen": {"http": [f"tcp:{port}:interface=127.0.0.1"]},
                "peers": {"any": {"connect_seconds": 4, "keep": "no"}},
            },
        )
        assert isinstance(gateway, Gateway)
        scene = Scene(gateway, good, f"http://127.0.0.1:{port}/")
        with Life(scene):
            yield scene


def _found_at_its_own_address(world: World, domain: str) -> str:
    address = world.address()
    world.nameserver.publish(address, domain)
    return address


class Life:
    """The events around the gateway, in a thread: every situation once, then talk with the good peer to the end."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._ready = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="life", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError("the situations did not come about")

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join(START_SECONDS)

    async def _live(self) -> None:
        with suppress(LoginError):
            async with Component(LOCKED_OUT, "another secret", self._scene.gateway.at(COMPONENT)):
                pass
        async with attached(self._scene.gateway) as component, user(self._scene.good, "romeo") as romeo:
            sent = [component.send_message(f"somebody@{domain}", "are you there?") for domain in BROKEN]
            await asyncio.gather(*(component.expect_error(each, BOUNCE_SECONDS) for each in sent))
            await self._talk(component, romeo)
            self._ready.set()
            while not self._over.is_set():
                await self._talk(component, romeo)
                await asyncio.sleep(0.5)

    async def _talk(self, component: Component, romeo: Client) -> None:
        component.send_message(romeo.jid, "good morrow")
        await romeo.expect_message("good morrow")
        romeo.send_message(f"hall@{COMPONENT_DOMAIN}", "is the feast here?")
        await component.expect_message("is the feast here?")
