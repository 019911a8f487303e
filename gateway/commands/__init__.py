"""The console script: `xmpp-gateway COMMAND --config FILE`.

Each command is a module of its own beside this one, imported when it is called, with two functions:

    add_arguments(parser)       what it takes, besides its name
    run(arguments) -> int       do it; the answer is the exit status
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.metadata import version

from gateway.errors import ConfigError

COMMANDS = {
    "check": "read a configuration and all that it names; tell every mistake at once, or what would be served",
    "account": "add and delete accounts of our own domains, change their passwords, list them",
    "status": "whether the running service does its work: domains, streams, certificates",
    "peers": "other domains, and how federation with each is",
    "explain": "why federation with a domain works or does not, step by step",
    "queues": "the ways to other domains, and what waits on each",
    "close": "close the streams with a domain",
    "retry": "forget that a domain failed, and try now what waits for it",
    "reload": "take over the configuration, certificates, authorities and revocation lists as they are now",
    "probe": "try a domain afresh, without the service, and show each step",
    "completion": "a script by which bash or zsh completes all this",
}


def main(words: Sequence[str] | None = None) -> int:
    """Carry out one command of the operator; the answer is the exit status."""
    words = sys.argv[1:] if words is None else words
    called = next((word for word in words if word in COMMANDS), None)
    parser, _ = command_line({called} if called else ())
    arguments = parser.parse_args(words)
    try:
        return int(arguments.run(arguments))
    except ConfigError as mistake:
        print(f"xmpp-gateway: {mistake}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # nobody reads on, as with `| head`
        sys.stderr.close()
        return 1


def command_line(complete: Collection[str]) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command line and those of its commands; only `complete` ones know their arguments."""
    parser = argparse.ArgumentParser(prog="xmpp-gateway", description="Steer and question an XMPP federation gateway.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('xmpp-gateway')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parsers = {}
    for name, description in COMMANDS.items():
        parsers[name] = commands.add_parser(name, help=description, description=description)
        if name in complete:
            module = import_module(f"{__name__}.{name}")
            module.add_arguments(parsers[name])
            parsers[name].set_defaults(run=module.run)
    return parser, parsers
