"""One server with a component that sends and one that is sent to, and the wire that leads to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults.book import Book
from tests.faults.components import Component
from tests.faults.proxy import Wire
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.world import World

SECRET = "a secret of the tests"
_NAMED = re.compile(r"the connection to (\S+) broke: up to (\d+) stanzas")
_SENT_AGAIN = re.compile(r"the connection to (\S+) broke: (\d+) stanzas that")
_CAME_IN = re.compile(r"(\d+) stanzas \(\d+ bytes\) came in from (\S+) to (\S+)\n")


@dataclass(frozen=True)
class Side:
    """A server, and what leads to it. What it says of itself is read from its log: a gateway's, with all levels."""

    server: Peer
    wire: Wire
    source: Component
    sink: Component

    def dropped(self) -> int:
        """How many stanzas it did not deliver, and told nobody: errors, results and presence."""
        return self.server.log().count("was dropped, where it would have been answered")

    def bounced(self, domain: str) -> int:
        """How many stanzas to that domain it did not deliver."""
        return len(re.findall(rf"a stanza from \S+ to \S*{re.escape(domain)} was ", self.server.log()))

    def named(self, domain: str) -> int:
        """How many stanzas it names as possibly lost on the way to that domain, and those below it."""
        return _sum(_NAMED, domain, self.server.log())

    def sent_again(self, domain: str) -> int:
        """How many stanzas it has sent again to that domain, and those below it."""
        return _sum(_SENT_AGAIN, domain, self.server.log())

    def came_in(self, source: str, target: str) -> int:
        """How many stanzas it has accepted on streams of that pair."""
        found = _CAME_IN.findall(self.server.log())
        return sum(int(count) for count, *pair in found if pair == [source, target])


def _sum(pattern: re.Pattern[str], domain: str, log: str) -> int:
    return sum(int(count) for name, count in pattern.findall(log) if f".{name}".endswith(f".{domain}"))


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
