"""Imports go one way: a room imports only what stands above it in the map of gateway/__init__.py."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import gateway

ROOT = Path(__file__).parents[1] / "gateway"

# Bottom floor first. Of two that stand on one line neither imports the other, unless they are in one folder.
FLOORS = [
    ["errors", "namespaces", "preparation", "markup"],
    ["elements", "address_parts"],
    ["addresses"],
    ["stanzas"],
    # protocol
    ["stream.framing", "stream.budget", "stream.expat", "stream.scope", "stream.known", "stream.codec"],
    ["stream.records"],
    ["stream.header", "stream.facts", "stream.states", "stream.acknowledgements"],
    ["stream.events", "stream.tools", "stream.writing"],
    ["stream.errors"],
    ["stream.negotiation"],
    ["profiles"],
    ["stream.stream"],
    ["dialback", "sasl"],
    ["features"],
    # decisions
    ["notices", "interfaces", "sessions", "requests", "policy", "review", "timers"],
    ["router", "outflow"],
    ["storage"],
    ["outbox"],
    ["attempts"],
    ["federation", "components", "handlers"],
    ["im"],
    # input and output
    ["settings", "net", "log", "history"],
    ["census", "turns"],
    ["status_records"],
    ["status", "lag", "supervision"],
    ["metrics"],
    ["config", "http", "control", "clients", "guest"],
    # assembly
    ["assembly"],
    ["reloading", "shutdown"],
    ["service"],
    ["tap", "commands", "guest.__main__"],
    ["demo"],
]
LEVEL = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Protocol and decisions see no reactor, no socket, no clock of their own; a store waits for other processes by itself.
PURE = set(range(LEVEL["federation"])) - {LEVEL["storage"]}
IMPURE = {"socket", "ssl", "time", "random", "twisted.internet.reactor", "OpenSSL", "asyncio"}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")


def room_of(name: str) -> str | None:
    """The room of a dotted name inside the package: the longest one that the map has."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in LEVEL:
            return ".".join(parts[:length])
    return None


def imports(path: Path) -> set[str]:
    """All that a module imports, also inside functions and for type checkers alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(dotted(path))
    assert room is not None, f"{dotted(path)} has no place in the map of this test"
    folder = room.partition(".")[0]
    for name in imports(path):
        if not name.startswith("gateway."):
            continue
        other = room_of(name.removeprefix("gateway."))
        if other is None or other == room or (other.startswith(f"{folder}.") and LEVEL[other] == LEVEL[room]):
            continue
        assert LEVEL[other] < LEVEL[room], f"{dotted(path)} imports {name}, which does not stand above it"


@pytest.mark.parametrize("path", [p for p in modules() if (r := room_of(dotted(p))) and LEVEL[r] in PURE], ids=dotted)
def test_protocol_and_decisions_see_no_clock_and_no_socket(path: Path) -> None:
    assert not IMPURE & imports(path)


def test_the_map_in_prose_names_every_room() -> None:
    rooms = {path.stem if path.suffix else f"{path.name}/" for path in ROOT.iterdir() if path.stem.isidentifier()}
    rooms -= {"__init__", "__pycache__/"}
    named = set(re.findall(r"[a-z_]+/?", gateway.__doc__ or ""))
    assert sorted(rooms - named) == []
