"""One server with a component that sends and one that is sent to, and the wire that leads to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.faults.book import Book
from tests.faults.components import Component
from tests.faults.proxy import Wire
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.world import World

SECRET = "a secret of the tests"
_DROPPED = re.compile(r"(?:message|presence|iq) '(\S+)' from \S+ to \S+ was dropped")
_NAMED = re.compile(r"up to (?P<count>\d+) stanzas may not have arrived at (?P<name>\S+):")
_SENT_AGAIN = re.compile(r"the connection to (?P<name>\S+) broke: (?P<count>\d+) stanzas that")
_CAME_IN = re.compile(r"^(\S+) debug (\d+) stanzas \(\d+ bytes\) came in from (\S+) to (\S+)$", re.MULTILINE)
_STARTED = re.compile(r"^\S+ info  answering for .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Side:
    """A server, and what leads to it. What it says of itself is read from its log: a gateway's, with all levels."""

    server: Peer
    wire: Wire
    source: Component
    sink: Component

    def dropped(self) -> set[str]:
        """The ids of the stanzas that it did not deliver, and told nobody: errors, results and presence."""
        return set(_DROPPED.findall(self.server.log()))

    def bounced(self, domain: str) -> int:
        """How many stanzas to that domain it did not deliver."""
        return len(re.findall(rf" from \S+ to \S*{re.escape(domain)} was (?:answered|dropped)", self.server.log()))

    def named(self, domain: str) -> int:
        """How many stanzas it names as possibly lost on the way to that domain, and those below it."""
        return _sum(_NAMED, domain, self.server.log())

    def sent_again(self, domain: str) -> int:
        """How many stanzas it has sent again to that domain, and those below it."""
        return _sum(_SENT_AGAIN, domain, self.server.log())

    def came_in(self, source: str, target: str) -> int:
        """How many stanzas it has accepted on streams of that pair."""
        found = _CAME_IN.findall(self.server.log())
        return sum(int(count) for _, count, *pair in found if pair == [source, target])

    def in_hand(self, seconds: float) -> int:
        """How many stanzas had come in within so many seconds before each of its ends but the last."""
        return sum(_lately(life, seconds) for life in _STARTED.split(self.server.log())[:-1])


def _lately(log: str, seconds: float) -> int:
    batches = [(datetime.fromisoformat(when), int(count)) for when, count, *_ in _CAME_IN.findall(log)]
    since = batches[-1][0] - timedelta(seconds=seconds) if batches else None
    return sum(count for when, count in batches if since is not None and when >= since)


def _sum(pattern: re.Pattern[str], domain: str, log: str) -> int:
    found = (each.groupdict() for each in pattern.finditer(log))
    return sum(int(each["count"]) for each in found if f".{each['name']}".endswith(f".{domain}"))


@asynccontextmanager
async def side(
    world: World, start: Starter, kind: type[Peer], name: str, comes: Book, goes: Book, **peers: Any
) -> AsyncIterator[Side]:
    """Start a server whose components write down what `comes`, and send what `goes`."""
    domains = [f"{part}.{name}" for part in ("source", "sink")]
    demands: dict[str, Any] = {"bidi": peers.get("bidi", False), "stream_management": peers["stream_management"]}
    if kind is Gateway:
        demands = {"options": {"peers": {"any": peers}, "limits": {"stall_seconds": 10}, "log": {"level": "debug"}}}
    server = start(kind, name, components=dict.fromkeys(domains, SECRET), verbose=False, **demands)
    async with Wire(world.address(), SERVER, to=server.at(SERVER)) as wire:
        world.nameserver.publish(wire.address, name, *domains)
        async with (
            Component(domains[0], SECRET, server.at(COMPONENT), goes.sender_heard) as source,
            Component(domains[1], SECRET, server.at(COMPONENT), comes.target_heard) as sink,
        ):
            yield Side(server, wire, source, sink)
