"""`xmpp-gateway queues`: the ways to other domains, and what waits on each for a stream."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands import running
from gateway.commands.telling import duration, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    return running.carry_out(arguments, "queues", render)


def render(queues: list[Mapping[str, Any]]) -> Iterator[str]:
    """The answer for people."""
    rows = (
        [
            queue["sender"],
            queue["target"],
            queue["disposition"],
            queue["stanzas"],
            queue["sent"],
            f"in {duration(queue['retry_in'])}" if queue["retry_in"] else "",
        ]
        for queue in queues
    )
    return table(["from", "to", "now", "waiting", "sent", "next try"], rows, "nothing waits, and nothing was sent")
