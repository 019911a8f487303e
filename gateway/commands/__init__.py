"""The console script: `xmpp-gateway COMMAND --config FILE`.

The commands that query or steer the running service are rows of a table in `steering`. Each of the others is a module
beside this one, imported only when it is called. Either way a command has two functions:

    add_arguments(parser)       declare its arguments
    run(arguments) -> int       carry it out, and return the exit status

account.py        `account`: accounts of our own domains
check.py          `check`: a configuration, and every file that it names; with these parts:
  databases.py      whether the databases of accounts and outbox can be used
  renewed.py        `--certificate`: whether a renewed certificate may take the place of another
  world.py          `--world`: our own domains as strangers see them
steering.py       the table of commands that talk to the running service; some answers are laid out in:
  status.py         `status`
  peers.py          `peers`
  explain.py        `explain`
  queues.py         `queues`
filter.py         `filter test`: what the rules would do with the stanzas in a file
backup.py         `backup`
restore.py        `restore`
migrate.py        `migrate`; sides.py: where it copies from and to
outbox.py         `outbox import`
probe.py          `probe`: an attempt at reaching a domain, step by step
interop.py        `interop`: a report on any server
conversing.py     what the running service finds out for that report
inspecting.py     the inspector for `interop` and `check --world`
login.py          `login`: a login as a client on any server
dane.py           `dane`: TLSA records to publish
posh.py           `posh`: the file to publish for POSH
identities.py     the certificate that `dane` and `posh` are about
completion.py     `completion`: a script for bash or zsh
manual.py         the manual pages, made from all of this
configuration.py  the option `--config`
exit_statuses.py  the exit statuses of all commands
service_user.py   from root to the user of the service
screen.py         the width and the colours of the screen
telling.py        tables, times and attempts as text
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from gateway.xmpp.errors import ConfigError

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""

COMMANDS = {
    "check": "check a configuration and every file it names; report all mistakes at once, or what would be served",
    "account": "add, delete and list accounts of our domains, and change passwords",
    "status": "show the state of the service: problems first, then domains, streams, certificates",
    "peers": "list other domains, and the state of federation with each",
    "explain": "show why federation with a domain works or does not, step by step",
    "queues": "list the routes to other domains, and the stanzas waiting on each",
    "held": "list, show, release or drop the stanzas that filters have held back",
    "filter": "show which rule would decide about each stanza in a file, and how",
    "close": "close the streams with a domain",
    "announce": "send an announcement to everybody who is online, or to all accounts",
    "retry": "try a domain again now, without waiting for the next scheduled attempt",
    "drain": "empty this node of a cluster, then stop it: its components connect to another node",
    "reload": "reload the configuration, certificates, authorities and revocation lists",
    "log": "show or change what is logged while the service runs, for everything or for one domain",
    "backup": "write everything that the gateway remembers to one file, even while it runs",
    "restore": "restore a backup while the service is stopped",
    "migrate": "copy the accounts or the outbox to another database: from a file to a PostgreSQL server, or back",
    "outbox": "take over the stanzas in the outbox file of a gateway that will not come back",
    "probe": "try to reach a domain without the service, and show each step",
    "interop": "report on any domain's server as strangers see it: findings, standards, on whose side, remedies",
    "login": "log in to an account on any server, as a client does, and show each step",
    "dane": "print the TLSA records to publish for one of our domains",
    "posh": "print the file to publish on the web server of one of our domains, for POSH",
    "completion": "print a completion script for bash or zsh",
}


def main(words: Sequence[str] | None = None) -> int:
    """Carry out one command, and return the exit status."""
    words = sys.argv[1:] if words is None else words
    called = next((word for word in words if word in COMMANDS), None)
    parser, parsers = command_line({called} if called else ())
    if called is not None and words[0] == called:  # options may come between the words of a command, too
        arguments = parsers[called].parse_intermixed_args(words[1:])
    else:
        arguments = parser.parse_args(words)
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()  # here, where it is known what to do if it cannot be written
        return status
    except ConfigError as mistake:
        print(f"xmpp-gateway: {mistake}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader has closed the pipe, as with `| head`
        _forget_output()
        return 1
    except OSError as problem:
        what = f"{problem.filename}: " if problem.filename else ""
        print(f"xmpp-gateway: {what}{problem.strerror or problem}", file=sys.stderr)
        _forget_output()
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _forget_output() -> None:
    """Discard what could not be written, so that Python does not try again, and fail again, as it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def command_line(complete: Collection[str]) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the command line's parser and those of its commands; only commands in `complete` get arguments."""
    parser = argparse.ArgumentParser(prog="xmpp-gateway", description="Query and control an XMPP federation gateway.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('xmpp-gateway')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parsers = {}
    for name, description in COMMANDS.items():
        parsers[name] = commands.add_parser(name, help=description, description=description)
        if name in complete:
            found = _find(name)
            found.add_arguments(parsers[name])
            parsers[name].set_defaults(run=found.run)
    return parser, parsers


def _find(name: str) -> Any:
    """Return the command: its module, or its row in `steering`, which then may have a module for its answer."""
    if find_spec(f"{__name__}.{name}") is not None:
        module = import_module(f"{__name__}.{name}")
        if hasattr(module, "add_arguments"):
            return module
    return import_module(f"{__name__}.steering").STEERING[name]
