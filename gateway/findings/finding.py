"""A finding: one row of the table as it was observed somewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.findings.facts import SeenDomain
from gateway.findings.table import Chapter, FindingId, Severity

_LEVELS = list(Severity)
_CHAPTERS = list(Chapter)
_IDS = list(FindingId)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was observed, and at which servers or addresses; none if it is about the domain."""

    id: FindingId
    observed: str = ""
    where: tuple[str, ...] = ()

    @property
    def level(self) -> Severity:
        """Its severity."""
        return self.id.kind.level

    @property
    def is_wrong(self) -> bool:
        """Return whether somebody should change something."""
        return self.level in (Severity.BROKEN, Severity.FLAW)

    def as_record(self, domain: str) -> dict[str, Any]:
        """Return it with its row of the table, ready for JSON."""
        kind = self.id.kind
        return {
            "id": str(self.id),
            "chapter": str(kind.chapter),
            "level": str(kind.level),
            "title": kind.title,
            "where": list(self.where),
            "observed": self.observed,
            "expected": kind.expected,
            "section": kind.section,
            "side": kind.side,
            "remedy": kind.remedy.replace("DOMAIN", domain),
        }


FindingRule = Callable[[SeenDomain], Iterable[Finding]]
"""Judges one matter, by observed facts alone."""


def at(id: FindingId, place: str, observed: str = "") -> Finding:
    """Return a finding about one server or address."""
    return Finding(id=id, observed=observed, where=(place,))


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order of a report; those that differ only in their place become one."""
    places: dict[tuple[FindingId, str], dict[str, None]] = {}
    for each in findings:
        places.setdefault((each.id, each.observed), {}).update(dict.fromkeys(each.where))
    together = (Finding(id=id, observed=told, where=tuple(sorted(where))) for (id, told), where in places.items())
    return tuple(sorted(together, key=_order))


def _order(finding: Finding) -> tuple[Any, ...]:
    kind = finding.id.kind
    level, chapter = _LEVELS.index(kind.level), _CHAPTERS.index(kind.chapter)
    return chapter, level, _IDS.index(finding.id), finding.where, finding.observed
