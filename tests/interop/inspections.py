"""Inspects many domains in one process and at once: `python -m tests.interop.inspections --config FILE DOMAIN...`.

Prints one JSON object, with the report on each domain by its name, as `xmpp-gateway interop --json` prints it. Starting
that command for each of thirty domains would take longer than all the inspections.
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

    reactor.callWhenRunning(start)
    reactor.run()
    for failure in failures:
        failure.raiseException()
    return reports


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2:])))
