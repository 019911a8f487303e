"""A control socket on which something answers, without a service behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.operations.control.door import Command, ControlDoor
from gateway.operations.control.place import socket_path
from tests.support.reactor import run_in_reactor, running_reactor


@contextmanager
def answering(state: Path, actions: Mapping[str, Command]) -> Iterator[None]:
    """Answer on the control socket in a state folder with these actions, in a reactor that runs in a thread."""
    door = ControlDoor(lambda: socket_path(state), actions, running_reactor())

    async def start() -> None:
        door.startService()

    async def stop() -> None:
        await door.stopService()  # type: ignore[misc]

    run_in_reactor(start)
    try:
        yield
    finally:
        run_in_reactor(stop)
