"""A report as one HTML file: no script, nothing loaded from elsewhere, every text escaped.

People attach it to a ticket, so it has to be readable for somebody who has never heard of this program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from gateway.findings.table import Chapter, Severity

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9dce1; --paper: #fff;
  --broken: #b3261e; --flaw: #9a5b00; --note: #3b5bdb; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a0a5ad; --line: #3a3f47; --paper: #16181c;
  --broken: #ff8a80; --flaw: #ffb74d; --note: #91a7ff; --good: #7bd88f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 56rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
.soft, dt, footer { color: var(--soft); }
.counts { display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 1rem 0; padding: 0; list-style: none; }
.counts b { font-size: 1.4rem; }
article { border-top: 1px solid var(--line); padding: .75rem 0; }
h3 { font-size: 1rem; margin: 0; font-weight: 600; } code { font-size: .85em; color: var(--soft); }
.level { display: inline-block; min-width: 4.5rem; font-weight: 700; }
.broken .level, b.broken { color: var(--broken); } .flaw .level, b.flaw { color: var(--flaw); }
.note .level, b.note { color: var(--note); } .good .level, b.good { color: var(--good); }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .15rem 1rem; margin: .5rem 0 0 4.5rem; } dd { margin: 0; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; margin-left: 0; } dd { margin-bottom: .4rem; } }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; font-size: .9rem; }
"""


def page(report: Mapping[str, Any]) -> str:
    """Return a report, in its JSON form, as one HTML document."""
    domain = escape(str(report["domain"]))
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>XMPP federation of {domain}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header>",
            f"<h1>{domain}</h1>",
            f'<p class="soft">XMPP between servers, as seen by {escape(str(report["seen_as"]))}'
            f" at {escape(str(report['made_at']))}</p>",
            *_counts(report["counts"]),
            "</header>\n<main>",
            *_changes(report.get("changes")),
            *_chapters(report["findings"]),
            "</main>\n<footer>",
            f"Made by {escape(str(report['made_by']))} in {report['seconds']:.0f} s."
            " <b>broken</b>: federation with most servers, or a part of them, fails. <b>flaw</b>: against a"
            " standard, or works only as long as nothing else fails. <b>note</b>: worth knowing; often a choice.",
            "</footer>\n</body>\n</html>",
            "",
        ]
    )


def _counts(counts: Mapping[str, int]) -> Iterator[str]:
    yield '<ul class="counts">'
    for level in map(str, Severity):
        yield f'<li><b class="{level}">{counts[level]}</b> {level}</li>'
    yield "</ul>"


def _chapters(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for chapter in map(str, Chapter):
        if mine := [each for each in findings if each["chapter"] == chapter]:
            yield f"<section>\n<h2>{chapter[0].upper()}{chapter[1:]}</h2>"
            for each in mine:
                yield from _finding(each)
            yield "</section>"


def _finding(each: Mapping[str, Any]) -> Iterator[str]:
    level = str(each["level"])
    yield f'<article class="{level}" id="{escape(str(each["id"]))}">'
    name = f"<code>{escape(str(each['id']))}</code>"
    yield f'<h3><span class="level">{level}</span> {escape(str(each["title"]))} {name}</h3>'
    is_good = level == Severity.GOOD
    rows = {
        "at": ", ".join(map(str, each["where"])),
        "observed": each["observed"],
        "expected": "" if is_good else each["expected"],
        "standard": "" if is_good else each["section"],
        "whose side": each["side"],
        "remedy": each["remedy"],
    }
    yield from _rows(rows)
    yield "</article>"


def _changes(changes: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    if changes is None:
        return
    yield "<section>\n<h2>Changes since the earlier report</h2>"
    if not changes:
        yield "<p>None.</p>"
    for each in changes:
        yield f'<article class="{escape(str(each["level"]))}">'
        yield f'<h3><span class="level">{escape(str(each["change"]))}</span> {escape(str(each["id"]))}</h3>'
        yield from _rows({"at": ", ".join(map(str, each["where"])), "before": each["before"], "now": each["now"]})
        yield "</article>"
    yield "</section>"


def _rows(rows: Mapping[str, str]) -> Iterator[str]:
    told = [(name, text) for name, text in rows.items() if text]
    if told:
        yield "<dl>"
        yield from (f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in told)
        yield "</dl>"
