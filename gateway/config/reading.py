"""The text of a configuration file, the lines of its keys, and the mistakes found in it so far.

tomllib does not report line numbers. So each line that looks like a table header or like `key =` is parsed again,
alone, to find the key that it sets. Where that fails (an inline table), the line of the enclosing table is reported.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gateway.xmpp.errors import ConfigError, GatewayError

KeyPath = tuple[str, ...]
"""The path to a value through the tables: ("domains", "example.com", "serve")."""

_HEADER = re.compile(r"\s*(\[[^\[].*?\])\s*(?:#.*)?")
_ELEMENT = re.compile(r"\s*\[(\[.*?\])\]\s*(?:#.*)?")  # a table of an array: [[filter]]
_ASSIGNMENT = re.compile(r"""\s*((?:[A-Za-z0-9_.-]|\s*\.\s*|"[^"]*"|'[^']*')+?)\s*=""")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Mistake(ConfigError):
    """One mistake in a configuration file: the key in dotted form, what is wrong with it, and its line."""

    def __init__(self, key: str, problem: str, line: int | None = None) -> None:
        super().__init__(key, problem)
        self.line = line


class Mistakes(GatewayError):
    """All mistakes of one configuration file; its text is the report for the operator."""

    def __init__(self, file: Path, mistakes: Iterable[Mistake]) -> None:
        self.file = file
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line or 0))
        super().__init__(self._report())

    def _report(self) -> str:
        lines = [f"{self._place(mistake)}: {_told(mistake)}" for mistake in self.mistakes]
        number = len(lines)
        return "\n".join([*lines, f"{number} mistake{'s' if number > 1 else ''}"])

    def _place(self, mistake: Mistake) -> str:
        return f"{self.file}:{mistake.line}" if mistake.line else str(self.file)


class Reading:
    """A configuration file that is being read: it collects mistakes, and reading continues."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.folder = file.absolute().parent
        self.faults: list[Mistake] = []  # what `check` reports, but what does not keep the gateway from starting
        self._mistakes: list[Mistake] = []
        self._lines: Mapping[KeyPath, int] = {}

    def parse(self) -> dict[str, Any]:
        """Return the tables of the file; none if it cannot be read."""
        try:
            text = self.file.read_text(encoding="utf-8")
            tables = tomllib.loads(text)
        except OSError as error:
            self.wrong((), f"cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.wrong((), "is not UTF-8, as TOML must be")
        except tomllib.TOMLDecodeError as error:
            self.wrong((), f"is not valid TOML: {error}")
        else:
            self._lines = line_numbers(text)
            return tables
        return {}

    @property
    def count(self) -> int:
        """Return the number of mistakes so far."""
        return len(self._mistakes)

    def wrong(self, key: KeyPath, problem: str) -> None:
        """Record a mistake."""
        self._mistakes.append(Mistake(dotted(key), problem, self._line(key)))

    def fault(self, key: KeyPath, problem: str) -> None:
        """Record a mistake that does not keep the rest from working."""
        self.faults.append(Mistake(dotted(key), problem, self._line(key)))

    def unknown(self, key: KeyPath, value: object, known: Iterable[str]) -> None:
        """Record an unknown key or table, with its value."""
        self.wrong(key, f"no such {'table' if _is_table(value) else 'key'}{did_you_mean(key[-1], known)}")

    def unknown_section(self, name: str, value: object, known: Sequence[str]) -> None:
        """Record a table that does not exist, or a key outside any table."""
        if _is_table(value):
            self.wrong((name,), f"no such table{did_you_mean(name, known) or ': there are ' + ', '.join(known)}")
        else:
            self.wrong((name,), "this key is in no table: put it below the header of its table, such as [gateway]")

    def check(self) -> None:
        """Raise Mistakes if any was noted."""
        if self._mistakes:
            raise Mistakes(self.file, [*self._mistakes, *self.faults])

    def _line(self, key: KeyPath) -> int | None:
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key)


def dotted(key: KeyPath) -> str:
    """Return a key as TOML writes it: `domains."example.com".serve`."""
    return ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in key)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the known word most like this one, as the end of a sentence, or nothing."""
    if not any(letter.isalpha() for letter in word):
        return ""  # no number is meant by another one
    close = get_close_matches(word, list(known), n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Return the line on which each key and each table first appears.

    A table of an array is known by its number, as `#2`, and from its `name` on by that.
    """
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    begins = 0  # the line of an array's table that has not said its name yet
    elements: Counter[KeyPath] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if element := _ELEMENT.fullmatch(line):
            array = _named_by(element[1])
            elements[array] += 1
            key = table = (*array, f"#{elements[array]}")
            begins = number
        elif header := _HEADER.fullmatch(line):
            key = table = _named_by(header[1])
            begins = 0
        elif assignment := _ASSIGNMENT.match(line):
            key = (*table, *_named_by(f"{assignment[1]} = 0"))
            if begins and key[-1] == "name" and (name := _value_of(line)):
                table = (*table[:-1], name)
                found.setdefault(table, begins)
                begins = 0
        else:
            continue
        for depth in range(1, len(key) + 1):
            found.setdefault(key[:depth], number)
    return found


def _named_by(line: str) -> KeyPath:
    """Return the key that one line of TOML sets."""
    try:
        tables: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    key: KeyPath = ()
    while isinstance(tables, dict) and tables:
        ((name, tables),) = tables.items()
        key = (*key, name)
    return key


def _value_of(line: str) -> str:
    """Return the text that one line of TOML assigns to `name`; empty when it assigns none."""
    try:
        value = tomllib.loads(line).get("name")
    except tomllib.TOMLDecodeError:
        return ""
    return value if isinstance(value, str) else ""


def _is_table(value: object) -> bool:
    """Return whether this is a table, or an array of tables."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))


def _told(mistake: Mistake) -> str:
    return f"{mistake.key}: {mistake.problem}" if mistake.key else mistake.problem
