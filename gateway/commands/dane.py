"""`xmpp-gateway dane DOMAIN`: the TLSA records to publish for one of our domains."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator

from gateway.commands.configuration import add_config, read_config
from gateway.commands.exit_statuses import DONE, NOT_DONE
from gateway.commands.identities import domain_argument, identity_of
from gateway.config.settings import Settings
from gateway.net.certificates.dane import association
from gateway.net.dns.tlsa import Matching, Selector, Usage, tlsa_name
from gateway.xmpp.addresses import to_ascii

_PORT = re.compile(r"tcp6?:(?:port=)?([0-9]+)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument("--host", help="the server that its SRV records name; default: the domain itself")
    parser.add_argument(
        "--port", type=int, action="append", help="a port there, may be repeated; default: those of [listen]"
    )
    domain_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the records."""
    settings = read_config(arguments)
    identity = identity_of(settings, arguments.domain)
    if identity is None:
        return NOT_DONE
    ports = arguments.port or list(dict.fromkeys(_ports(settings)))
    if not ports:
        print("xmpp-gateway: no port is open for servers ([listen]): give one with --port", file=sys.stderr)
        return NOT_DONE
    host = arguments.host or to_ascii(identity.domain)
    digest = association(identity.certificate, Selector.KEY, Matching.SHA256).hex()
    for port in ports:
        numbers = f"{Usage.DANE_EE:d} {Selector.KEY:d} {Matching.SHA256:d}"
        print(f"{tlsa_name(host, port)}. IN TLSA {numbers} {digest}")
    return DONE


def _ports(settings: Settings) -> Iterator[int]:
    for endpoint in (*settings.listen.server, *settings.listen.server_tls):
        if port := _PORT.match(endpoint):
            yield int(port[1])
