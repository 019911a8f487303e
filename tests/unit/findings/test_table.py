"""The table of findings: complete, and the manual's chapter is made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.findings import reference
from gateway.findings.report import SCHEMA, InteropReport
from gateway.findings.table import FINDINGS, FindingId, Severity
from tests.unit.findings.seen import domain

DOCS = Path(__file__).parents[3] / "docs"


def test_the_manual_is_as_the_table_is() -> None:
    written = (DOCS / "findings.md").read_text()
    assert written == reference.page(), "python -m gateway.findings.reference > docs/findings.md"


def test_every_id_has_a_row() -> None:
    assert list(FINDINGS) == list(FindingId)


@pytest.mark.parametrize("id", FindingId)
def test_every_finding_has_a_paragraph_and_says_whose_side_and_what_to_do(id: FindingId) -> None:
    kind, page = id.kind, reference.page()
    if kind.level is Severity.GOOD:
        assert f"| `{id}` | {kind.title} |" in page
        assert not kind.remedy
        return
    assert f"### {id}\n\n*{kind.level}*: " in page
    assert kind.expected
    assert kind.side
    assert kind.remedy.endswith(".")
    assert kind.section or kind.level is Severity.NOTE


def test_the_manual_documents_every_member_of_the_json() -> None:
    report = InteropReport(seen=domain(), findings=(), made_at="", made_by="", seen_as="", seconds=0)
    assert {*report.as_record(), "changes"} == set(reference.MEMBERS)
    assert report.as_record()["schema"] == SCHEMA
