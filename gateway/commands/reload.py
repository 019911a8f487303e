"""`xmpp-gateway reload`: the service takes over its configuration, certificates, authorities and revocation lists."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands import running
from gateway.notices.notices import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    return running.carry_out(arguments, "reload", render)


def render(result: Mapping[str, Any]) -> Iterator[str]:
    """The answer for people."""
    yield from result["changed"] or ["nothing has changed"]
    if result["closed"]:
        yield f"{counted(result['closed'], 'stream')} not allowed any more, and closed"
    for each in result["needs_restart"]:
        yield f"takes effect with the next start only: {each}"
