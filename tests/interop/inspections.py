"""Inspects many domains in one process and at once: `python -m tests.interop.inspections --config FILE DOMAIN...`.

Prints one JSON object, with the report on each domain by its name, as `xmpp-gateway interop --json` prints it, and with
the time and memory that all took. Starting that command for each of thirty domains would take longer than all the
inspections.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from gateway.commands.inspecting import inspector_for
from gateway.config import load
from gateway.findings.facts import SeenDomain
from gateway.findings.report import InteropReport, judged
from gateway.inspection.inspector import InspectionOrder
from gateway.timing.reactor import installed_reactor
from gateway.xmpp.addresses import prepare_domain

USAGE = "usage"  # no domain


def main(file: Path, domains: list[str]) -> dict[str, Any]:
    """Return the reports."""
    settings, reactor = load(file), installed_reactor()
    reports: dict[str, Any] = {}
    failures: list[Any] = []

    def seen(found: SeenDomain) -> None:
        report = InteropReport(
            seen=found, findings=judged(found), made_at="", made_by="", seen_as="interop.invalid", seconds=0
        )
        reports[found.domain] = report.as_record()

    def start() -> None:
        orders = [InspectionOrder(domain=prepare_domain(domain)) for domain in domains]
        looks = [
            Deferred.fromCoroutine(inspector_for(reactor, settings.dns, settings.tls).inspect(order)).addCallback(seen)
            for order in orders
        ]
        gatherResults(looks).addErrback(failures.append).addBoth(lambda _: reactor.stop())

    began = reactor.seconds()
    reactor.callWhenRunning(start)
    reactor.run()
    for failure in failures:
        failure.raiseException()
    return {**reports, USAGE: {"peak_kb": _peak(), "seconds": reactor.seconds() - began}}


def _peak() -> int:
    """Return the most memory that this process has had; getrusage() counts that of its parent, too."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2:])))
