"""The table of features: which rows hold, for which role, and the tests that say so; written from a test run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import PurePosixPath
from xml.etree import ElementTree

from tests.features.rows import ROWS, SECTIONS, Row, files_elsewhere

SERVER, CLIENT = "server", "client"
FOLDERS = {SERVER: "tests/features", CLIENT: "tests/features/client"}
INTRODUCTION = """# The feature set

Every feature of *A Feature Set for XMPP* (draft-saintandre-xmpp-feature-set-01), and whether it holds. This page is
written by `make features` from a run of the tests that carry the ids; `make features` fails when a row that held no
longer does. The appendix has features that the draft does not ask for.

- **S**, **C**: required (R), recommended (r) or optional (o) for the server and for the client role, or neither (-).
  The gateway is a server on every port, the initiating server towards other domains, and a client where it logs in
  somewhere itself.
- **server**, **client**: *holds* when tests prove it, *fails* when one of them does not pass, *not proven* when there
  is none that could fail.
- **proven by**: files of tests and how many tests of each have passed. One folder proves both roles where both do it by
  the same code.
"""


class Verdict(StrEnum):
    """What the tests say about a row in one role."""

    HOLDS = "holds"
    FAILS = "**fails**"
    NOT_PROVEN = "*not proven*"
    NOT_MEANT = "-"


@dataclass(kw_only=True)
class Tally:
    """How the tests of one file went."""

    passed: int = 0
    failed: int = 0


Tallies = Mapping[str, Tally]
"""By the path of the file, as pytest gives it."""


def tallies(*results: str) -> Tallies:
    """Count how the tests of each file that proves a row went, in results as `--junit-xml` writes them.

    What a test did in a later run counts, not what it did before.
    """
    elsewhere = files_elsewhere()
    counted: dict[str, Tally] = defaultdict(Tally)
    for case in _last(results):
        file = _file(case.get("classname") or case.get("name") or "")
        if not file.startswith(FOLDERS[SERVER]) and file not in elsewhere:
            continue
        if case.find("failure") is not None or case.find("error") is not None:
            counted[file].failed += 1
        elif case.find("skipped") is None:
            counted[file].passed += 1
    return counted


def _last(results: Iterable[str]) -> Iterator[ElementTree.Element]:
    """Yield the cases of each test in the last run that has it: one, or two where it has failed and its end as well."""
    cases: dict[tuple[str | None, str | None], list[ElementTree.Element]] = {}
    for junit in results:
        run: dict[tuple[str | None, str | None], list[ElementTree.Element]] = defaultdict(list)
        for case in ElementTree.fromstring(junit).iter("testcase"):
            run[case.get("classname"), case.get("name")].append(case)
        cases |= run
    return chain.from_iterable(cases.values())


def _file(name: str) -> str:
    """Return the path of the file with the tests of this dotted name, which may go on with that of a class."""
    folders, test, rest = name.partition(".test_")
    return f"{folders}{test}{rest.partition('.')[0]}".replace(".", "/") + ".py"


def files_of(row: Row, role: str) -> list[str]:
    """The files whose tests say something about a row in that role."""
    if row.tests:
        return [row.tests]
    folders = [FOLDERS[role]] if role == SERVER or not row.alike else [FOLDERS[SERVER], FOLDERS[CLIENT]]
    return [str(PurePosixPath(folder) / row.file) for folder in folders]


def verdict(row: Row, role: str, tallies: Tallies) -> Verdict:
    """Return whether a row holds in that role."""
    if (row.server if role == SERVER else row.client) == "-":
        return Verdict.NOT_MEANT
    found = [tallies[file] for file in files_of(row, role) if file in tallies]
    if any(tally.failed for tally in found):
        return Verdict.FAILS
    return Verdict.HOLDS if any(tally.passed for tally in found) else Verdict.NOT_PROVEN


def write(tallies: Tallies) -> str:
    """The page."""
    return "\n".join([INTRODUCTION, *_sections(tallies), *_sum(tallies)]) + "\n"


def _sections(tallies: Tallies) -> Iterator[str]:
    for section, rows in SECTIONS.items():
        yield f"## {section}\n\n| id | S | C | feature | server | client | proven by |\n|---|---|---|---|---|---|---|"
        for row in rows:
            states = [verdict(row, role, tallies) for role in (SERVER, CLIENT)]
            feature = row.feature.replace("|", "\\|")
            cells = [row.id, row.server, row.client, feature, *states, _proof(row, tallies)]
            yield f"| {' | '.join(cells)} |"
        yield ""


def _proof(row: Row, tallies: Tallies) -> str:
    files = dict.fromkeys(file for role in (SERVER, CLIENT) for file in files_of(row, role))
    known = [(file, tallies[file].passed) for file in files if file in tallies]
    return ", ".join(f"[{file.removeprefix(f'{FOLDERS[SERVER]}/')}](../{file}) ({passed})" for file, passed in known)


def _sum(tallies: Tallies) -> Iterator[str]:
    for role in (SERVER, CLIENT):
        states = [verdict(row, role, tallies) for row in ROWS]
        meant = [state for state in states if state is not Verdict.NOT_MEANT]
        yield f"As {role}: {meant.count(Verdict.HOLDS)} of {len(meant)} rows hold."


_LINE = re.compile(r"\| ([0-9.]+-[0-9]+) \|.*\| ([^|]+) \| ([^|]+) \| [^|]*\|")


def holding(page: str) -> set[tuple[str, str]]:
    """The rows that hold according to a page, each with its role."""
    return {
        (found[1], role)
        for found in map(_LINE.fullmatch, page.splitlines())
        if found is not None
        for role, state in ((SERVER, found[2]), (CLIENT, found[3]))
        if state == Verdict.HOLDS
    }
