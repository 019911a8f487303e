"""The manual page, in man(7) format, from the definitions of `--help`: `python -m gateway.commands.manual`.

With the argument `commands` it prints docs/commands.md instead: the same commands and exit statuses as two tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator

from gateway.commands import COMMANDS, command_line
from gateway.commands.steering import MEANINGS

SERVICE = """\
The service itself is run by twistd(1):

.EX
twistd \\-\\-nodaemon xmpp\\-gateway \\-\\-config FILE
.EE

SIGTERM and SIGINT stop it cleanly; SIGHUP makes it reload its configuration, as
.B reload
does."""


def page() -> str:
    """Return the whole page."""
    parser, commands = command_line(COMMANDS)
    return "\n".join(
        [
            '.TH XMPP\\-GATEWAY 1 "" "xmpp\\-gateway" "User Commands"',
            ".SH NAME",
            f"xmpp\\-gateway \\- {_escaped(_sentence(parser.description))}",
            ".SH SYNOPSIS",
            *_synopsis("xmpp-gateway", "COMMAND [OPTION]... [ARGUMENT]..."),
            ".SH DESCRIPTION",
            SERVICE,
            ".PP",
            "The commands below read the configuration file of that service, or query the service while it runs.",
            ".SH COMMANDS",
            *(line for name, command in commands.items() for line in _command(name, command)),
            ".SH EXIT STATUS",
            *(line for status, meaning in MEANINGS.items() for line in _entry(str(status), meaning)),
            ".SH SEE ALSO",
            ".BR twistd (1)",
            ".PP",
            "The manual and example configuration files are in share/doc/xmpp\\-gateway.",
            "",
        ]
    )


def summary() -> str:
    """Return docs/commands.md: a table of the commands and one of the exit statuses."""
    return "\n".join(
        [
            "# Commands and exit statuses",
            "",
            "`xmpp-gateway COMMAND --help` shows the options of a command.",
            "",
            "| command | what it does |",
            "|---|---|",
            *(f"| `{name}` | {meaning} |" for name, meaning in COMMANDS.items()),
            "",
            "The exit status is the same for every command, so that monitors and scripts can rely on it:",
            "",
            "| status | meaning |",
            "|---|---|",
            *(f"| {status} | {meaning} |" for status, meaning in MEANINGS.items()),
            "",
        ]
    )


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the section of one command, with all its arguments."""
    usage = parser.format_usage().removeprefix("usage: xmpp-gateway ")
    yield from _synopsis(name, " ".join(usage.split()).removeprefix(name).strip(), tag=".SS")
    yield _escaped(_sentence(parser.description, ends=True))
    for action in parser._actions:  # argparse has no public API for this
        if not isinstance(action, argparse._HelpAction):
            yield from _entry(_invocation(action), action.help or "")


def _invocation(action: argparse.Action) -> str:
    """Return how an option or an argument is written."""
    if action.choices is not None:
        value = "|".join(map(str, action.choices))
    else:
        value = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _synopsis(name: str, arguments: str, tag: str = "") -> Iterable[str]:
    if tag:
        return [f'{tag} "{_escaped(f"{name} {arguments}")}"']
    return [f".B {_escaped(name)}", _escaped(arguments)]


def _entry(term: str, text: str) -> Iterable[str]:
    return [".TP", f".B {_escaped(term)}", _escaped(text)] if text else [".TP", f".B {_escaped(term)}"]


def _sentence(text: str | None, *, ends: bool = False) -> str:
    said = (text or "").strip().rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if ends else f"{said[:1].lower()}{said[1:]}"


def _escaped(text: str) -> str:
    """Return text escaped for man(7), so that no part of it is a request, and hyphens can be searched for."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    print(summary() if sys.argv[1:] == ["commands"] else page(), end="")
