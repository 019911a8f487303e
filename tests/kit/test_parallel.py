"""How tests are spread over workers."""

from __future__ import annotations

import ast
import gc
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.parallel import (
    EARLIEST,
    LONG,
    SHARE,
    WITH_EJABBERD,
    import_a_share,
    leave_out_what_is_there,
    mixed,
    scope,
    worth_telling,
)

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


@pytest.mark.parametrize(
    ("number", "imported"),
    [(0, {"test_a", "test_c"}), (1, {"test_d"}), (None, set())],
    ids=["first", "second", "alone"],
)
def test_each_worker_imports_a_share_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None, imported: set[str]
) -> None:
    for name, text in {"a": "", "b": "raise ValueError", "c": "", "d": "", "e": "1 +"}.items():
        (tmp_path / f"share{number}").mkdir(exist_ok=True)
        (tmp_path / f"share{number}" / f"test_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    config: Any = SimpleNamespace(rootpath=tmp_path, args=[f"share{number}", "elsewhere/test_x.py::test_y"])
    if number is not None:
        config.workerinput = {"workerid": f"gw{number}", "workercount": 2}
    import_a_share(config)
    assert {name.partition(".")[2] for name in sys.modules if name.startswith(f"share{number}.")} == imported


def test_what_files_keep_is_no_work_for_the_garbage_collector() -> None:
    kept = [object()]
    assert any(each is kept for each in gc.get_objects())
    leave_out_what_is_there()
    assert not any(each is kept for each in gc.get_objects())


def report(when: Any, outcome: Any) -> pytest.TestReport:
    return pytest.TestReport("x", ("x", 1, "x"), {"x": 1}, outcome, None, when, duration=2.0)


def test_one_report_tells_of_a_test_that_has_passed() -> None:
    [told] = worth_telling([report("setup", "passed"), call := report("call", "passed"), report("teardown", "passed")])
    assert (told, told.duration, told.keywords) == (call, 6.0, {})


@pytest.mark.parametrize(
    "outcomes",
    [
        {"setup": "failed", "teardown": "passed"},
        {"setup": "skipped", "teardown": "passed"},
        {"setup": "passed", "call": "failed", "teardown": "passed"},
        {"setup": "passed", "call": "skipped", "teardown": "passed"},
        {"setup": "passed", "call": "passed", "teardown": "failed"},
        {"setup": "passed", "teardown": "passed"},  # --setup-only
    ],
    ids=lambda outcomes: " ".join(outcomes.values()),
)
def test_all_reports_tell_of_any_other_test(outcomes: dict[str, str]) -> None:
    reports = [report(when, outcome) for when, outcome in outcomes.items()]
    assert worth_telling(reports) == reports


def test_what_lasts_is_there() -> None:
    assert [name for name in (*EARLIEST, *LONG) if not (ROOT / name).exists()] == []
