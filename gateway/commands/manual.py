"""The manual page, from the definitions that `--help` prints: `python -m gateway.commands.manual`, see man(7)."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

from gateway.commands import COMMANDS, command_line
from gateway.commands.steering import MEANINGS

SERVICE = """\
The service itself is run by twistd(1):

.EX
twistd \\-\\-nodaemon xmpp\\-gateway \\-\\-config FILE
.EE

SIGTERM and SIGINT end it in order; SIGHUP has it read the file again, as
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
            "The commands below work on the configuration file of that service, or ask it while it runs.",
            ".SH COMMANDS",
            *(line for name, command in commands.items() for line in _command(name, command)),
            ".SH EXIT STATUS",
            *(line for status, meaning in MEANINGS.items() for line in _entry(str(status), meaning)),
            ".SH SEE ALSO",
            ".BR twistd (1)",
            ".PP",
            "The manual and examples of configuration files are in the folder share/doc/xmpp\\-gateway.",
            "",
        ]
    )


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """One command, with everything that it takes."""
    usage = parser.format_usage().removeprefix("usage: xmpp-gateway ")
    yield from _synopsis(name, " ".join(usage.split()).removeprefix(name).strip(), tag=".SS")
    yield _escaped(_sentence(parser.description, ends=True))
    for action in parser._actions:  # argparse has no public way to ask for them
        if not isinstance(action, argparse._HelpAction):
            yield from _entry(_invocation(action), action.help or "")


def _invocation(action: argparse.Action) -> str:
    """How an option or an argument is written."""
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
    """Text as man(7) takes it: nothing in it is a request, and hyphens can be searched for."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    print(page(), end="")
