"""`xmpp-gateway check --certificate FILE --instead-of FILE`: may a renewed certificate take the place of another?

It may if it can be used, with its key in the same file, is valid now, and names every domain that the other file is
for. The hook for certbot asks before it replaces anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from gateway.config.reading import Reading
from gateway.net.certificates.own_certificates import Identity, load_identity
from gateway.xmpp.addresses import Domain, prepare_domain
from gateway.xmpp.errors import ConfigError, MalformedAddress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two options."""
    parser.add_argument("--certificate", metavar="FILE", type=Path, help="check only this renewed certificate and key")
    parser.add_argument(
        "--instead-of", metavar="FILE", type=Path, help="the certificate in the configuration that it is to replace"
    )


def check_renewed(config: Path, fresh: Path, instead_of: Path | None) -> int:
    """Print whether a certificate may take its place; return 1 if not.

    Of the configuration, only the names of the domains matter: other mistakes in it, and a certificate that is missing
    until this one is there, must not keep it from its place.
    """
    replaced = (instead_of or fresh).absolute()
    domains = _domains_of(config, replaced)
    try:
        identity = load_identity(fresh)
    except ConfigError as error:
        problems = [error.problem]
    else:
        problems = list(_problems(identity, domains))
    if not domains:
        problems.append(f"no domain in {config} has the certificate {replaced}")
    for problem in problems:
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
    if not problems:
        print(f"{fresh} can be used for {', '.join(domains)} until {identity.not_after:%Y-%m-%d}")
    return 1 if problems else 0


def _domains_of(config: Path, certificate: Path) -> list[Domain]:
    """Return the domains whose certificate is in that file."""
    tables = Reading(config).parse().get("domains", {})
    found = []
    for name, table in tables.items() if isinstance(tables, dict) else ():
        named = table.get("certificate") if isinstance(table, dict) else None
        if isinstance(named, str) and (config.absolute().parent / named).resolve() == certificate.resolve():
            with suppress(MalformedAddress):
                found.append(prepare_domain(name))
    return found


def _problems(identity: Identity, domains: list[Domain]) -> Iterator[str]:
    file, begins = identity.certificate_file, identity.certificate.not_valid_before_utc
    for name in domains:
        if not identity.covers(name):
            yield f"{file} is for {identity.names}, not for {name}"
    if identity.not_after <= (moment := datetime.now(UTC)):
        yield f"{file} expired on {identity.not_after:%Y-%m-%d}"
    if begins > moment:
        yield f"{file} is not valid before {begins:%Y-%m-%d}"
