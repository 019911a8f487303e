"""docs/findings.md, generated from the table of findings: `python -m gateway.findings.reference`."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.findings.report import SCHEMA
from gateway.findings.table import Chapter, FindingId, Severity

INTRODUCTION = """\
# Findings about a server

`xmpp-gateway interop DOMAIN` looks at any domain's server as a stranger sees it and reports findings. It needs no
configuration: it asks as `interop.invalid`, a domain that cannot exist, so it proves nothing and names no domain of
yours. With the configuration of a running service, that service also speaks with the domain in your name; then the
chapters *both ways* and *talk* follow.

    xmpp-gateway interop example.net                          # for people; progress goes to standard error
    xmpp-gateway interop --html report.html example.net       # one file, to attach to a ticket
    xmpp-gateway interop --json example.net > monday.json     # for programs
    xmpp-gateway interop --compare monday.json example.net    # and what has changed since

It makes at most 12 connections, one at a time, and takes at most 60 seconds. Addresses on loopback and the like are not
visited, unless the configuration allows them with `[dns] allow_networks` or names them with `connect` in `[peers]`. The
exit status is 0 if nothing is wrong, and 4 if there is a finding of level *broken* or *flaw*. There is no grade: each
finding says what was observed, what a standard expects, on which side the cause is, and what to do.

| level | meaning |
|---|---|
| `broken` | federation with most servers, or with a part of them, fails |
| `flaw` | against a standard, or works only as long as nothing else fails |
| `note` | worth knowing; often a choice |
| `good` | as it should be |

`--thorough` also tries what servers have to tolerate or to refuse: white space between elements, a comment, TLS 1.3
alone, TLS 1.1 alone, questions about 1,000 domains on one stream, and a stanza of 64 KiB. It does so only for domains
of the configuration, and where the owner has published a TXT record `thorough` at `_xmpp-interop.DOMAIN`.
"""

JSON = f"""\
## The report in JSON

The report is one object. `schema` is {SCHEMA} now; it is raised when a reader would have to change, not when members
are added. The same facts give the same findings in the same order.
"""

MEMBERS = {
    "schema": "version of this form",
    "domain": "the domain, prepared",
    "made_at": "when (UTC)",
    "made_by": "the program and its version",
    "seconds": "how long it took",
    "seen_as": "the domain that the visitor claimed to be",
    "well": "whether there is no `broken` and no `flaw`",
    "counts": "the number of findings of each level",
    "findings": "a list of objects: `id`, `chapter`, `level`, `title`, `where` (a list of servers or addresses),"
    " `observed`, `expected`, `section`, `side`, `remedy`",
    "facts": "everything that was observed; its members may change with any version",
    "changes": "with `--compare`: a list of objects: `change` (`new`, `gone` or `changed`), `id`, `level`, `where`,"
    " `before`, `now`",
}
"""The members of a report in JSON, and their meanings."""

_CHAPTERS = {
    Chapter.NAMES: "Names",
    Chapter.CONNECTION: "Connection",
    Chapter.TLS: "TLS",
    Chapter.CERTIFICATE: "Certificate",
    Chapter.NEGOTIATION: "Negotiation",
    Chapter.BOTH_WAYS: "Both ways",
    Chapter.TALK: "Talk",
    Chapter.TOLERANCE: "Tolerance",
}


def page() -> str:
    """Return the whole page."""
    chapters = [line for chapter in Chapter for line in _chapter(chapter)]
    members = ["| member | meaning |", "|---|---|", *(f"| `{name}` | {meaning} |" for name, meaning in MEMBERS.items())]
    return "\n".join([INTRODUCTION, *chapters, JSON, *members]).rstrip() + "\n"


def _chapter(chapter: Chapter) -> Iterator[str]:
    yield f"## {_CHAPTERS[chapter]}\n"
    ids = [id for id in FindingId if id.kind.chapter is chapter]
    if good := [id for id in ids if id.kind.level is Severity.GOOD]:
        yield "| good | meaning |\n|---|---|"
        yield from (f"| `{id}` | {id.kind.title} |" for id in good)
        yield ""
    for id in ids:
        if id.kind.level is not Severity.GOOD:
            yield from _finding(id)


def _finding(id: FindingId) -> Iterator[str]:
    kind = id.kind
    yield f"### {id}\n"
    yield f"*{kind.level}*: {kind.title[0].upper()}{kind.title[1:]}.\n"
    section = f" ({kind.section})" if kind.section else ""
    yield f"*Expected*: {_escaped(kind.expected)}{section}.\n"
    yield f"*Whose side*: {kind.side}.\n"
    yield f"*Remedy*: {_escaped(kind.remedy)}\n"


def _escaped(text: str) -> str:
    """Return text for Markdown, in which an element would be taken for HTML."""
    return text.replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    print(page(), end="")
