"""Our own client role at real servers, run in the reactor of the tests.

def scenario() -> ...:
    async with staying(world, "romeo@prosody.test") as romeo:
        await romeo.messaging.get_roster()

run_in_reactor(scenario)
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from gateway.features.sasl import carry_out
from gateway.features.sasl_clients import Credentials
from gateway.login.login import LoginTools, Visit
from gateway.login.messaging import Messaging
from gateway.login.session import LoginFailed
from gateway.net.certificates.certificate_names import CLIENT
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.own_certificates import Identity, Keyring
from gateway.net.certificates.trust_store import TrustStore
from gateway.net.dns.resolver import Resolver
from gateway.net.tls.contexts import TLSContexts
from gateway.stream.tools import STREAM_ID_BYTES, StreamTools
from gateway.xmpp.addresses import Address, AddressCache
from gateway.xmpp.stanzas import Stanza
from tests.interop.clients import PASSWORD
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor, running_reactor

PATIENCE = 30  # of a busy machine


def login_tools(world: World) -> LoginTools:
    """Return the parts that logins in a world need: its nameserver, and its authority to trust."""
    reactor = running_reactor()
    names = world.nameserver.names
    trust = TrustStore(authorities=(world.authority.certificate,))
    return LoginTools(
        reactor=reactor,
        resolver=Resolver(reactor, [f"{names.address}:{names.port}"], hosts_file="/dev/null"),
        contexts=TLSContexts(Keyring({})),
        judge=CertificateJudge(trust, service=CLIENT),
        tools=StreamTools(addresses=AddressCache(), new_id=partial(secrets.token_urlsafe, STREAM_ID_BYTES)),
        compute=lambda order: deferToThread(carry_out, order),
    )


@dataclass
class Staying:
    """A login that is in, and what it has heard."""

    login: Visit
    messaging: Messaging = field(init=False)
    heard: list[Stanza] = field(default_factory=list)
    _waiting: list[tuple[Callable[[Stanza], bool], Deferred[Stanza]]] = field(default_factory=list)

    def hear(self, stanza: Stanza) -> None:
        for wanted, wait in tuple(self._waiting):
            if wanted(stanza):
                self._waiting.remove((wanted, wait))
                wait.callback(stanza)
                return
        self.heard.append(stanza)

    def expect(self, wanted: Callable[[Stanza], bool]) -> Deferred[Stanza]:
        """The first stanza that is wanted, heard already or still to come."""
        for stanza in self.heard:
            if wanted(stanza):
                self.heard.remove(stanza)
                found: Deferred[Stanza] = Deferred()
                found.callback(stanza)
                return found
        wait: Deferred[Stanza] = Deferred()
        self._waiting.append((wanted, wait))
        return wait.addTimeout(PATIENCE, running_reactor())

    def expect_message(self, body: str) -> Deferred[Stanza]:
        """The message that says so."""
        return self.expect(lambda stanza: stanza.name == "message" and f"<body>{body}</body>".encode() in stanza.raw)

    def expect_presence(self, kind: str | None, sender: str) -> Deferred[Stanza]:
        """Presence of a type, from anybody with that bare address, or from exactly that full one."""
        return self.expect(
            lambda stanza: (
                stanza.name == "presence"
                and stanza.type == kind
                and stanza.from_ is not None
                and sender in (stanza.from_.bare, stanza.from_.full)
            )
        )


@asynccontextmanager
async def staying(
    world: World,
    jid: str,
    *,
    password: str | None = PASSWORD,
    mechanism: str | None = None,
    identity: Identity | None = None,
    **options: Any,
) -> AsyncIterator[Staying]:
    """A login, from its login to its proper leave."""
    credentials = Credentials(
        account=Address.parse(jid),
        password=password,
        certificate=identity is not None,
        mechanisms=frozenset({mechanism}) if mechanism else None,
    )
    stay = Staying(Visit(credentials, login_tools(world), identity=identity, hear=lambda it: stay.hear(it), **options))
    stay.messaging = await stay.login.enter()
    try:
        yield stay
    finally:
        await stay.login.leave()


def at_home(world: World, host: Peer, user: str, **options: Any) -> Address:
    """Log in as a user of that server, `name` or `name/resource`, and leave; the address that we had."""
    name, slash, resource = user.partition("/")

    async def scenario() -> Address:
        async with staying(world, f"{name}@{host.site.domains[0]}{slash}{resource}", **options) as stay:
            return stay.messaging.own

    return run_in_reactor(scenario)


def refusal(world: World, jid: str, **options: Any) -> str:
    """Have a login fail; return the reason."""

    async def scenario() -> str:
        try:
            async with staying(world, jid, **options):
                raise AssertionError("we were let in")
        except LoginFailed as problem:
            return str(problem)

    return run_in_reactor(scenario)
