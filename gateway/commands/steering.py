"""The commands that query or control the running service, from `status` to `reload`.

They differ in the request, in how the answer is printed, and in what counts as success, so each is a row of the table
STEERING at the end. Long answers have modules of their own: `status`, `peers`, `queues`, `explain`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.commands import explain, peers, queues, status
from gateway.commands.configuration import add_config, config_of
from gateway.commands.exit_statuses import DONE, NOT_DONE, NOT_RUNNING, SOMETHING_IS_WRONG
from gateway.commands.screen import Screen, Tint
from gateway.commands.telling import clock, table
from gateway.notices.notices import counted
from gateway.operations.control.client import NotDone, NotRunning, ask
from gateway.operations.log import harmless

CommandResult = Any  # the answer of the service, read from JSON
JSON_SCHEMA = 1
"""The version of the JSON of `status`, `peers` and `explain`: raised when a reader would have to change."""
_MOST_TYPED = 20_000  # characters of an announcement; the service says how many it may have
Render = Callable[..., Iterable[str]]  # takes an answer, a Screen and the flags; returns lines for people


@dataclass(frozen=True, kw_only=True)
class Steering:
    """One of these commands."""

    name: str
    render: Render
    is_well: Callable[[CommandResult], bool] = lambda answer: True
    takes_domain: bool = False
    request: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)  # options that `render` takes, with their help

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""
        add_config(parser)
        parser.add_argument("--json", action="store_true", help="print one line of JSON for scripts")
        for name, help in self.flags.items():
            parser.add_argument(f"--{name}", action="store_true", help=help)
        if self.takes_domain:
            parser.add_argument("domain", metavar="DOMAIN", help="the domain, as in addresses: example.net")

    def run(self, arguments: argparse.Namespace) -> int:
        """Ask the service, print its answer for people or programs, and return the exit status."""
        request = {"domain": arguments.domain} if self.takes_domain else dict(self.request)
        try:
            answer = ask(state_folder(config_of(arguments)), self.name, **request)
        except NotRunning as problem:
            return _complain(problem, NOT_RUNNING)
        except NotDone as problem:
            return _complain(problem, NOT_DONE)
        answer = self.narrowed(answer, arguments)
        if arguments.json:
            print(json.dumps(self.for_programs(answer)))
        else:
            flags = {name: getattr(arguments, name) for name in self.flags}
            print("\n".join(self.render(answer, Screen.of(sys.stdout), **flags)))
        return DONE if self.is_well(answer) else SOMETHING_IS_WRONG

    def narrowed(self, answer: CommandResult, arguments: argparse.Namespace) -> CommandResult:
        """Return the part of the answer that was asked for."""
        return answer

    def for_programs(self, answer: CommandResult) -> CommandResult:
        """Return the answer as `--json` prints it."""
        return answer


@dataclass(frozen=True, kw_only=True)
class StateCommand(Steering):
    """A command that shows the state of the service; its JSON carries a version (docs/json.md)."""

    def for_programs(self, answer: CommandResult) -> CommandResult:
        return {"schema": JSON_SCHEMA, **answer}


@dataclass(frozen=True, kw_only=True)
class Peers(StateCommand):
    """The command `peers`, of all domains or of those that cannot be reached."""

    def narrowed(self, answer: CommandResult, arguments: argparse.Namespace) -> CommandResult:
        return [each for each in answer if each["state"] == "failing"] if arguments.failing else answer

    def for_programs(self, answer: CommandResult) -> CommandResult:
        return super().for_programs({"peers": answer})


@dataclass(frozen=True, kw_only=True)
class Queues(Steering):
    """The command `queues`, with its actions on the stanzas that are kept for a domain."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("action", nargs="?", choices=sorted(ACTIONS), metavar="ACTION", help=", ".join(ACTIONS))
        parser.add_argument("domain", nargs="?", metavar="DOMAIN", help="the domain whose kept stanzas to act on")
        parser.add_argument("--bodies", action="store_true", help="with show: also print the stanzas themselves")

    def run(self, arguments: argparse.Namespace) -> int:
        action = arguments.action
        if action is None:
            return self._both(arguments)
        if arguments.domain is None:
            return self._kept(arguments) if action == "show" else _complain(f"queues {action}: no domain given", 2)
        request = {"domain": arguments.domain}
        if action == "show" and arguments.bodies:
            request["bodies"] = "yes"
        return Steering(name=action, render=ACTIONS[action], request=request).run(arguments)

    def _both(self, arguments: argparse.Namespace) -> int:
        """Show the routes, then the kept stanzas; with --json only the routes, as before."""
        status = super().run(arguments)
        if status != DONE or arguments.json:
            return status
        print()
        return self._kept(arguments)

    def _kept(self, arguments: argparse.Namespace) -> int:
        """Show the kept stanzas of all domains."""
        return Steering(name="waiting", render=queues.waiting, is_well=queues.is_ready).run(arguments)


