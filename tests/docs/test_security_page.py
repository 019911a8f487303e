"""Every test that the page on security names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_row_that_the_page_names_has_a_test() -> None:
    named = set(re.findall(r"\bh_\d\d\b", (ROOT / "docs" / "security.md").read_text()))
    tests = "\n".join(
        text for file in (ROOT / "tests" / "hardening").glob("*.py") for text in (file.name, file.read_text())
    )
    assert named
    assert {row for row in named if f"test_{row}_" not in tests} == set()
