"""The commands that query or steer the running service, from `status` to `reload`.

They differ in the request, in how the answer is printed, and in what counts as success, so each is a row of the table
STEERING at the end. MEANINGS are the exit statuses of all commands, for monitors and scripts.
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
    DONE: "success: all is well, or the command was carried out",
    NOT_DONE: "the command could not be carried out, or the configuration has mistakes",
    2: "the command line is wrong",
    NOT_RUNNING: "the service is not running",
    SOMETHING_IS_WRONG: "something is wrong, or an attempt failed: the output says what",
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
        """Declare the command's arguments."""
        add_config(parser)
        parser.add_argument("--json", action="store_true", help="print one line of JSON for scripts")
        if self.takes_domain:
            parser.add_argument("domain", metavar="DOMAIN", help="the domain, as in addresses: example.net")

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
    """Return the state folder that a configuration file names, even if the rest of the file has mistakes."""
    try:
        text = config.read_text("utf-8")
        return config.absolute().parent / str(tomllib.loads(text)["gateway"]["state"])
    except OSError as error:
        raise SystemExit(_complain(f"cannot read {config}: {error.strerror}", NOT_DONE)) from None
    except (ValueError, KeyError, TypeError):
        problem = f"{config} does not name the state folder ([gateway] state): run xmpp-gateway check"
        raise SystemExit(_complain(problem, NOT_DONE)) from None


def _complain(problem: object, status: int) -> int:
    print(f"xmpp-gateway: {problem}", file=sys.stderr)
    return status


def peers(answer: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table of other domains and the state of federation with each."""
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
    return table(headings, rows, "no other domain has been seen since the start")


def queues(answer: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table of the routes to other domains and the stanzas that wait on each."""
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
    return table(["from", "to", "now", "waiting", "sent", "next try"], rows, "no stanza is waiting, and none was sent")


def close(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many streams were closed."""
    yield f"{counted(answer['closed'], 'stream')} with {answer['domain']} closed"


def retry(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield whether the domain is being tried again, and for what."""
    if answer["tried"]:
        yield f"trying {answer['domain']} now, for {counted(answer['stanzas'], 'stanza')} waiting"
        yield f"for the outcome: xmpp-gateway explain {answer['domain']}"
    else:
        yield f"no stanza waits for {answer['domain']}; the next one will be tried at once"


def reload(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield what has changed, and what takes effect only after a restart."""
    yield from answer["changed"] or ["nothing has changed"]
    if answer["closed"]:
        yield f"{counted(answer['closed'], 'stream')} closed: the new rules do not allow them"
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
