"""Imports go one way: a folder imports only from folders before it in the map of gateway/__init__.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gateway
from tests.support.code import statements

ROOT = Path(__file__).parents[1] / "gateway"
ARCHITECTURE = Path(__file__).parents[1] / "docs" / "ARCHITECTURE.md"

# What the map says: (heading, [(folder, what is in it)]), from the ground up.
Floors = list[tuple[str, list[tuple[str, str]]]]


def read_map(text: str) -> Floors:
    """Return the floors that the prose of gateway/__init__.py lists."""
    floors: Floors = []
    for line in text.splitlines():
        if folder := re.fullmatch(r"    ([a-z.]+) {2,}(.+)", line):
            floors[-1][1].append((folder[1], folder[2]))
        elif re.fullmatch(r"[A-Z].*[^.,]", line):
            floors.append((line, []))
    return [floor for floor in floors if floor[1]]


FLOORS = read_map(gateway.__doc__ or "")
FOLDERS = [folder for _, folders in FLOORS for folder, _ in folders]
LEVEL = {folder: number for number, folder in enumerate(FOLDERS)}
# Above net nothing sees a reactor or a socket, or has its own clock; but a store has files, and somebody makes the
# clock.
PURE = [folder for folder in FOLDERS[: LEVEL["net.dns"]] if folder not in ("storage", "outbox", "timing")]
IMPURE = {"socket", "ssl", "time", "random", "twisted.internet.reactor", "OpenSSL", "asyncio"}
HARMLESS = {"random", "random.Random"}  # a type: code that needs randomness is given its source


@cache
def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def folder_of(name: str) -> str | None:
    """Return the folder of a dotted name inside the package: the longest one in the map."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in LEVEL:
            return ".".join(parts[:length])
    return None


