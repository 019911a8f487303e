"""The table of bounds is complete: each use of the tables of gateway/bounds has a row, and none is bounded by hand.

The code is read, not run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import gateway
from gateway.run.bounds import TABLE

PACKAGE = Path(gateway.__file__).parent
FILES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}

TABLES = {"Bounded", "Seldom", "Rates", "AddressCache"}
CACHED_BY_OUR_OWN = {"config.tables", "net.certificates.certificate_paths", "operations.metrics"}
"""Where a function without a bound is remembered by types and constants of ours, and by nothing that comes in."""


@cache
def tree(name: str) -> ast.AST:
    """Return the code of a module."""
    return ast.parse(FILES[name].read_text())


def trees(words: Iterable[str]) -> Iterator[tuple[str, ast.AST]]:
    """Yield the code of each module that has one of these words somewhere: most need not be parsed."""
    any_of_them = re.compile("|".join(map(re.escape, words)))
    return ((name, tree(name)) for name, path in FILES.items() if any_of_them.search(path.read_text()))


def called(tree: ast.AST) -> Iterator[str]:
    """Yield the name of all that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def modules_that_call(names: set[str]) -> set[str]:
    return {name for name, tree in trees(names) if names & set(called(tree))}


def test_every_table_with_a_bound_has_a_row() -> None:
    used = {name for name in modules_that_call(TABLES) if not name.startswith(("commands.", "run.assembly."))}
    rows = {module for row in TABLE for module in row.where.split()}
    assert used <= rows


def test_every_row_names_modules_that_there_are() -> None:
    assert {module for row in TABLE for module in row.where.split()} <= set(FILES)


def test_nobody_bounds_a_table_by_hand() -> None:
    for name, tree in trees(("OrderedDict", "popitem", "del ")):
        for node in ast.walk(tree) if not name.startswith("bounds.") else ():
            assert not (isinstance(node, ast.alias) and node.name == "OrderedDict"), name
            assert not (isinstance(node, ast.Attribute) and node.attr == "popitem"), name
            if isinstance(node, ast.Delete):
                assert "next(iter(" not in ast.unparse(node), f"{name}:{node.lineno}"


def test_what_is_remembered_of_functions_is_bounded() -> None:
    """`lru_cache` keeps 128 results unless it says otherwise; `cache` and `lru_cache(None)` keep all."""
    for name, tree in trees(("cache",)):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and any(each.name == "cache" for each in node.names):
                assert name in CACHED_BY_OUR_OWN
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lru_cache":
                unbounded = any(isinstance(each, ast.Constant) and each.value is None for each in node.args)
                assert not unbounded, f"{name}:{node.lineno}"
