"""A report on a domain: the facts, the findings that the rules make of them, and its form in JSON.

The same facts always give the same findings in the same order. `SCHEMA` is raised when a reader of the JSON would have
to change; docs/findings.md documents the members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway.findings import conversation, endpoints, names
from gateway.findings.facts import SeenDomain
from gateway.findings.finding import Finding, FindingRule, merged
from gateway.findings.table import FindingId, Severity

SCHEMA = 1
"""The version of the JSON form."""

RULES: tuple[FindingRule, ...] = (*names.RULES, *endpoints.RULES, *conversation.RULES)


def judged(seen: SeenDomain) -> tuple[Finding, ...]:
    """Return the findings about a domain, in the order of a report."""
    return merged(finding for rule in RULES for finding in rule(seen))


@dataclass(frozen=True, kw_only=True)
class InteropReport:
    """One run: what was seen by whom, and when (ISO 8601, UTC)."""

    seen: SeenDomain
    findings: tuple[Finding, ...]
    made_at: str
    made_by: str
    seen_as: str  # the domain that we claimed to be
    seconds: float

    @property
    def is_well(self) -> bool:
        """Return whether nothing is wrong."""
        return not any(each.is_wrong for each in self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """The number of findings of each level."""
        return {str(level): sum(each.level is level for each in self.findings) for level in Severity}

    def as_record(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "schema": SCHEMA,
            "domain": self.seen.domain,
            "made_at": self.made_at,
            "made_by": self.made_by,
            "seen_as": self.seen_as,
            "seconds": round(self.seconds, 1),
            "well": self.is_well,
            "counts": self.counts,
            "findings": [each.as_record(self.seen.domain) for each in self.findings],
            "facts": asdict(self.seen),
        }


@dataclass(frozen=True, kw_only=True)
class FindingChange:
    """A finding that came, went, or is observed differently than in an earlier report."""

    change: str  # "new", "gone" or "changed"
    id: str
    level: str
    where: tuple[str, ...] = ()
    before: str = ""
    now: str = ""


class NotAReport(ValueError):
    """A file is not a report in JSON that can be compared; the message says why."""


def compared(record: Mapping[str, Any], earlier: object) -> tuple[FindingChange, ...]:
    """Return what has changed since an earlier report, both in their JSON form; raise NotAReport."""
    old = findings_of(earlier, str(record["domain"]))
    new = findings_of(record, str(record["domain"]))
    changes = []
    for key in sorted({*old, *new}, key=lambda key: (_position(key[0]), key[1])):
        before, now = old.get(key), new.get(key)
        if before == now:
            continue
        id, where = key
        change = "new" if before is None else "gone" if now is None else "changed"
        level = str(FindingId(id).kind.level) if id in set(FindingId) else ""
        changes.append(
            FindingChange(change=change, id=id, level=level, where=where, before=before or "", now=now or "")
        )
    return tuple(changes)


def findings_of(record: object, domain: str) -> dict[tuple[str, tuple[str, ...]], str]:
    """Return what a report on that domain has observed, by id and places; raise NotAReport."""
    if not isinstance(record, Mapping) or "findings" not in record:
        raise NotAReport("it is not a report of xmpp-gateway interop --json")
    if record.get("schema") != SCHEMA:
        raise NotAReport(f"its schema is {record.get('schema')!r}, and this version reads {SCHEMA}")
    if record.get("domain") != domain:
        raise NotAReport(f"it is about {record.get('domain')}")
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    try:
        for each in record["findings"]:
            found.setdefault((str(each["id"]), tuple(map(str, each["where"]))), []).append(str(each["observed"]))
    except (KeyError, TypeError) as error:
        raise NotAReport("its findings cannot be read") from error
    return {key: "; ".join(sorted(told)) for key, told in found.items()}


def _position(id: str) -> int:
    ids = [str(each) for each in FindingId]
    return ids.index(id) if id in ids else len(ids)
