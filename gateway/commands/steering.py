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

Answer = Any  # what the service answered, read from JSON


@dataclass(frozen=True, kw_only=True)
class Steering:
    """One of these commands."""

    name: str
    render: Callable[[Answer], Iterable[str]]  # the answer as lines for people
    is_well: Callable[[Answer], bool] = lambda answer: True
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


@dataclass(frozen=True, kw_only=True)
class Queues(Steering):
    """`queues`, and what may be done with the stanzas that are kept for a domain."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("action", nargs="?", choices=sorted(ACTIONS), metavar="ACTION", help=", ".join(ACTIONS))
        parser.add_argument("domain", nargs="?", metavar="DOMAIN", help="whose kept stanzas are meant")

    def run(self, arguments: argparse.Namespace) -> int:
        if arguments.action is None:
            return self._both(arguments)
        if arguments.domain is None:
            return _complain(f"queues {arguments.action} needs a domain", 2)
        render = ACTIONS[arguments.action]
        return Steering(name=arguments.action, render=render, takes_domain=True).run(arguments)

    def _both(self, arguments: argparse.Namespace) -> int:
        """Show the routes, then what is kept; scripts get the routes, as ever."""
        status = super().run(arguments)
        if status != DONE or arguments.json:
            return status
        print()
        return Steering(name="waiting", render=waiting, is_well=lambda answer: answer["condition"] == "ready").run(
            arguments
        )


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


def waiting(answer: Mapping[str, Any]) -> Iterator[str]:
    """What is kept for which domain, by age in minutes, as Postfix' qshape shows it."""
    ages = [f"{bound // 60}" for bound in answer["ages"]]
    headings = ["kept for", "all", "KiB", *(f"<{age}" for age in ages), f"{ages[-1]}+", ""]
    rows = (
        [each["domain"], each["stanzas"], each["bytes"] // 1024, *each["ages"], "held" if each["is_held"] else ""]
        for each in answer["domains"]
    )
    if answer["condition"] != "ready":
        yield f"OUTBOX {answer['condition']}: {answer['sentence']}; {answer['remedy']}"
    yield from table(headings, rows, "nothing is kept in the outbox")


def show(answer: Mapping[str, Any]) -> Iterator[str]:
    """What is kept for one domain."""
    yield f"{answer['domain']}{': held by an operator' if answer['is_held'] else ''}"
    rows = ([each["pair"][0], each["stanzas"], each["bytes"], clock(each["oldest"])] for each in answer["pairs"])
    yield from table(["from", "waiting", "bytes", "oldest"], rows, "nothing is kept")
    if (failing := answer["failing"]) is not None:
        yield f"{failing['failures']} tries failed since {clock(failing['since'])}; the last one: {failing['reason']}"
    for each in answer["aside"]:
        yield f"set aside: {each['bytes']} bytes from {each['sender']}, {clock(each['accepted'])}: {each['reason']}"


def _done(what: str) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    def render(answer: Mapping[str, Any]) -> Iterator[str]:
        yield f"{answer['domain']}: {counted(answer['stanzas'], 'stanza')} {what}"

    return render


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


ACTIONS: Mapping[str, Callable[[Answer], Iterable[str]]] = {
    "show": show,
    "retry": retry,
    "hold": _done("held until it is released"),
    "release": _done("released"),
    "drop": _done("dropped, and nobody was told"),
}
"""What `queues` does for a domain, each with how its answer reads."""

STEERING = {
    command.name: command
    for command in (
        Steering(name="status", render=status.render, is_well=status.is_well),
        Steering(name="peers", render=peers),
        Steering(name="explain", render=explain.render, is_well=explain.is_well, takes_domain=True),
        Queues(name="queues", render=queues),
        Steering(name="close", render=close, takes_domain=True),
        Steering(name="retry", render=retry, takes_domain=True),
        Steering(name="reload", render=reload),
    )
}
