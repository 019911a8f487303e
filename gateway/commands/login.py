"""`xmpp-gateway login JID`: log in to an account on any server, as a client does, and show each step.

It finds the server, secures the stream, authenticates, binds a resource, fetches the roster, sends presence, pings the
server, and logs out. At a terminal it asks for the password; otherwise it reads it as one line from standard input.
With a configuration it uses that file's authorities and nameservers.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from functools import partial
from getpass import getpass

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from gateway.commands.configuration import add_config, has_config, read_config
from gateway.commands.exit_statuses import DONE, NOT_DONE, SOMETHING_IS_WRONG
from gateway.config.settings import DNSSettings, TLSSettings
from gateway.features.sasl import carry_out
from gateway.features.sasl_clients import Credentials
from gateway.login.login import LoginTools, Visit
from gateway.net.certificates.certificate_names import CLIENT
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.own_certificates import Keyring
from gateway.net.certificates.trust_store import TrustStore
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.targets import parse_connect
from gateway.net.tls.contexts import TLSContexts
from gateway.operations.log import harmless
from gateway.stream.tools import STREAM_ID_BYTES, StreamTools
from gateway.timing.reactor import IReactor, installed_reactor
from gateway.xmpp.addresses import Address, AddressCache
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import GatewayError, MalformedAddress
from gateway.xmpp.namespaces import PING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "--connect",
        metavar="ENDPOINT",
        help="where to connect: tcp:HOST:PORT or tls:HOST:PORT; default: from the DNS",
    )
    parser.add_argument("--mechanism", metavar="NAME", help="the SASL mechanism; default: the best one offered")
    parser.add_argument("jid", metavar="JID", help="the account, optionally with a resource")


def run(arguments: argparse.Namespace) -> int:
    """Log in, show each step, and log out."""
    reactor = installed_reactor()
    try:
        account = Address.parse(arguments.jid)
        if arguments.connect is not None:
            parse_connect(arguments.connect)
    except (MalformedAddress, ValueError) as problem:
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
        return NOT_DONE
    settings = read_config(arguments) if has_config(arguments) else None
    tls = settings.tls if settings is not None else TLSSettings()
    dns = settings.dns if settings is not None else DNSSettings()
    password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    mechanisms = frozenset({arguments.mechanism}) if arguments.mechanism else None
    credentials = Credentials(account=account, password=password, mechanisms=mechanisms)
    login = Visit(credentials, login_tools(reactor, tls, dns), connect=arguments.connect, note=_tell)
    statuses: list[int] = []
    failed: list[Failure] = []

    def start() -> None:
        visiting = Deferred.fromCoroutine(visit(login))
        visiting.addCallbacks(statuses.append, failed.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
    if failed:
        failed[0].raiseException()
    return statuses[0] if statuses else NOT_DONE


def login_tools(reactor: IReactor, tls: TLSSettings, dns: DNSSettings) -> LoginTools:
    """Return what a login needs besides the account."""
    return LoginTools(
        reactor=reactor,
        resolver=Resolver(reactor, dns.nameservers, hosts_file=str(dns.hosts_file)),
        contexts=TLSContexts(Keyring({})),
        judge=CertificateJudge(TrustStore.load(tls.authorities, tls.crls), service=CLIENT),
        tools=StreamTools(addresses=AddressCache(), new_id=partial(secrets.token_urlsafe, STREAM_ID_BYTES)),
        compute=lambda order: deferToThread(carry_out, order),
    )


async def visit(login: Visit) -> int:
    """Log in, fetch the roster, ping and log out; print each step and return the exit status."""
    try:
        messaging = await login.enter()
        await messaging.get_roster()
        _tell(f"the roster has {len(messaging.roster)} contacts")
        messaging.show()
        await messaging.ask("get", Element(PING, "ping"), Address.parse(messaging.own.domain))
        _tell("the server answered a ping")
        _tell(f"left: {await login.leave()}")
    except GatewayError as problem:
        _tell(f"failed: {problem}")
        return SOMETHING_IS_WRONG
    return DONE


def _tell(step: str) -> None:
    """Print a step; it may quote what the server said."""
    print(harmless(step))
