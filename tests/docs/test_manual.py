"""The manual: what is generated in it is as the code has it. `make check` makes the pages, and fails on a warning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.commands import COMMANDS, manual
from gateway.commands.exit_statuses import MEANINGS
from gateway.notices.attempts import reference
from tests.docs.draw import drawing, edges, reduced
from tests.test_architecture import FOLDERS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_troubleshooting_is_as_the_verdicts_are() -> None:
    written = (DOCS / "troubleshooting.md").read_text()
    assert written == reference.page(), "python -m gateway.notices.attempts.reference > docs/troubleshooting.md"


def test_the_drawn_imports_are_as_the_code_has_them() -> None:
    written = (DOCS / "images" / "imports.svg").read_text()
    assert written == drawing(), "python -m tests.docs.draw > docs/images/imports.svg"


def test_the_drawn_imports_have_every_folder_and_lead_down() -> None:
    drawn = drawing()
    assert set(re.findall(r"<text[^>]*>([^<]+)</text>", drawn)) == set(FOLDERS)
    kept = reduced(edges())
    assert all(kept[folder] <= beneath for folder, beneath in edges().items())
    lines = [tuple(map(int, each)) for each in re.findall(r'd="M\d+ (\d+)C.* \d+ (\d+)"', drawn)]
    assert lines
    assert all(begin < end for begin, end in lines)


def test_the_commands_are_as_the_code_has_them() -> None:
    written = (DOCS / "commands.md").read_text()
    assert written == manual.summary(), "python -m gateway.commands.manual commands > docs/commands.md"


def test_commands_and_exit_statuses_are_listed_on_one_page_only() -> None:
    rows = {f"| `{name}` | {meaning} |" for name, meaning in COMMANDS.items()}
    rows |= {f"| {status} | {meaning} |" for status, meaning in MEANINGS.items()}
    for page in sorted({*DOCS.rglob("*.md"), ROOT / "README.md"} - {DOCS / "commands.md"}):
        assert [row for row in rows if row in page.read_text()] == [], page.name


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:etc|docs|tests|gateway)/[\w./-]+?)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
