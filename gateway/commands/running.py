"""What the commands have in common that question or steer the running service.

`MEANINGS` are their exit statuses, for monitors and scripts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gateway.commands.configuration import add_config
from gateway.control.client import NotDone, NotRunning, ask

DONE = 0
NOT_DONE = 1
NOT_RUNNING = 3
SOMETHING_IS_WRONG = 4
MEANINGS = {
    DONE: "all is well, or it was done",
    NOT_DONE: "it could not be done, or the configuration has mistakes",
    2: "the command line is wrong",
    NOT_RUNNING: "the service is not running",
    SOMETHING_IS_WRONG: "the service is running, and something is wrong: see what was printed",
}


def add_arguments(parser: argparse.ArgumentParser, *, domain: bool = False) -> None:
    """What such a command takes."""
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="one line of JSON for scripts, in place of a table")
    if domain:
        parser.add_argument("domain", metavar="DOMAIN", help="as in addresses, for example example.net")


def carry_out(
    arguments: argparse.Namespace,
    command: str,
    render: Callable[[Any], Iterable[str]],
    *,
    is_well: Callable[[Any], bool] = lambda result: True,
    **request: str,
) -> int:
    """Ask the service, print the answer for people or programs, and return the exit status."""
    try:
        result = ask(state_folder(arguments.config), command, **request)
    except NotRunning as problem:
        return _complain(problem, NOT_RUNNING)
    except NotDone as problem:
        return _complain(problem, NOT_DONE)
    print(json.dumps(result) if arguments.json else "\n".join(render(result)))
    return DONE if is_well(result) else SOMETHING_IS_WRONG


def state_folder(config: Path) -> Path:
    """The state folder that a configuration file names; nothing else of the file need be in order."""
    try:
        text = config.read_text("utf-8")
        return config.absolute().parent / str(tomllib.loads(text)["gateway"]["state"])
    except OSError as error:
        raise SystemExit(_complain(f"cannot read {config}: {error.strerror}", NOT_DONE)) from None
    except (ValueError, KeyError, TypeError):
        problem = f"{config} does not say where the state folder is: see xmpp-gateway check"
        raise SystemExit(_complain(problem, NOT_DONE)) from None


def _complain(problem: object, status: int) -> int:
    print(f"xmpp-gateway: {problem}", file=sys.stderr)
    return status
