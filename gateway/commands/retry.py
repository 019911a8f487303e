"""`xmpp-gateway retry DOMAIN`: forget that a domain failed, and try now what waits for it."""

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
    return running.carry_out(arguments, "retry", render, domain=arguments.domain)


def render(result: Mapping[str, Any]) -> Iterator[str]:
    """The answer for people."""
    if result["tried"]:
        yield f"{result['domain']} is being tried now, for {counted(result['stanzas'], 'stanza')} waiting"
        yield f"how it goes: xmpp-gateway explain {result['domain']}"
    else:
        yield f"nothing waits for {result['domain']}; the next stanza to it is tried at once"
