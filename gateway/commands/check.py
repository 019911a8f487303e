"""`xmpp-gateway check`: report all mistakes of a configuration at once, or a summary of what would be served.

With `--world` it looks at our domains from outside instead (see `world`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.commands import renewed
from gateway.commands.configuration import add_config, config_of, read_config
from gateway.commands.databases import DatabaseCheck, check_databases
from gateway.commands.exit_statuses import DONE, NOT_DONE
from gateway.commands.service_user import become_service_user
from gateway.config import Mistakes, load
from gateway.config.advice import identities_of, warnings
from gateway.config.reading import Mistake
from gateway.config.settings import (
    ComponentDomain,
    DomainSettings,
    HandlerDomain,
    PeerEntries,
    PeerSettings,
    RelayDomain,
    Settings,
)
from gateway.config.state import cannot_be_made, is_of_another_user, owner_of, state_problems
from gateway.net.certificates.own_certificates import Keyring
from gateway.net.dns.system_names import nameservers_of
from gateway.net.dns.validation import about_dnssec
from gateway.xmpp.addresses import Domain, to_ascii

CheckLine = tuple[str, str]
CHECK_SCHEMA = 1
"""The version of the JSON form."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    renewed.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one object of JSON for scripts")
    parser.add_argument(
        "--world",
        action="store_true",
        help="look at our domains from outside: records, ports, certificates; print what to publish in the DNS",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 when there are mistakes."""
    become_service_user(config_of(arguments))
    if arguments.certificate is not None:
        return renewed.check_renewed(config_of(arguments), arguments.certificate, arguments.instead_of)
    if arguments.json and not arguments.world:
        return _print_json(config_of(arguments))
    settings = read_config(arguments)
    if arguments.world:
        from gateway.commands.world import check_world  # the whole of `inspection`, which nothing else here needs

        return check_world(settings, as_json=arguments.json)
    folder = settings.gateway.state
    is_foreign = is_of_another_user(folder)
    databases = [] if is_foreign else list(check_databases(settings))
    unusable = [] if is_foreign else [*state_problems(settings), *_unusable(databases)]
    if unusable or settings.faults:
        print(Mistakes(settings.file, [*settings.faults, *unusable]), file=sys.stderr)
        if not unusable:
            print("the service can start anyway, without what is named above", file=sys.stderr)
        return NOT_DONE
    print("\n".join(summary(settings, datetime.now(UTC))))
    print(
        "\n".join(_table("dnssec", about_dnssec(nameservers_of(settings.dns.nameservers)(), settings.dns.validating)))
    )
    if is_foreign:
        print(f"{folder} was not checked: it belongs to {owner_of(folder)}; run check as that user, or as root")
    elif cannot_be_made(folder):
        print(f"{folder} does not exist, and this user cannot make it: make it for the gateway's user, with mode 700")
    if servers := [(each.section, each.told) for each in databases if not each.is_file]:
        print("\n".join(_table("databases", servers)))
    print(f"{settings.file} is in order")
    return 0


def _print_json(file: Path) -> int:
    """Print the report for programs; docs/operating.md documents its members."""
    try:
        settings = load(file)
    except Mistakes as problem:
        print(json.dumps(_record(file, problem.mistakes)))
        return NOT_DONE
    is_foreign = is_of_another_user(settings.gateway.state)
    databases = [] if is_foreign else list(check_databases(settings))
    unusable = [] if is_foreign else [*state_problems(settings), *_unusable(databases)]
    record = _record(file, [*settings.faults, *unusable])
    moment = datetime.now(UTC)
    dnssec = about_dnssec(nameservers_of(settings.dns.nameservers)(), settings.dns.validating)
    print(
        json.dumps(
            {
                **record,
                "domains": [{"domain": domain, "served": told} for domain, told in _domains(settings)],
                "doors": [{"door": door, "endpoint": endpoint} for door, endpoint in settings.listen.opened()],
                "peers": [{"pattern": pattern, "rules": told} for pattern, told in _peers(settings.peers)],
                "dnssec": [{"nameserver": server, "status": told} for server, told in dnssec],
                "databases": [
                    {"section": each.section, "database": each.database, "problem": each.problem} for each in databases
                ],
                "warnings": list(warnings(settings, moment)),
            }
        )
    )
    return DONE if record["ok"] else NOT_DONE


def _record(file: Path, mistakes: Sequence[Mistake]) -> dict[str, Any]:
    found = [{"key": each.key, "line": each.line, "problem": each.problem} for each in mistakes]
    return {"schema": CHECK_SCHEMA, "file": str(file), "ok": not mistakes, "mistakes": found}


def summary(settings: Settings, moment: datetime) -> Iterator[str]:
    """Yield what a service with these settings would do, as lines for people."""
    yield from _table("domains", _domains(settings))
    yield from _table("doors", settings.listen.opened())
    yield from _table("peers", _peers(settings.peers))
    for number, warning in enumerate(warnings(settings, moment)):
        yield f"{'warnings' if number == 0 else '':<10}{warning}"


def _table(name: str, rows: Iterable[CheckLine]) -> Iterator[str]:
    """Yield rows of two columns, the first row with the name before it."""
    rows = list(rows) or [("none", "")]
    width = max(len(first) for first, _ in rows)
    for number, (first, second) in enumerate(rows):
        yield f"{name if number == 0 else '':<10}{first:<{width}}  {second}".rstrip()


def _unusable(databases: Iterable[DatabaseCheck]) -> Iterator[Mistake]:
    """Yield the files that keep the service from starting; a server that is away does not."""
    return (Mistake(f"{each.section}.url", each.problem) for each in databases if each.is_file and each.problem)


def _domains(settings: Settings) -> Iterator[CheckLine]:
    keyring = Keyring(identities_of(settings))
    for domain, served in settings.domains.items():
        yield domain, f"{_served(served)}; {_certificate(domain, keyring)}"


def _served(domain: DomainSettings) -> str:
    match domain:
        case ComponentDomain():
            return "an external component"
        case HandlerDomain():
            return domain.serve
        case RelayDomain():
            return f"a server behind us at {domain.peer.connect}, {_dealings(domain.peer)}"
    return "accounts"


def _certificate(domain: Domain, keyring: Keyring) -> str:
    """Return the certificate that a domain has, and until when it is valid."""
    identity = keyring.find(to_ascii(domain)) or keyring.default
    if identity is None:
        return "no certificate"
    whose = "certificate" if identity.covers(domain) else "a certificate for other names"
    return f"{whose} {identity.certificate_file.name}, valid until {identity.not_after:%Y-%m-%d}"


def _peers(peers: PeerEntries) -> Iterator[CheckLine]:
    yield "any", _dealings(peers.any)
    for pattern, peer in peers.entries.items():
        at = f"at {peer.connect}, " if peer.connect and peer.connect != peers.any.connect else ""
        yield pattern, f"{at}{_dealings(peer)}"


def _dealings(peer: PeerSettings) -> str:
    """Return what we require of a peer, in a few words."""
    if not peer.allow:
        return "refused"
    return f"proved by {' or '.join(peer.authenticate)}, {'' if peer.require_tls else 'also '}{_tls(peer)}"


def _tls(peer: PeerSettings) -> str:
    return "over TLS" if peer.require_tls else "without TLS"
