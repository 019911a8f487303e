"""The forms of a report: HTML that loads nothing and obeys nobody, and what has changed since an earlier report."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.findings.facts import SeenDomain
from gateway.findings.html import page
from gateway.findings.report import SCHEMA, FindingChange, InteropReport, NotAReport, compared, judged
from tests.unit.findings.seen import certificate, domain, endpoint

HOSTILE = "<script>alert(1)</script><img src=//evil.test/x onerror='x'>\"'&"


def record(seen: SeenDomain) -> dict[str, Any]:
    """A report in its JSON form."""
    report = InteropReport(
        seen=seen,
        findings=judged(seen),
        made_at="2026-11-28T12:00:00Z",
        made_by="xmpp-gateway",
        seen_as="interop.invalid",
        seconds=1.5,
    )
    return dict(json.loads(json.dumps(report.as_record())))


class Tags(HTMLParser):
    """Collects tags and attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile() -> SeenDomain:
    stream = replace(endpoint().stream, from_=HOSTILE)
    return domain(endpoint(stream=stream, certificate=certificate(reason="expired", problem=HOSTILE)))


def test_hostile_text_is_only_text() -> None:
    found = Tags(page(record(hostile())))
    assert found.tags & {"script", "img", "a", "link", "iframe", "object", "base"} == set()
    assert found.attributes & {"src", "href", "onerror", "style", "action"} == set()
    assert HOSTILE in found.text


def test_the_file_needs_nothing_from_elsewhere() -> None:
    text = page({**record(hostile()), "changes": []})
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src &#x27;none&#x27;" in text


def test_every_finding_is_in_the_file_with_its_remedy() -> None:
    report = record(hostile())
    text = Tags(page(report)).text
    assert {"certificate-expired", "header-from"} <= {each["id"] for each in report["findings"]}
    for each in report["findings"]:
        assert each["title"] in text
        assert each["remedy"] in text


def test_what_is_new_gone_or_changed_is_told() -> None:
    def with_problem(problem: str) -> SeenDomain:
        return domain(endpoint(certificate=certificate(reason="expired", problem=problem)))

    before, now = record(with_problem("on Monday")), record(with_problem("on Tuesday"))
    (changed,) = compared(now, before)
    assert (changed.change, changed.id, changed.before, changed.now) == (
        "changed",
        "certificate-expired",
        "on Monday",
        "on Tuesday",
    )
    gone = {(each.change, each.id) for each in compared(record(domain(endpoint())), now)}
    assert gone == {("gone", "certificate-expired"), ("new", "certificate-good")}


def test_changes_are_in_the_file_as_text() -> None:
    changes = [{"change": "new", "level": "flaw", "id": HOSTILE, "where": ["a", "b"], "before": "", "now": HOSTILE}]
    found = Tags(page({**record(domain()), "changes": changes}))
    assert found.tags & {"script", "img"} == set()
    assert "Changes since the earlier report" in found.text
    assert found.text.count(HOSTILE) == 2
    assert "a, b" in found.text
    assert "before" not in found.text.partition("Changes since")[2]  # what is empty has no row


def test_nothing_is_told_where_nothing_has_changed() -> None:
    assert compared(record(hostile()), record(hostile())) == ()


def test_a_finding_of_another_version_can_be_compared() -> None:
    earlier = record(domain())
    earlier["findings"].append({"id": "unheard-of", "where": [], "observed": "it was"})
    assert compared(record(domain()), earlier) == (
        FindingChange(change="gone", id="unheard-of", level="", before="it was"),
    )


@pytest.mark.parametrize(
    ("earlier", "why"),
    [
        ([], "not a report"),
        ({"findings": [], "schema": SCHEMA + 1, "domain": "example.test"}, "schema"),
        ({"findings": [], "schema": SCHEMA, "domain": "other.test"}, "about other.test"),
        ({"findings": [{"id": "x"}], "schema": SCHEMA, "domain": "example.test"}, "cannot be read"),
        ({"findings": 5, "schema": SCHEMA, "domain": "example.test"}, "cannot be read"),
    ],
)
def test_what_is_no_report_is_refused(earlier: object, why: str) -> None:
    with pytest.raises(NotAReport, match=why):
        compared(record(domain()), earlier)
