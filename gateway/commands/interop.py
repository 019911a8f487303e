"""`xmpp-gateway interop DOMAIN`: a report on any server, as a stranger sees it, with what to change and why.

The report covers names, every address, TLS, certificates and the start of a stream. With a configuration whose service
is running, the service also speaks with the domain, so that both directions are examined. Without, the domain
`interop.invalid` asks, which cannot exist: nothing is proved and none of our domains is named.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from gateway.commands.configuration import add_config, has_config, read_config
from gateway.commands.conversing import converse
from gateway.commands.exit_statuses import DONE, NOT_DONE, SOMETHING_IS_WRONG
from gateway.commands.inspecting import inspector_for
from gateway.commands.telling import MOST_OBSERVED, folded
from gateway.config.settings import DNSSettings, Settings, TLSSettings
from gateway.findings.facts import SeenDomain
from gateway.findings.html import page
from gateway.findings.report import InteropReport, compared, findings_of, judged
from gateway.findings.table import Severity
from gateway.inspection.inspector import InspectionOrder
from gateway.inspection.looking import STRANGER
from gateway.operations.log import harmless
from gateway.timing.reactor import IReactor, installed_reactor
from gateway.xmpp.addresses import Domain, prepare_domain
from gateway.xmpp.errors import MalformedAddress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write the report into one HTML file")
    parser.add_argument("--compare", metavar="OLD.json", type=Path, help="show what has changed since this report")
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="also try what servers must tolerate or refuse, if the domain's owner has confirmed that in the DNS",
    )
    parser.add_argument("domain", metavar="DOMAIN", help="the domain, as in addresses: example.net")


def run(arguments: argparse.Namespace) -> int:
    """Inspect the domain, print the report, and return the exit status."""
    try:
        domain = prepare_domain(arguments.domain)
    except MalformedAddress as error:
        return _complain(f"{arguments.domain!r} is not a domain: {error.problem}")
    try:
        earlier = _earlier(arguments.compare, domain) if arguments.compare is not None else None
    except (OSError, ValueError) as error:
        return _complain(f"cannot compare with {arguments.compare}: {error}")
    settings = read_config(arguments) if has_config(arguments) else None
    reactor = installed_reactor()
    seen, seconds = look(reactor, domain, settings, thorough=arguments.thorough, quiet=arguments.json)
    report = InteropReport(
        seen=seen,
        findings=judged(seen),
        made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        made_by=f"xmpp-gateway {version('xmpp-gateway')}",
        seen_as=STRANGER,
        seconds=seconds,
    )
    record = report.as_record()
    if earlier is not None:
        record["changes"] = [asdict(each) for each in compared(record, earlier)]
    print(json.dumps(record, indent=1) if arguments.json else "\n".join(lines(record)))
    if arguments.html is not None:
        try:
            arguments.html.write_text(page(record), "utf-8")
        except OSError as error:
            return _complain(f"cannot write {arguments.html}: {error.strerror}")
    return DONE if report.is_well else SOMETHING_IS_WRONG


def _earlier(file: Path, domain: Domain) -> object:
    """Return an earlier report; raise NotAReport now, because looking takes up to a minute."""
    earlier = json.loads(file.read_text("utf-8"))
    findings_of(earlier, domain)
    return earlier


def look(
    reactor: IReactor, domain: Domain, settings: Settings | None, *, thorough: bool, quiet: bool
) -> tuple[SeenDomain, float]:
    """Run the reactor until the domain is inspected; return what was seen, and the seconds that it took."""

    def progress(step: str) -> None:
        if not quiet:
            print(f"  ... {harmless(step)}", file=sys.stderr, flush=True)

    found: list[SeenDomain] = []
    is_ours = settings is not None and domain in settings.domains
    inspector = inspector_for(
        reactor,
        settings.dns if settings is not None else DNSSettings(),
        settings.tls if settings is not None else TLSSettings(),
        converse=partial(converse, settings) if settings is not None and not is_ours else None,
        progress=progress,
    )
    peer = settings.peers.for_domain(domain) if settings is not None and not is_ours else None
    order = InspectionOrder(
        domain=domain, connect=peer.connect if peer is not None else None, thorough=thorough, is_ours=is_ours
    )
    began = reactor.seconds()

    def start() -> None:
        inspecting = Deferred.fromCoroutine(inspector.inspect(order))
        inspecting.addCallbacks(found.append, failed.append).addBoth(lambda _: reactor.stop())

    failed: list[Any] = []
    reactor.callWhenRunning(start)
    reactor.run()
    for failure in failed:
        failure.raiseException()
    if not found:  # Twisted has taken the signal
        raise KeyboardInterrupt
    return found[0], reactor.seconds() - began


_MARKS = {"broken": "BROKEN", "flaw": "FLAW", "note": "note", "good": "good"}


def lines(record: dict[str, Any]) -> Iterator[str]:
    """Yield a report, in its JSON form, as lines for people."""
    yield from folded(
        "", f"{record['domain']}, seen as {record['seen_as']} at {record['made_at']}, by {record['made_by']}"
    )
    chapter = ""
    for each in record["findings"]:
        if each["chapter"] != chapter:
            chapter = each["chapter"]
            yield ""
            yield chapter
        yield from _finding(each)
    yield ""
    counts = record["counts"]
    told = ", ".join(f"{counts[level]} {level}" for level in map(str, Severity) if counts[level])
    yield f"{told}; it took {record['seconds']:.0f} s"
    if "changes" in record:
        yield from _changes(record["changes"])


def _finding(each: dict[str, Any]) -> Iterator[str]:
    mark = f"  {_MARKS[each['level']]:<7} "
    yield from folded(mark, f"{each['title']} ({each['id']})", MOST_OBSERVED)
    is_wrong = each["level"] in ("broken", "flaw")
    rows = [
        ("at", ", ".join(each["where"])),
        ("observed", each["observed"]),
        ("expected", each["expected"] if each["level"] != "good" else ""),
        ("section", each["section"] if is_wrong else ""),
        ("whose side", each["side"] if is_wrong else ""),
        ("remedy", each["remedy"] if is_wrong else ""),
    ]
    for name, text in rows:
        if text:
            yield from folded(f"{'':<10}{name + ':':<12}", text, MOST_OBSERVED)


def _changes(changes: list[dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield "changes since the earlier report" if changes else "nothing has changed since the earlier report"
    for each in changes:
        where = f" at {', '.join(each['where'])}" if each["where"] else ""
        yield from folded(f"  {each['change']:<8} ", f"{each['id']}{where}", MOST_OBSERVED)
        for name in ("before", "now"):
            if each[name]:
                yield from folded(f"{'':<11}{name + ':':<8}", each[name], MOST_OBSERVED)


def _complain(problem: str) -> int:
    print(f"xmpp-gateway: {problem}", file=sys.stderr)
    return NOT_DONE
