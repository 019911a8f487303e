"""`xmpp-gateway close DOMAIN`: close the streams with a domain; they come back when there is something to send."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands import running
from gateway.notices.notices import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    running.add_arguments(parser, domain=True)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    return running.carry_out(arguments, "close", render, domain=arguments.domain)


def render(result: Mapping[str, Any]) -> Iterator[str]:
    """The answer for people."""
    yield f"{counted(result['closed'], 'stream')} with {result['domain']} closed"
