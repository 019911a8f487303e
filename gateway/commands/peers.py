"""`xmpp-gateway peers`: other domains, and how federation with each is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands import running
from gateway.commands.telling import clock, duration, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    return running.carry_out(arguments, "peers", render)


def render(peers: list[Mapping[str, Any]]) -> Iterator[str]:
    """The answer for people."""
    rows = (
        [
            peer["domain"],
            peer["streams_in"],
            peer["streams_out"],
            peer["queued"],
            peer["verdict"],
            clock(peer["when"]) if peer["when"] else "",
            f"in {duration(peer['retry_in'])}" if peer["retry_in"] else "",
            peer["told"],
        ]
        for peer in peers
    )
    headings = ["domain", "in", "out", "queued", "last attempt", "when", "next try", "what happened"]
    return table(headings, rows, "no other domain has been met since the start")
