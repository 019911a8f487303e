"""How tests are spread over workers."""

from __future__ import annotations

from pathlib import Path

from tests.parallel import LASTING, LONG, SHARE, mixed, scope

ROOT = Path(__file__).parents[2]


def test_a_file_is_a_scope_and_what_waits_is_one_for_each_test() -> None:
    assert scope("tests/unit/test_turns.py::test_a[x::y]") == "tests/unit/test_turns.py"
    assert scope("tests/faults/test_queues.py::test_a[x]") == "tests/faults/test_queues.py::test_a[x]"


def test_files_around_one_scene_are_one_scope() -> None:
    assert scope("tests/operator/test_page.py::test_a") == scope("tests/operator/test_probe.py::test_b")
    assert scope("tests/operator/test_reload.py::test_a") == "tests/operator/test_reload.py"


def test_all_are_there_and_the_waiting_begin_early() -> None:
    waiting, rest = list(range(10)), list(range(100, 200))
    order = list(mixed(waiting, rest))  # type: ignore[arg-type]
    assert sorted(order) == waiting + rest
    assert [item for item in order if item >= 100] == rest
    assert order.index(waiting[-1]) <= SHARE * len(order)


def test_few_others_leave_nobody_out() -> None:
    assert list(mixed([1, 2, 3], [100])) == [1, 100, 2, 3]  # type: ignore[list-item]
    assert list(mixed([], [100])) == [100]  # type: ignore[list-item]


def test_what_lasts_is_there() -> None:
    assert [name for name in (*LASTING, *LONG) if not (ROOT / name).exists()] == []
