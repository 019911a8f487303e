"""One server with a component that sends and one that is sent to, and the wire that leads to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import PeerSettings
from tests.faults.book import Book
from tests.faults.components import Component
from tests.faults.proxy import Wire
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.world import World

SECRET = "a secret of the tests"
PATIENCE_SECONDS = 10
ASKED_ONCE = 3600  # the TTL of names: a nameserver that a busy machine holds up is not one of the faults


@dataclass(frozen=True)
class Side:
    """A server, its components, and the wire that leads to it."""

    server: Peer
    wire: Wire
    source: Component
    sink: Component


@asynccontextmanager
async def side(
    world: World, start: Starter, kind: type[Peer], name: str, comes: Book, goes: Book, **peers: Any
) -> AsyncIterator[Side]:
    """Start a server whose components write down what `comes`, and send what `goes`.

    It keeps what has to wait, as gateways do by default; `keep` sets something else, for its components as well.
    """
    domains = [f"{part}.{name}" for part in ("source", "sink")]
    filters, keep = peers.pop("filters", []), peers.pop("keep", PeerSettings.keep)
    demands: dict[str, Any] = {"bidi": peers.get("bidi", False), "stream_management": peers["stream_management"]}
    if kind is Gateway:
        options = {
            "domains": {domain: {"keep": keep} for domain in domains},
            "peers": {"any": {"connect_seconds": PATIENCE_SECONDS, "keep": keep, **peers}},
            "limits": {"stall_seconds": PATIENCE_SECONDS},
            "log": {"level": "debug"},
            "filter": filters,
        }
        demands = {"options": options}
    server = start(kind, name, components=dict.fromkeys(domains, SECRET), verbose=False, **demands)
    async with Wire(world.address(), SERVER, to=server.at(SERVER)) as wire:
        world.nameserver.publish(wire.address, name, *domains, ttl=ASKED_ONCE)
        async with (
            Component(domains[0], SECRET, server.at(COMPONENT), goes.sender_heard) as source,
            Component(domains[1], SECRET, server.at(COMPONENT), comes.target_heard) as sink,
        ):
            yield Side(server, wire, source, sink)
