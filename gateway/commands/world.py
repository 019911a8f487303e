"""`xmpp-gateway check --world`: our own domains as strangers see them, rule by rule, with the records to publish.

It looks from this machine. A firewall in front of it may treat others differently, and a router may not lead back to
it, so only a look from elsewhere is conclusive: `xmpp-gateway interop DOMAIN` on another machine.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from gateway.commands.exit_statuses import DONE, SOMETHING_IS_WRONG
from gateway.commands.inspecting import inspector_for
from gateway.commands.telling import MOST_OBSERVED, folded
from gateway.config.advice import identities_of
from gateway.config.settings import ImDomain, Settings
from gateway.findings.world import WORLD_SCHEMA, OpenPort, SeenOwn, WorldReport, world_report
from gateway.inspection.inspector import InspectionOrder, Inspector
from gateway.net.certificates.judge import key_digest
from gateway.net.certificates.own_certificates import Keyring
from gateway.operations.log import harmless
from gateway.timing.reactor import IReactor, installed_reactor
from gateway.xmpp.addresses import Domain, to_ascii

_PORT = re.compile(r"tcp6?:(?:port=)?([0-9]+)")
_DOORS = {
    "server": "_xmpp-server._tcp",
    "server_tls": "_xmpps-server._tcp",
    "client": "_xmpp-client._tcp",
    "client_tls": "_xmpps-client._tcp",
}
MARKS = {"green": "ok", "note": "ok", "red": "RED", "unknown": "?"}


def check_world(settings: Settings, *, as_json: bool) -> int:
    """Look at each of our domains from outside, print the rules, and return the exit status."""
    reports = [world_report(own) for own in _look(installed_reactor(), settings, quiet=as_json)]
    is_well = all(report.is_well for report in reports)
    if as_json:
        domains = [report.as_record() for report in reports]
        print(json.dumps({"schema": WORLD_SCHEMA, "well": is_well, "domains": domains}, indent=1))
    else:
        print("\n".join(line for report in reports for line in lines(report)))
    return DONE if is_well else SOMETHING_IS_WRONG


def _look(reactor: IReactor, settings: Settings, *, quiet: bool) -> list[SeenOwn]:
    """Run the reactor until every domain is examined; trust what the system trusts, as others do."""

    def progress(step: str) -> None:
        if not quiet:
            print(f"  ... {harmless(step)}", file=sys.stderr, flush=True)

    inspector = inspector_for(
        reactor, settings.dns, replace(settings.tls, authorities=None, crls=None), progress=progress
    )
    found: list[SeenOwn] = []
    failed: list[Any] = []

    async def examine() -> None:
        keyring = Keyring(identities_of(settings))
        ports = tuple(_ports(settings))
        for domain, served in settings.domains.items():
            own = await _examine(inspector, domain, has_accounts=isinstance(served, ImDomain))
            identity = keyring.find(to_ascii(domain)) or keyring.default
            key = key_digest(identity.certificate) if identity is not None else ""
            found.append(replace(own, key=key, ports=ports))

    def start() -> None:
        Deferred.fromCoroutine(examine()).addErrback(failed.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
    for failure in failed:
        failure.raiseException()
    if len(found) < len(settings.domains):  # Twisted has taken the signal
        raise KeyboardInterrupt
    return found


async def _examine(inspector: Inspector, domain: Domain, *, has_accounts: bool) -> SeenOwn:
    seen = await inspector.inspect(InspectionOrder(domain=domain, is_ours=True))
    caa, asked = await inspector.issuance(domain)
    if not has_accounts:
        return SeenOwn(seen=seen, caa=caa, asked_caa=asked)
    clients, endpoints = await inspector.doors_for_clients(domain)
    return SeenOwn(seen=seen, caa=caa, asked_caa=asked, clients=clients, client_endpoints=endpoints)


def _ports(settings: Settings) -> Iterator[OpenPort]:
    """Yield the first port of each door that records lead to."""
    done = set()
    for door, endpoint in settings.listen.opened():
        port = _PORT.match(endpoint)
        if door in _DOORS and door not in done and port is not None:
            done.add(door)
            yield OpenPort(service=_DOORS[door], port=int(port[1]), for_clients=door.startswith("client"))


def lines(report: WorldReport) -> Iterator[str]:
    """Yield the rules of one domain as lines for people."""
    record = report.as_record()
    yield harmless(record["domain"])
    for each in record["rules"]:
        yield from folded(f"  {MARKS[each['state']]:<4} {each['rule']:<19} ", each["verifies"])
        for finding in each["findings"]:
            where = f" at {', '.join(finding['where'])}" if finding["where"] else ""
            told = f"{finding['title']} ({finding['id']}){where}"
            yield from folded(f"{'':<7}{finding['level']}: ", told, MOST_OBSERVED)
            for text in (finding["observed"], finding["remedy"] if finding["level"] != "note" else ""):
                if text:
                    yield from folded(f"{'':<9}", text, MOST_OBSERVED)
    if report.publish:
        yield "  to publish in the DNS:"
        yield from (f"    {line}" for line in report.publish)
    yield ""
