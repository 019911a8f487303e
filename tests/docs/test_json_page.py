"""docs/json.md: every member of the answers is in it, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from gateway.operations import status_records

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
RECORDS = {
    "status": (status_records.Status, {"ready", "schema"}),
    "Each of `troubles`": (status_records.TroubleStatus, set()),
    "Each of `domains`": (status_records.DomainStatus, set()),
    "Each of `certificates`": (status_records.CertificateStatus, set()),
    "Each of `streams`": (status_records.StreamStatus, set()),
    "Each of `peers`": (status_records.PeerStatus, set()),
    "Each of `queues`": (status_records.QueueStatus, set()),
    "`outbox`": (status_records.OutboxFigures, set()),
    "`disk`": (status_records.DiskFigures, set()),
}


def members(title: str) -> set[str]:
    """The members in the table below a heading."""
    (section,) = re.findall(rf"(?ms)^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE)
    return set(re.findall(r"(?m)^\| `(\w+)` \|", section))


@pytest.mark.parametrize("title", RECORDS)
def test_the_members_of_each_record_are_described(title: str) -> None:
    record, more = RECORDS[title]
    assert members(title) == {each.name for each in fields(record)} | more
