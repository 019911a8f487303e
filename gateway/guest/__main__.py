"""A probe: log in somewhere as a client does, and show each step.

    python -m gateway.guest romeo@example.com                       the password is typed, or comes on standard input
    python -m gateway.guest romeo@example.com --config gateway.toml     by that file's authorities and nameservers

It finds the server, secures the stream, proves the account, gets a resource, reads the roster, shows itself, has its
server answer a ping, and leaves. Exit status 1 when any of it fails.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from functools import partial
from getpass import getpass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from gateway.addresses import Address, AddressCache
from gateway.config import Mistakes, load
from gateway.elements import Element
from gateway.errors import GatewayError, MalformedAddress
from gateway.features.sasl import carry_out
from gateway.features.sasl_clients import Credentials
from gateway.guest.guest import Guest, Reception
from gateway.namespaces import PING
from gateway.net.certificates import CertificateJudge
from gateway.net.contexts import TLSContexts
from gateway.net.identities import Keyring
from gateway.net.names import CLIENT
from gateway.net.resolver import Resolver
from gateway.net.trust import TrustStore
from gateway.settings import DNSSettings, TLSSettings
from gateway.stream.stream import StreamTools

ID_BYTES = 20


def main() -> None:
    """Read the command line, and visit."""
    parser = argparse.ArgumentParser(prog="python -m gateway.guest", description="Log in as a client, and show how.")
    parser.add_argument("jid", metavar="JID", help="the account, with a resource where one is wished")
    parser.add_argument("--config", metavar="FILE", type=Path, help="whose authorities and nameservers are used")
    parser.add_argument("--connect", metavar="ENDPOINT", help="tcp:HOST:PORT or tls:HOST:PORT, instead of the DNS")
    parser.add_argument("--mechanism", metavar="NAME", help="of SASL; left out: the best that is offered")
    arguments = parser.parse_args()
    try:
        account = Address.parse(arguments.jid)
        settings = load(arguments.config) if arguments.config is not None else None
    except (MalformedAddress, Mistakes) as problem:
        sys.exit(str(problem))
    tls = settings.tls if settings is not None else TLSSettings()
    dns = settings.dns if settings is not None else DNSSettings()
    password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    mechanisms = frozenset({arguments.mechanism}) if arguments.mechanism else None
    credentials = Credentials(account=account, password=password, mechanisms=mechanisms)

    def start(reactor: Any) -> Deferred[None]:
        guest = Guest(credentials, reception(reactor, tls, dns), connect=arguments.connect, note=print)
        return Deferred.fromCoroutine(visit(guest))

    react(start, ())


def reception(reactor: Any, tls: TLSSettings, dns: DNSSettings) -> Reception:
    """What a guest needs that comes alone."""
    return Reception(
        reactor=reactor,
        resolver=Resolver(reactor, dns.nameservers, hosts_file=str(dns.hosts_file)),
        contexts=TLSContexts(Keyring({})),
        judge=CertificateJudge(TrustStore.load(tls.authorities, tls.crls), service=CLIENT),
        tools=StreamTools(addresses=AddressCache(), new_id=partial(secrets.token_urlsafe, ID_BYTES)),
        compute=lambda order: deferToThread(carry_out, order),
    )


async def visit(guest: Guest) -> None:
    """Do what every client does, and tell it."""
    try:
        affairs = await guest.enter()
        await affairs.get_roster()
        print(f"the roster has {len(affairs.roster)} contacts")
        affairs.show()
        await affairs.ask("get", Element(PING, "ping"), Address.parse(affairs.own.domain))
        print("the server has answered a ping")
        print(f"left: {await guest.leave()}")
    except GatewayError as problem:
        print(f"failed: {problem}")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
