"""The manual pages, in man(7) format, from the definitions of `--help` and of the configuration.

python -m gateway.commands.manual                   print xmpp-gateway(1), which has all commands
python -m gateway.commands.manual commands          print docs/commands.md: the commands and exit statuses as tables
python -m gateway.commands.manual pages FOLDER      write that page, a page for each command, and the page of the
                                                    configuration file, as a package needs them
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.commands import COMMANDS, command_line
from gateway.commands.exit_statuses import MEANINGS
from gateway.config import reference
from gateway.config.place import USUAL

SERVICE = """\
The service itself is run by twistd(1):

.EX
twistd \\-\\-nodaemon xmpp\\-gateway \\-\\-config FILE
.EE

SIGTERM and SIGINT stop it cleanly; SIGHUP makes it reload its configuration, as
.B reload
does."""


CHAPTERS = {1: "User Commands", 5: "File Formats"}


def pages() -> dict[str, str]:
    """Return all pages by the names of their files."""
    _, commands = command_line(COMMANDS)
    each = {f"xmpp-gateway-{name}.1": command_page(name, command) for name, command in commands.items()}
    return {"xmpp-gateway.1": page(), **each, "xmpp-gateway.toml.5": configuration_page()}


def page() -> str:
    """Return xmpp-gateway(1), with all commands."""
    parser, commands = command_line(COMMANDS)
    return "\n".join(
        [
            *_head("xmpp-gateway", 1, _sentence(parser.description)),
            ".SH SYNOPSIS",
            *_synopsis("xmpp-gateway", "COMMAND [OPTION]... [ARGUMENT]..."),
            ".SH DESCRIPTION",
            SERVICE,
            ".PP",
            "The commands below read the configuration file of that service, or query the service while it runs.",
            ".SH COMMANDS",
            *(line for name, command in commands.items() for line in _command(name, command)),
            *_exit_status(),
            ".SH SEE ALSO",
            ".BR twistd (1)",
            ".PP",
            "The manual and example configuration files are in share/doc/xmpp\\-gateway.",
            "",
        ]
    )


def command_page(name: str, parser: argparse.ArgumentParser) -> str:
    """Return the page of one command."""
    return "\n".join(
        [
            *_head(f"xmpp-gateway-{name}", 1, _sentence(parser.description)),
            ".SH SYNOPSIS",
            *_synopsis(f"xmpp-gateway {name}", _usage(name, parser)),
            ".SH DESCRIPTION",
            _escaped(_sentence(parser.description, ends=True)),
            ".SH OPTIONS",
            *_arguments(parser),
            *_exit_status(),
            ".SH FILES",
            *_entry(str(USUAL), "the configuration file"),
            ".SH SEE ALSO",
            ".BR xmpp\\-gateway (1),",
            ".BR xmpp\\-gateway.toml (5)",
            "",
        ]
    )


def configuration_page() -> str:
    """Return xmpp-gateway.toml(5), the page of the configuration file."""
    _, *introduction = reference.INTRODUCTION.splitlines()
    return "\n".join(
        [
            *_head("xmpp-gateway.toml", 5, "the configuration file of the XMPP federation gateway"),
            ".SH SYNOPSIS",
            f".B {_escaped(str(USUAL))}",
            ".SH DESCRIPTION",
            *_paragraph(" ".join(introduction)),
            *(line for section in reference.sections() for line in _section(section)),
            ".SH SEE ALSO",
            ".BR xmpp\\-gateway\\-check (1)",
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


def _head(name: str, chapter: int, purpose: str) -> Iterator[str]:
    """Yield the title of a page, and its line for whatis(1)."""
    yield f'.TH {_escaped(name.upper())} {chapter} "" "xmpp\\-gateway" "{CHAPTERS[chapter]}"'
    yield ".SH NAME"
    yield f"{_escaped(name)} \\- {_escaped(purpose)}"


def _exit_status() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for status, meaning in MEANINGS.items():
        yield from _entry(str(status), meaning)


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the section of one command, with all its arguments."""
    yield from _synopsis(name, _usage(name, parser), tag=".SS")
    yield _escaped(_sentence(parser.description, ends=True))
    yield from _arguments(parser)


def _usage(name: str, parser: argparse.ArgumentParser) -> str:
    """Return how the command is called, without its name."""
    usage = parser.format_usage().removeprefix("usage: xmpp-gateway ")
    return " ".join(usage.split()).removeprefix(name).strip()


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # argparse has no public API for this
        if not isinstance(action, argparse._HelpAction):
            yield from _entry(_invocation(action), action.help or "")


def _section(section: reference.Section) -> Iterator[str]:
    """Yield a section of the configuration file, with its keys."""
    yield f'{".SH" if section.level == 2 else ".SS"} "{_escaped(section.title)}"'
    yield from _paragraph(section.sentence)
    if section.text:
        yield ".PP"
        yield from _paragraph(section.text)
    for key in section.keys:
        default = {"needed": "; needed", "": ""}.get(key.default, f"; default: {key.default}")
        yield ".TP"
        yield f'.BR {_escaped(key.name)} " ({_escaped(f"{key.value}{default}".replace("`", ""))})"'
        yield from _paragraph(key.description)


def _paragraph(text: str) -> Iterator[str]:
    """Yield a text in Markdown: links lose their targets, and what is quoted as code is bold."""
    plain = re.sub(r"\[([^\]`]+)\]\([^)]*\)", r"\1", " ".join(text.split()))
    yield re.sub(r"`+([^`]*)`+", r"\\fB\1\\fR", _escaped(plain))


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


def main(words: list[str]) -> None:
    """Print or write what the words ask for."""
    match words:
        case []:
            print(page(), end="")
        case ["commands"]:
            print(summary(), end="")
        case ["pages", folder]:
            for name, text in pages().items():
                (Path(folder) / name).write_text(text)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
