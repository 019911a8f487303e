"""What changes while it lives keeps its state in a table, not in flags: no class has more than two booleans.

Every class of the product is looked at, with what it inherits. The exceptions are frozen values each of whose flags is
a fact for itself, so that every combination has a meaning; they are listed, with what their flags are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.support.code import statements

ROOT = Path(__file__).parents[1] / "gateway"
MOST_FLAGS = 2
FLAG = re.compile("_?(is|has|was|may|does|can)_")
FACTS = {
    "PeerSettings": "the switches of [peers]",
    "SeenStream": "what was found in one header",
    "Terms": "what is required on a stream, and offered there",
}


@dataclass
class Seen:
    """A class as it is written."""

    name: str
    where: str
    bases: list[str]
    is_frozen: bool
    flags: set[str] = field(default_factory=set)


def targets(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Yield what a statement assigns to, each with its value if that is known."""
    if isinstance(node, ast.AnnAssign):
        yield node.target, ast.Constant(value=False) if ast.unparse(node.annotation) == "bool" else node.value
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple):
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [None] * len(target.elts)
                yield from zip(target.elts, values, strict=True)
            else:
                yield target, node.value


def is_truth(value: ast.expr | None, booleans: set[str]) -> bool:
    """Return whether an expression is a boolean by its form; `booleans` are the arguments that are."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, bool)
    if isinstance(value, ast.Name):
        return value.id in booleans
    return isinstance(value, ast.Compare) or (isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not))


def flags_in(class_: ast.ClassDef) -> set[str]:
    """Return the attributes that the body of a class, or a method, sets to a boolean, or names like one."""
    found: set[str] = set()
    for statement in class_.body:
        for target, value in targets(statement):
            if isinstance(target, ast.Name) and is_truth(value, set()):
                found.add(target.id)
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = [*statement.args.args, *statement.args.kwonlyargs]
        booleans = {each.arg for each in arguments if each.annotation and ast.unparse(each.annotation) == "bool"}
        for node in statements(statement):
            for target, value in targets(node):
                match target:
                    case ast.Attribute(value=ast.Name(id="self"), attr=name):
                        if is_truth(value, booleans) or FLAG.match(name):
                            found.add(name)
    return found


def seen_in(text: str, where: str = "") -> Iterator[Seen]:
    """Yield the classes of a module."""
    for node in statements(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base).rpartition(".")[2].partition("[")[0] for base in node.bases]
            is_frozen = any("frozen=True" in ast.unparse(each) for each in node.decorator_list)
            yield Seen(node.name, where, bases, is_frozen, flags_in(node))


@cache
def classes() -> tuple[Seen, ...]:
    """Return all classes of the product."""
    return tuple(
        seen for path in sorted(ROOT.rglob("*.py")) for seen in seen_in(path.read_text(), f"{path.relative_to(ROOT)}")
    )


def flags(seen: Seen, among: tuple[Seen, ...]) -> set[str]:
    """Return the flags of a class, with those that it inherits."""
    found = set(seen.flags)
    for each in among:
        if each.name in seen.bases and each is not seen:
            found |= flags(each, among)
    return found


def test_flags_are_found_however_they_are_set() -> None:
    (seen,) = seen_in(
        """
class Flagged:
    a_field: bool = False

    def __init__(self, tired: bool, count: int) -> None:
        self.one = False
        self._two, self.no_flag = True, 1
        self.three: bool = tired
        self._is_four = self.five = False
        self.six = tired
        self.seven = count > 3
        self.name = "no flag"

    def later(self) -> None:
        self.eight = not self.one
"""
    )
    assert seen.flags == {"a_field", "one", "_two", "three", "_is_four", "five", "six", "seven", "eight"}


def test_flags_are_inherited() -> None:
    among = tuple(
        seen_in("class A:\n def f(self): self.a = self.b = True\nclass B(x.A[int]):\n def g(self): self.c = False\n")
    )
    assert flags(among[1], among) == {"a", "b", "c"}


def faults(among: tuple[Seen, ...]) -> list[str]:
    """Return what is wrong with the flags of classes."""
    found = []
    for seen in among:
        of_it = flags(seen, among) if seen.flags else set()
        if seen.name not in FACTS:
            if len(of_it) > MOST_FLAGS:
                found.append(f"{seen.where}: {seen.name}: {', '.join(sorted(of_it))}: make them states of a table")
        elif not seen.is_frozen:
            found.append(f"{seen.name}: only what never changes has flags that are facts")
        elif len(of_it) <= MOST_FLAGS:
            found.append(f"{seen.name}: it need not be listed any longer")
    return found


def test_each_kind_of_fault_is_found() -> None:
    text = """
class Tired:
    def __init__(self):
        self.one = self.two = False
class MoreTired(Tired):
    three = True
class Terms:
    a = b = c = True
@dataclass(frozen=True)
class SeenStream:
    a: bool
"""
    assert faults(tuple(seen_in(text, "a_file.py"))) == [
        "a_file.py: MoreTired: one, three, two: make them states of a table",
        "Terms: only what never changes has flags that are facts",
        "SeenStream: it need not be listed any longer",
    ]


def test_no_life_is_kept_in_flags() -> None:
    assert faults(classes()) == []


def test_the_exceptions_are_there() -> None:
    assert set(FACTS) <= {each.name for each in classes()}
