"""Login: find a server, log in as a client, stay, and log out (RFC 6120 §3, §5 to §7; XEP-0368).

    login = Login(Credentials(account=juliet, password="..."), login_tools)
    messaging = await login.enter()
    await messaging.get_roster()
    messaging.show()
    ...
    await login.leave()

TLS is required, and the server's certificate has to prove its domain before anything else is sent to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from twisted.internet.defer import Deferred

from gateway.features.bind import BindOurselves
from gateway.features.sasl import Compute, Computed
from gateway.features.sasl_clients import Credentials, logging_in
from gateway.features.starttls import StartTLS
from gateway.login.messaging import Messaging
from gateway.login.session import LoginFailed, LoginSession
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.own_certificates import Identity
from gateway.net.connection.life import Timing
from gateway.net.connection.protocol import StreamProtocol
from gateway.net.dial.dialling import dial
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.service_records import FOR_CLIENTS
from gateway.net.dns.targets import Target
from gateway.net.tls.contexts import TLSContexts
from gateway.notices.attempts.records import Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.stream.budget import Budget
from gateway.stream.facts import ClientFacts, Means, Role, Terms
from gateway.stream.header import StreamHeader
from gateway.stream.profiles import client_profile
from gateway.stream.sessions import Connection
from gateway.stream.stream import Stream
from gateway.stream.tools import StreamTools
from gateway.timing.reactor import IReactor
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import CONTENT, Stanza

TERMS = Terms(means=(Means.EXTERNAL, Means.PASSWORD))
TIMING = Timing(negotiate=30, close=5, stall=60, silence=65)  # a command has no `[limits]`


@dataclass(frozen=True, kw_only=True)
class LoginTools:
    """The tools that all logins of a process share."""

    reactor: IReactor
    resolver: Resolver
    contexts: TLSContexts
    judge: CertificateJudge  # for checking servers: `CertificateJudge(trust, service=CLIENT)`
    tools: StreamTools
    compute: Callable[[Compute], Deferred[Computed]]
    budget: Budget = field(default_factory=Budget)
    timing: Timing = TIMING


class Visit:
    """One stay at a server; entered once."""

    def __init__(
        self,
        credentials: Credentials,
        login_tools: LoginTools,
        *,
        identity: Identity | None = None,
        connect: str | None = None,
        direct_tls: bool = True,
        hear: Callable[[Stanza], None] = lambda stanza: None,
        note: Callable[[str], None] = lambda step: None,
    ) -> None:
        """`identity` is our certificate, for EXTERNAL; `connect` replaces the DNS.

        `hear` is called with each stanza that comes, `note` with each step on the way in.
        """
        self.steps: list[str] = []
        self._credentials = credentials
        self._login_tools = login_tools
        self._identity = identity
        self._connect = connect
        self._direct_tls = direct_tls
        self._hear = hear
        self._note = note
        self._numbers = count(1)
        self._session: LoginSession | None = None

    async def enter(self) -> Messaging:
        """Log in; raise Unreachable or LoginFailed."""
        login_tools, domain = self._login_tools, self._credentials.account.domain
        resolution = await login_tools.resolver.resolve(
            domain,
            direct_tls=self._direct_tls,
            connect=self._connect,
            service=FOR_CLIENTS,
            note=self._step,
        )
        targets = list(resolution.targets)
        while True:
            dialled = await dial(login_tools.reactor, targets, self._protocol, note=self._step)
            session = dialled.protocol.session
            assert isinstance(session, LoginSession)
            try:
                self._session = session
                return await session.entered
            except LoginFailed as problem:
                self._step(str(problem))
                targets = targets[targets.index(dialled.target) + 1 :]
                if not targets or session.was_refused:
                    raise

    async def leave(self) -> str:
        """Close the stream; return how it ended."""
        if self._session is None:
            return "there was no login"
        self._session.connection.close()
        return await self._session.gone

    def _step(self, step: str) -> None:
        self.steps.append(step)
        self._note(step)

    def _new_session(self, connection: Connection) -> LoginSession:
        attempt = StreamLog(
            lambda notice: None,  # the session itself reports each step
            self._login_tools.reactor.seconds,
            next(self._numbers),
            Direction.OUT,
            kind=Kind.CLIENT,
        )
        return LoginSession(connection, attempt, self._messaging, self._login_tools.compute, self._step)

    def _protocol(self, target: Target) -> StreamProtocol:
        login_tools, domain = self._login_tools, self._credentials.account.domain
        direct = target.tls == "direct"
        profile = client_profile(
            StartTLS(), logging_in(self._credentials, login_tools.tools.new_id), BindOurselves(self._wish)
        )
        facts = ClientFacts(role=Role.INITIATING, remote=domain, terms=TERMS)
        return StreamProtocol(
            Stream(profile, facts, accept_server, login_tools.tools, login_tools.budget),
            self._new_session,
            clock=login_tools.reactor,
            judge=login_tools.judge,
            tls=lambda facts: login_tools.contexts.logging_in(self._identity, domain, direct=direct),
            timing=login_tools.timing,
            direct_tls=direct,
        )

    @property
    def _wish(self) -> str | None:
        """Return the account's resource, if it was given with one; else the server makes it."""
        return self._credentials.account.resource or None

    def _messaging(self, own: Address, connection: Connection) -> Messaging:
        def write(stanza: Element) -> None:
            if connection.stream.is_open:
                connection.write(stanza.serialize(CONTENT))

        return Messaging(own, write, self._hear, self._login_tools.tools.new_id, self._login_tools.reactor)


def accept_server(header: StreamHeader, facts: ClientFacts) -> ClientFacts:
    """Check the header of the server that we called: it must answer for that domain, and under TLS prove it."""
    if header.from_domain not in (None, facts.their_domain):
        raise StreamError(StreamCondition.INVALID_FROM, "this is not the domain that was called")
    if facts.encrypted and (why_not := facts.why_not_by_certificate(facts.their_domain)):
        raise StreamError(StreamCondition.NOT_AUTHORIZED, "a valid certificate is required here", reason=why_not)
    return facts