@dataclass(frozen=True, kw_only=True)
class Held(Steering):
    """`held`: lists, shows, releases and drops the stanzas that filters have held back."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("action", nargs="?", choices=sorted(OF_HELD), metavar="ACTION", help=", ".join(OF_HELD))
        parser.add_argument("ids", nargs="*", metavar="ID", help="the numbers of the stanzas to act on")

    def run(self, arguments: argparse.Namespace) -> int:
        if arguments.action in (None, "list"):
            return super().run(arguments)
        if not arguments.ids:
            return _complain(f"held {arguments.action} needs the number of a stanza", 2)
        return max(self._about_one(arguments, id) for id in arguments.ids)

    def _about_one(self, arguments: argparse.Namespace, id: str) -> int:
        name = f"held_{arguments.action}"
        return Steering(name=name, render=OF_HELD[arguments.action], request={"id": id}).run(arguments)


@dataclass(frozen=True, kw_only=True)
class LogCommand(Steering):
    """The command `log`: it shows the level of the log, or changes it until the restart."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        levels = "debug, info, warn, error, critical, or reset to return to the configured level"
        parser.add_argument("level", nargs="?", metavar="LEVEL", default="", help=levels)
        parser.add_argument(
            "domain", nargs="?", metavar="DOMAIN", default="", help="only for what concerns this domain"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        request = {"level": arguments.level, "domain": arguments.domain}
        return Steering(name="log", render=log_levels, request=request).run(arguments)


@dataclass(frozen=True, kw_only=True)
class Announce(Steering):
    """`announce`: a message of the operator to those who are online, or to all accounts."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--all", action="store_true", help="to all accounts; without it, to those who are online")
        parser.add_argument("--domain", default="", metavar="DOMAIN", help="to one of our domains; without it, to all")
        parser.add_argument("--subject", default="", metavar="SUBJECT", help="the subject of the message")
        parser.add_argument("text", metavar="TEXT", help="the text; - reads it from standard input")

    def run(self, arguments: argparse.Namespace) -> int:
        text = sys.stdin.read(_MOST_TYPED) if arguments.text == "-" else arguments.text[:_MOST_TYPED]
        request = {
            "text": text.strip(),
            "subject": arguments.subject,
            "domain": arguments.domain,
            "everybody": "yes" if arguments.all else "",
        }
        return Steering(name=self.name, render=self.render, request=request).run(arguments)


def announce(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield how many accounts get the announcement, and of several nodes, how many at which."""
    online = "" if answer["everybody"] else " online"
    nodes = answer.get("nodes", {})
    at = [f"{each['accounts']} at node {node}" for node, each in nodes.items() if "accounts" in each]
    yield f"being sent to {counted(answer['accounts'], 'account')}{online}{': ' if at else ''}{', '.join(at)}"
    for node, each in nodes.items():
        if "problem" in each:
            yield f"those at node {node} may not get it: {harmless(each['problem'], 200)}"


def state_folder(config: Path) -> Path:
    """Return the state folder that a configuration file names, even if the rest of the file has mistakes."""
    try:
        text = config.read_text("utf-8")
        return config.absolute().parent / str(tomllib.loads(text)["gateway"]["state"])
    except OSError as error:
        raise SystemExit(_complain(f"cannot read {config}: {error.strerror}", NOT_DONE)) from None
    except (ValueError, KeyError, TypeError):
        problem = f"{config} does not set the state folder ([gateway] state): run xmpp-gateway check"
        raise SystemExit(_complain(problem, NOT_DONE)) from None


def _complain(problem: object, status: int) -> int:
    print(f"xmpp-gateway: {problem}", file=sys.stderr)
    return status


def _done(what: str) -> Render:
    """Return a rendering that says what was done to a domain, and how many stanzas that concerns."""

    def render(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
        yield f"{answer['domain']} {what}: {counted(answer['stanzas'], 'stanza')} kept for it"

    return render


def _dropped(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    dropped = counted(answer["stanzas"], "stanza")
    senders = "; their senders get no error" if answer["stanzas"] else ""
    yield f"dropped {dropped} for {answer['domain']}{senders}"


def close(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield how many streams were closed."""
    if answer["closed"]:
        yield f"closed {counted(answer['closed'], 'stream')} with {answer['domain']}"
    else:
        yield f"no stream with {answer['domain']} was open"


def retry(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield whether the domain is being tried again, and for which stanzas."""
    if answer["tried"]:
        yield f"trying {answer['domain']} now, for {counted(answer['stanzas'], 'stanza')} waiting"
        yield f"for the outcome: xmpp-gateway explain {answer['domain']}"
    else:
        yield f"no stanza is waiting for {answer['domain']}; the next one will be tried at once"


def reload(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield what has changed, and what takes effect only after a restart."""
    yield from answer["changed"] or ["nothing has changed"]
    if answer["closed"]:
        yield f"{counted(answer['closed'], 'stream')} closed: the new rules do not allow them"
    for each in answer.get("faults", ()):  # an older service does not say
        yield screen.tinted(f"not in force: {harmless(each)}", Tint.BAD)
    for node, result in answer.get("nodes", {}).items():
        told = result.get("problem") or "; ".join(result["changed"]) or "nothing has changed"
        yield f"node {node}: {harmless(told, 1000)}"
    for each in answer["needs_restart"]:
        yield f"takes effect only after a restart: {each}"


def log_levels(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield the levels of the log that are in force."""
    level, configured = answer["level"], answer["configured"]
    until = "" if level == configured else f" until the restart; the configuration says {configured}"
    yield f"the log level is {level}{until}"
    for domain, own in answer["domains"].items():
        yield f"{domain}: level {own} until the restart or xmpp-gateway log reset {domain}"


def reloaded_well(answer: Mapping[str, Any]) -> bool:
    """Return whether everything could be used, on all nodes."""
    return not answer.get("faults") and not any("problem" in each for each in answer.get("nodes", {}).values())


def drain(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield what a node has handed over before it stops."""
    asked = counted(answer["components"], "component")
    yield f"node {answer['node']} stops now; {asked} asked to connect elsewhere"
    if answer["left"]:
        yield f"{counted(answer['left'], 'stanza')} for other nodes could not be handed over in time"


def held(answer: list[Mapping[str, Any]], screen: Screen) -> Iterator[str]:
    """Yield a table of what filters have held back."""
    rows = (
        [each["id"], clock(each["accepted"]), each["kind"], each["bytes"], each["sender"], each["target"], each["rule"]]
        for each in answer
    )
    return table(["id", "since", "kind", "bytes", "from", "to", "rule"], rows, "no filter holds anything back")


def _one_held(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    yield (
        f"{answer['kind']} {answer['id']} from {answer['sender']} to {answer['target']}, held back by"
        f" {answer['rule']!r} at {clock(answer['accepted'])}, until {clock(answer['expires'])}"
    )
    xml = answer["xml"]
    yield harmless(xml, len(xml)) if xml else "it cannot be decrypted: [outbox] key_file holds another key"


def _held(what: str) -> Render:
    def render(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
        yield f"{answer['kind']} {answer['id']} from {answer['sender']} to {answer['target']} {what}"

    return render


ACTIONS: Mapping[str, Render] = {
    "show": queues.show,
    "retry": retry,
    "hold": _done("is held until it is released"),
    "release": _done("is released"),
    "drop": _dropped,
}
"""The actions of `queues` on a domain, each with the rendering of its answer."""

OF_HELD: Mapping[str, Render] = {
    "list": held,
    "show": _one_held,
    "release": _held("released"),
    "drop": _held("dropped; its sender gets no error"),
}
"""What `held` does, each with how its answer reads."""

STEERING = {
    command.name: command
    for command in (
        StateCommand(
            name="status",
            render=status.render,
            is_well=status.is_well,
            flags={"all": "list every stream, domain and certificate"},
        ),
        Peers(
            name="peers",
            render=peers.render,
            is_well=peers.is_well,
            flags={
                "failing": "only domains that cannot be reached, and why",
                "wide": "show every column, however wide",
            },
        ),
        StateCommand(name="explain", render=explain.render, is_well=explain.is_well, takes_domain=True),
        Queues(name="queues", render=queues.render),
        Held(name="held", render=held),
        Announce(name="announce", render=announce),
        Steering(name="close", render=close, takes_domain=True),
        Steering(name="retry", render=retry, takes_domain=True),
        LogCommand(name="log", render=log_levels),
        Steering(name="drain", render=drain, is_well=lambda answer: not answer["left"]),
        Steering(name="reload", render=reload, is_well=reloaded_well),
    )
}
