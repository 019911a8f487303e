"""How tests are spread over workers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.parallel import EARLIEST, LONG, SHARE, WITH_EJABBERD, mixed, scope, scopes

ROOT = Path(__file__).parents[2]


def test_a_file_is_a_scope_and_what_waits_is_one_for_each_test() -> None:
    assert scope("tests/unit/test_turns.py::test_a[x::y]") == "tests/unit/test_turns.py"
    assert scope("tests/faults/test_queues.py::test_a[x]") == "tests/faults/test_queues.py::test_a[x]"


def test_files_around_one_scene_are_one_scope() -> None:
    assert scope("tests/operator/test_page.py::test_a") == scope("tests/operator/test_probe.py::test_b")
    assert scope("tests/operator/test_reload.py::test_a") == "tests/operator/test_reload.py"


ASKS = {"ejabberd: Peer", "peer: Peer", "host: Peer"}


def _asked_of_fixtures(text: str) -> Iterator[str]:
    """Yield the arguments of all tests and fixtures in the text of a file."""
    for each in ast.parse(text).body:
        if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if each.name.startswith("test_") or any("fixture" in ast.unparse(how) for how in each.decorator_list):
            yield from map(ast.unparse, each.args.args)


def test_few_workers_start_an_ejabberd() -> None:
    """Of the servers that the tests share, it alone is slow to start."""
    given = re.compile(r"(?:parametrize\(|params=)[^\n]*[\"']ejabberd[\"']")
    files = {file: file.read_text() for file in (ROOT / "tests").rglob("test_*.py") if "kit" not in file.parts}
    asking = {
        str(file.relative_to(ROOT))
        for file, text in files.items()
        if given.search(text) or ASKS.intersection(_asked_of_fixtures(text))
    }
    assert len(asking) > 10
    assert {name for name in asking if scope(f"{name}::test_a") not in WITH_EJABBERD} == set()


def test_all_are_there_and_the_waiting_begin_early() -> None:
    waiting, rest = list(range(10)), list(range(100, 200))
    order = list(mixed(waiting, rest))  # type: ignore[arg-type]
    assert sorted(order) == waiting + rest
    assert [item for item in order if item >= 100] == rest
    assert order.index(waiting[-1]) <= SHARE * len(order)


def test_few_others_leave_nobody_out() -> None:
    assert list(mixed([1, 2, 3], [100])) == [1, 100, 2, 3]  # type: ignore[list-item]
    assert list(mixed([], [100])) == [100]  # type: ignore[list-item]


def test_scopes_come_where_their_first_test_does() -> None:
    files = ["unit/test_a.py::a", "faults/test_f.py::a", "unit/test_a.py::b", "faults/test_f.py::b"]
    assert scopes([f"tests/{name}" for name in files]) == [[0, 2], [1], [3]]


def test_what_lasts_is_there() -> None:
    assert [name for name in (*EARLIEST, *LONG) if not (ROOT / name).exists()] == []
