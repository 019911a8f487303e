"""The commands that ask or steer the running service, from `status` to `reload`.

They differ in what they ask, in how the answer reads for people, and in whether it means that all is well; so each is a
row of the table STEERING at the end. MEANINGS are their exit statuses, for monitors and scripts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.commands import explain, status
from gateway.commands.configuration import add_config, config_of
from gateway.commands.telling import clock, duration, table
from gateway.notices.notices import counted
from gateway.operations.control.client import NotDone, NotRunning, ask

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

CommandResult = Any  # what the service answered, read from JSON


@dataclass(frozen=True, kw_only=True)
class Steering:
    """One of these commands."""

    name: str
    render: Callable[[CommandResult], Iterable[str]]  # the answer as lines for people
    is_well: Callable[[CommandResult], bool] = lambda answer: True
    takes_domain: bool = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the command takes."""
        add_config(parser)
        parser.add_argument("--json", action="store_true", help="print one line of JSON for scripts")
        if self.takes_domain:
            parser.add_argument("domain", metavar="DOMAIN", help="as in addresses, for example example.net")

    def run(self, arguments: argparse.Namespace) -> int:
        """Ask the service, print its answer for people or programs, and return the exit status."""
        request = {"domain": arguments.domain} if self.takes_domain else {}
        try:
            answer = ask(state_folder(config_of(arguments)), self.name, **request)
        except NotRunning as problem:
            return _complain(problem, NOT_RUNNING)
        except NotDone as problem:
            return _complain(problem, NOT_DONE)
        print(json.dumps(answer) if arguments.json else "\n".join(self.render(answer)))
        return DONE if self.is_well(answer) else SOMETHING_IS_WRONG


def state_folder(config: Path) -> Path:
    """Return the state folder that a configuration file names; the rest of the file may be full of mistakes."""
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


def peers(answer: list[Mapping[str, Any]]) -> Iterator[str]:
    """Other domains, and how federation with each is."""
    rows = (
        [
            peer["domain"],
            peer["streams_in"],
            peer["streams_out"],
            peer["queued"],
            peer["verdict"],
            clock(peer["when"]) if peer["when"] else "",
            _in(peer["retry_in"]),
            peer["told"],
        ]
        for peer in answer
    )
    headings = ["domain", "in", "out", "queued", "last attempt", "when", "next try", "what happened"]
    return table(headings, rows, "no other domain has been met since the start")


def queues(answer: list[Mapping[str, Any]]) -> Iterator[str]:
    """The routes to other domains, and what waits on each for a stream."""
    rows = (
        [
            queue["sender"],
            queue["target"],
            queue["disposition"],
            queue["stanzas"],
            queue["sent"],
            _in(queue["retry_in"]),
        ]
        for queue in answer
    )
    return table(["from", "to", "now", "waiting", "sent", "next try"], rows, "nothing waits, and nothing was sent")


def close(answer: Mapping[str, Any]) -> Iterator[str]:
    """How many streams were closed."""
    yield f"{counted(answer['closed'], 'stream')} with {answer['domain']} closed"


def retry(answer: Mapping[str, Any]) -> Iterator[str]:
    """Whether the domain is being tried again, and for what."""
    if answer["tried"]:
        yield f"{answer['domain']} is being tried now, for {counted(answer['stanzas'], 'stanza')} waiting"
        yield f"to see the outcome: xmpp-gateway explain {answer['domain']}"
    else:
        yield f"nothing waits for {answer['domain']}; the next stanza to it is tried at once"


def reload(answer: Mapping[str, Any]) -> Iterator[str]:
    """What has changed, and what has to wait for the next start."""
    yield from answer["changed"] or ["nothing has changed"]
    if answer["closed"]:
        yield f"{counted(answer['closed'], 'stream')} closed, since the new rules do not allow them"
    for each in answer["needs_restart"]:
        yield f"takes effect only after a restart: {each}"


def _in(seconds: float | None) -> str:
    return f"in {duration(seconds)}" if seconds else ""


STEERING = {
    command.name: command
    for command in (
        Steering(name="status", render=status.render, is_well=status.is_well),
        Steering(name="peers", render=peers),
        Steering(name="explain", render=explain.render, is_well=explain.is_well, takes_domain=True),
        Steering(name="queues", render=queues),
        Steering(name="close", render=close, takes_domain=True),
        Steering(name="retry", render=retry, takes_domain=True),
        Steering(name="reload", render=reload),
    )
}