@cache
def imports(path: Path) -> frozenset[str]:
    """Return all that a module imports, also inside functions and for type checkers alone."""
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def imported_folders(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name of this package that a module imports, with its folder."""
    for name in imports(path):
        if name.startswith("gateway.") and (folder := folder_of(name.removeprefix("gateway."))):
            yield name, folder


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_imports_go_one_way() -> None:
    for path in modules():
        folder = folder_of(dotted(path))
        if folder is None:
            assert path.name == "__init__.py", f"{dotted(path)} has no place in the map"
            assert not imports(path), dotted(path)
            continue
        for name, other in imported_folders(path):
            assert LEVEL[other] <= LEVEL[folder], f"{dotted(path)} imports {name}, which stands below it in the map"


def test_what_decides_sees_no_clock_and_no_socket() -> None:
    for path in modules():
        if folder_of(dotted(path)) in PURE:
            found = imports(path)
            assert not IMPURE & (found - HARMLESS if "random.Random" in found else found), dotted(path)


@pytest.mark.parametrize("path", sorted((ROOT / "features").glob("*.py")), ids=dotted)
def test_a_feature_knows_no_other(path: Path) -> None:
    """The files of SASL are one feature in several parts."""
    others = {name for name in imports(path) if re.fullmatch(r"gateway\.features\.[a-z_]+", name)}
    assert all(path.stem.startswith("sasl_") and name.startswith("gateway.features.sasl") for name in others)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_folder_has_a_circle(folder: str) -> None:
    inside = {dotted(path): path for path in modules() if folder_of(dotted(path)) == folder}
    graph = {
        name: {known for known in inside if known != name and f"gateway.{known}" in imports(path)}
        for name, path in inside.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("opening", sorted(ROOT.glob("*/**/__init__.py")), ids=dotted)
def test_the_opening_of_a_folder_names_each_of_its_files_and_no_other(opening: Path) -> None:
    """A file that is new needs its line in the docstring of the folder's __init__.py."""
    listed = set(re.findall(r"(?<![\w/])\w+\.py\b", ast.get_docstring(ast.parse(opening.read_text())) or ""))
    assert listed == {path.name for path in opening.parent.glob("*.py") if not path.stem.startswith("__")}


def rules_and_files(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each standard, section and file in the table of docs/ARCHITECTURE.md."""
    standard = ""
    for line in text.partition("## Where a rule lives")[2].partition("\n## ")[0].splitlines():
        if heading := re.match(r"\| \*\*(.+)\*\* \|", line):
            standard = heading[1]
        elif row := re.fullmatch(r"\| (§.+?) \| .+ \| (.+) \|", line):
            yield from ((standard, section, file) for section in row[1].split(", ") for file in row[2].split(", "))


def test_a_rule_lives_where_the_manual_says() -> None:
    """The file that is named for a section cites it, or a part of it, and the file or its folder cites the standard."""
    rules = list(rules_and_files(ARCHITECTURE.read_text()))
    assert {standard for standard, _, _ in rules} == {"RFC 6120", "RFC 6121", "XEP-0220", "XEP-0198"}
    for standard, section, file in rules:
        path = ROOT / file.strip("`")
        text = path.read_text()
        assert re.search(rf"{re.escape(section)}(?:\.\d+)*(?!\d)", text), f"{file} does not cite {section}"
        assert standard in text + (path.parent / "__init__.py").read_text(), f"{file} does not cite {standard}"


def test_every_folder_of_the_map_exists_and_nothing_else_does() -> None:
    there = {path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"}
    there -= {"__init__", "__pycache__"}
    assert there == {folder.partition(".")[0] for folder in FOLDERS}
    assert len(list(ROOT.glob("*.py"))) <= 3, "what stands loose is service.py and tap.py"


def as_table(floors: Floors) -> str:
    """Return the map as docs/ARCHITECTURE.md has it."""
    rows = ["| folder | what is in it |", "|---|---|"]
    for heading, folders in floors:
        rows.append(f"| **{heading}** | |")
        rows.extend(f"| `{folder.replace('.', '/')}` | {what} |" for folder, what in folders)
    return "\n".join(rows)


def test_the_manual_has_the_same_map() -> None:
    assert as_table(FLOORS) in ARCHITECTURE.read_text(), f"docs/ARCHITECTURE.md needs this table:\n{as_table(FLOORS)}"


def types_defined(path: Path) -> Iterator[str]:
    """Yield the types that a module defines, wherever in it, with the case and underscores of their names taken away.

    They are classes of all kinds, aliases and NewTypes; not `T` and `P`, which are parameters.
    """
    for node in statements(ast.parse(path.read_text())):
        match node:
            case ast.ClassDef(name=name):
                yield name.lower().replace("_", "")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if re.fullmatch(r"_?[A-Z](?=.*[a-z])[A-Za-z0-9]*", name):
                    yield name.lower().replace("_", "")


# Every life has states and moves of its own, and is imported whole: nobody sees two of them at once.
LIVES = {"life", "move"}


def test_a_name_of_a_type_means_one_thing() -> None:
    """Neither an underscore nor a capital letter makes another name of it, for somebody who reads it aloud."""
    homes: dict[str, list[str]] = {}
    for path in modules():
        for name in types_defined(path):
            homes.setdefault(name, []).append(dotted(path))
    assert {name: where for name, where in homes.items() if len(where) > 1 and name not in LIVES} == {}


def test_types_are_found_wherever_they_are_defined(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING, NewType\n"
        "Host = NewType('Host', str)\n_Hosts: TypeAlias = list[Host]\nT = TypeVar('T')\nMOST = 3\n"
        "if TYPE_CHECKING:\n    UnderWay = int\n"
        "class _Outer(Protocol):\n    class Inner(Enum): ...\n"
    )
    assert sorted(types_defined(path)) == ["host", "hosts", "inner", "outer", "underway"]


# The modules that may declare a stanza from outside an AddressedStanza, besides those that make one.
ADMITTING = {
    "routing.policy",  # other servers and components
    "im.edits",
    "im.outbound",  # clients, whose stanzas are stamped with their addresses
    "handlers.route",  # handlers in Python
    "commands.filter",  # a stanza on which rules are tried, and which goes nowhere
}


def narrows(path: Path) -> bool:
    """Return whether a module takes a stanza for an AddressedStanza that it did not make: by a test, guard or cast."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)) if "AddressedStanza" in text else ():
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "cast"), args=arguments):
                about: list[ast.expr] = arguments
            case ast.Subscript(value=ast.Name(id="TypeGuard" | "TypeIs"), slice=guarded):
                about = [guarded]
            case _:
                continue
        if any(isinstance(each, ast.Name) and each.id == "AddressedStanza" for top in about for each in ast.walk(top)):
            return True
    return False


def test_only_policy_admits_a_stanza_to_the_routes() -> None:
    assert {dotted(path) for path in modules() if narrows(path)} - {"xmpp.stanzas"} == ADMITTING
