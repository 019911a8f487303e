"""Sections of standards that code and manual cite: each must exist in the published text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "XEP-0220": "1 1.1 1.2 1.3 1.4 2 2.1 2.1.1 2.1.2 2.2 2.2.1 2.2.2 2.3 2.4 2.4.1 2.4.2 2.5 2.6 2.6.1 2.6.2 3 3.1",
    "XEP-0198": "1 2 3 4 5 6 7 8 8.1 8.2 9 9.1 9.2",
    "XEP-0288": "1 2 2.1 2.2 3 4",
    "XEP-0368": "1 2 3 4 5 6",
    "XEP-0478": "1 1.1 2 3 3.1 3.2 4 5",
}
"""The sections with content: of XEP-0220 1.1.1, XEP-0198 1.6.3, XEP-0288 1.0.1, XEP-0368 1.1.0, XEP-0478 0.2.0."""

_CITED = re.compile(r"(XEP-\d{4}) (§[\d.]*\d(?:, §[\d.]*\d)*)")


def cited(text: str) -> Iterator[tuple[str, str]]:
    """Yield each standard and section that a text cites."""
    for standard, sections in _CITED.findall(text):
        yield from ((standard, section.strip(" §")) for section in sections.split(","))


def test_every_section_of_these_standards_that_is_cited_exists() -> None:
    files = [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]
    wrong = {
        f"{path.relative_to(ROOT)}: {standard} §{section}"
        for path in files
        for standard, section in cited(path.read_text())
        if standard in SECTIONS and section not in SECTIONS[standard].split()
    }
    assert not wrong


def test_a_list_of_sections_is_read_whole() -> None:
    assert [*cited("see XEP-0220 §2.4.2, §9, and RFC 6120 §4")] == [("XEP-0220", "2.4.2"), ("XEP-0220", "9")]
