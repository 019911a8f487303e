"""Every file and every name on the page of the hot path exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.code import statements

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "hot-path.md").read_text()
NAMES = sorted(set(re.findall(r"`([A-Z]\w+\.\w+)`", PAGE)))


def members() -> dict[str, set[str]]:
    """Return what each class that the page names defines, by its name."""
    found: dict[str, set[str]] = {}
    wanted = "|".join(sorted({name.partition(".")[0] for name in NAMES}))
    for file in (ROOT / "gateway").rglob("*.py"):
        text = file.read_text()
        for node in statements(ast.parse(text)) if re.search(rf"\bclass ({wanted})\b", text) else ():
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_members(node))
    return found


def _members(node: ast.ClassDef) -> set[str]:
    names = {each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    for each in ast.walk(node):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name | ast.Attribute):
            names.add(each.target.id if isinstance(each.target, ast.Name) else each.target.attr)
        elif isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store):
            names.add(each.attr)
    return names


def test_the_page_names_the_whole_way() -> None:
    assert {"StreamProtocol.dataReceived", "Codec.take", "Router.route_all", "Writable.write"} <= set(NAMES)


def test_every_name_exists() -> None:
    found = members()
    missing = [name for name in NAMES if name.split(".")[1] not in found.get(name.split(".")[0], set())]
    assert missing == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE))))
def test_every_file_exists(name: str) -> None:
    assert (ROOT / "gateway" / name).exists()


def test_the_names_of_a_row_are_in_the_file_of_that_row() -> None:
    for files, calls in re.findall(r"^\| \w+ \| ([^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE):
        text = "".join((ROOT / "gateway" / file).read_text() for file in re.findall(r"`([\w/]+\.py)`", files))
        classes = set(re.findall(r"^class (\w+)", text, re.MULTILINE))
        assert not classes or any(name.split(".")[0] in classes for name in re.findall(r"`([A-Z]\w+\.\w+)`", calls))
