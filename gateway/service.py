"""The service tree: settings -> everything that runs, as a list of named steps.

This is the only file that knows all rooms. Each step makes one thing from the things before it; the order is the
documentation of start-up. Nothing is bound, dialled or read from the network before the service is started.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from random import SystemRandom
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList

from gateway.addresses import AddressCache, Domain, DomainPair
from gateway.attempts.records import AttemptLog, Direction, Kind
from gateway.components import ComponentRoute, ComponentSession
from gateway.dialback.keys import KeyMaker
from gateway.errors import StreamCondition, StreamError
from gateway.features.dialback import Dialback, DialbackQuestions
from gateway.features.handshake import Handshake
from gateway.features.sasl_servers import accepting_servers, proving_to_servers
from gateway.features.starttls import StartTLS
from gateway.federation.backoff import Backoff, Waits
from gateway.federation.inbound import InboundSession
from gateway.federation.outbound import OutboundSession
from gateway.federation.route import QueueSpace, RemoteRoute, RouteRules
from gateway.federation.streams import Gone, OutboundStreams
from gateway.handlers.disco import Disco
from gateway.handlers.ping import Ping
from gateway.handlers.route import HandlerRoute
from gateway.handlers.time import Time
from gateway.handlers.version import Version
from gateway.history import History
from gateway.http import door as http
from gateway.http.door import Answer, Page
from gateway.http.health import alive, ready
from gateway.interfaces import IRoute
from gateway.lag import LagMeter
from gateway.metrics import CONTENT_TYPE as METRICS_TYPE
from gateway.metrics import Metrics
from gateway.net.certificates import CertificateJudge
from gateway.net.connector import Connector, Way
from gateway.net.contexts import TLSContexts, TLSRules
from gateway.net.doors import Behind, Crowd, Door, Porter
from gateway.net.identities import Identity, Keyring, load_identity
from gateway.net.listening import Listening, NotOpened
from gateway.net.protocol import Timing
from gateway.net.resolver import Resolver
from gateway.net.trust import TrustStore
from gateway.notices import Board, Level, Remark
from gateway.policy import DomainRule, Domains, InsideDoor, OutsideDoor
from gateway.profiles import component_profile, server_profile
from gateway.router import Router
from gateway.settings import ComponentDomain, HandlerDomain, PeerSettings, RelayDomain, Settings
from gateway.status import StatusReader, outbound_connections
from gateway.stream.codec import Budget
from gateway.stream.facts import Facts, Means, Terms
from gateway.stream.header import StreamHeader
from gateway.stream.stream import StreamTools

STREAM_ID_BYTES = 20  # 160 bits: dialback keys and component handshakes rest on an id that nobody can guess


class Gateway(MultiService):
    """The running gateway: all parts, by name, and the doors as child services."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        super().__init__()
        self.settings = settings
        self.reactor = reactor
        self.board = Board()
        self.started_at = reactor.seconds()
        self.numbers = count(1)  # of attempts, in the order in which they begin
        for step in STEPS:
            step(self)

    def startService(self) -> None:
        super().startService()
        doors = ", ".join(f"{door} {endpoint}" for door, endpoint in self.settings.listen.opened())
        names = ", ".join(self.settings.domains)
        self.board.publish(Remark(text=f"answering for {names}; doors: {doors or 'none'}"))

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except NotOpened as problem:
            self.board.publish(Remark(text=str(problem), weight=Level.ERROR))
            raise SystemExit(1) from None

    def missing(self) -> list[str]:
        """What is missing for this gateway to do its work, in words; nothing when all is well."""
        if not self.running:
            return ["the service is not started, or is being stopped"]
        doors = [service for service in self if isinstance(service, Listening)]
        return [f"the door {door.name} is not open" for door in doors if not door.is_open]

    async def _close(self) -> None:
        """Shut the doors, bounce what waits, close every stream properly, and wait until they are gone."""
        await MultiService.stopService(self)
        for route in list(self.remote_routes.values()):
            route.close()
        shutdown = StreamError(StreamCondition.SYSTEM_SHUTDOWN)
        connections = self.connections()
        for connection in connections:
            connection.close(shutdown)
        await DeferredList([connection.when_lost() for connection in connections])

    def connections(self) -> list[Any]:
        """All connections, those that others made to us first."""
        return [*self.porter.connections, *outbound_connections(self.streams)]

    def stopService(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._close())

    # Filled in by the steps.
    history: History
    status: StatusReader
    identities: dict[Domain, Identity]
    addresses: AddressCache
    tools: StreamTools
    trust: TrustStore
    judge: CertificateJudge
    contexts: TLSContexts
    domains: Domains
    keys: KeyMaker
    outside: OutsideDoor
    inside: InsideDoor
    router: Router
    resolver: Resolver
    connector: Connector
    streams: OutboundStreams
    remote_routes: dict[DomainPair, RemoteRoute]
    components: dict[Domain, ComponentRoute]
    porter: Porter
    backoff: Backoff
    budget: Budget
    timing: Timing
    outside_dialback: Dialback
    inside_dialback: Dialback

    # -- what settings mean ------------------------------------------------------------------------------------------

    def peer(self, domain: Domain) -> PeerSettings:
        """How we deal with a domain: relayed ones have their own settings."""
        settings = self.settings.domains.get(domain)
        return settings.peer if isinstance(settings, RelayDomain) else self.settings.peers.for_domain(domain)

    def terms_for(self, domain: Domain) -> Terms | None:
        """The terms for an outside domain; None where nothing is exchanged with it."""
        peer = self.settings.peers.for_domain(domain)
        return terms_of(peer) if peer.allow else None


def terms_of(peer: PeerSettings) -> Terms:
    """What the settings for a peer say about its streams."""
    return Terms(
        require_tls=peer.require_tls,
        means=tuple(Means(means) for means in peer.authenticate),
        shared_secret=peer.digest_md5_secret.text if peer.digest_md5_secret is not None else None,
        stanza_bytes=peer.stanza_bytes,
        stanzas_per_second=peer.stanzas_per_second,
        idle_seconds=peer.idle_seconds,
        bidirectional=peer.bidi,
        managed=peer.stream_management,
    )


def _remember(gateway: Gateway) -> None:
    gateway.history = History()
    gateway.board.subscribe(gateway.history.notice)
    gateway.status = StatusReader(gateway, gateway.reactor.seconds)


def _prepare_state(gateway: Gateway) -> None:
    state = gateway.settings.gateway.state
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    gateway.keys = KeyMaker(_secret(state / "dialback.secret"))


def _secret(file: Path) -> bytes:
    """The secret in a file, made when there is none; readable for us alone."""
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as new:
            new.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    return file.read_bytes()


def _share_tools(gateway: Gateway) -> None:
    limits = gateway.settings.limits
    gateway.addresses = AddressCache()
    gateway.tools = StreamTools(
        addresses=gateway.addresses,
        new_id=partial(secrets.token_urlsafe, STREAM_ID_BYTES),
        negotiating=Budget(stanza_bytes=limits.unauthenticated_stream_bytes, depth=20, elements=200, attributes=100),
    )
    gateway.budget = Budget(depth=limits.depth, elements=limits.elements, attributes=limits.attributes)
    gateway.timing = Timing(negotiate=limits.negotiate_seconds, close=limits.close_seconds, stall=limits.stall_seconds)


def _load_certificates(gateway: Gateway) -> None:
    tls = gateway.settings.tls
    identities = {
        domain.domain: load_identity(domain.certificate, domain.key)
        for domain in gateway.settings.domains.values()
        if domain.certificate is not None
    }
    gateway.identities = identities
    gateway.trust = TrustStore.load(tls.authorities, tls.crls)
    gateway.judge = CertificateJudge(
        gateway.trust, warn=lambda text: gateway.board.publish(Remark(text=text, weight=Level.WARN))
    )
    gateway.contexts = TLSContexts(Keyring(identities), TLSRules(minimum=tls.minimum, ciphers=tls.ciphers))


def _set_policy(gateway: Gateway) -> None:
    gateway.domains = Domains(
        {
            name: DomainRule(
                with_subdomains=isinstance(domain, ComponentDomain),
                terms=terms_of(domain.peer) if isinstance(domain, RelayDomain) else None,
            )
            for name, domain in gateway.settings.domains.items()
        }
    )
    gateway.outside = OutsideDoor(gateway.domains, gateway.terms_for)
    gateway.inside = InsideDoor(gateway.domains, gateway.terms_for)
    gateway.outside_dialback = Dialback(gateway.keys, gateway.outside.speaks_for, gateway.outside.terms_of_pair)
    gateway.inside_dialback = Dialback(gateway.keys, gateway.inside.speaks_for, gateway.inside.terms_of_pair)


def _set_router(gateway: Gateway) -> None:
    settings = gateway.settings
    gateway.backoff = Backoff(Waits(), SystemRandom())
    gateway.remote_routes = {}
    space = QueueSpace(settings.limits.queue_bytes)

    def remote(pair: DomainPair) -> IRoute:
        route = gateway.remote_routes.get(pair)
        if route is None:
            peer = gateway.peer(pair.target)
            route = gateway.remote_routes[pair] = RemoteRoute(
                pair,
                RouteRules(allow=peer.allow, queue_stanzas=peer.queue_stanzas, connect_seconds=peer.connect_seconds),
                open_stream=lambda pair: gateway.streams.open(pair),
                router=gateway.router,
                backoff=gateway.backoff,
                space=space,
                clock=gateway.reactor,
                publish=gateway.board.publish,
                at_rest=forget,
            )
        return route

    def forget(route: RemoteRoute) -> None:
        gateway.remote_routes.pop(route.pair, None)

    gateway.router = Router(gateway.domains, remote, gateway.board.publish)


def _set_local_routes(gateway: Gateway) -> None:
    gateway.components = {}
    for name, domain in gateway.settings.domains.items():
        if isinstance(domain, ComponentDomain):
            gateway.components[name] = ComponentRoute(name, gateway.router, gateway.reactor, gateway.board.publish)
            gateway.router.attach(name, gateway.components[name])
        elif isinstance(domain, HandlerDomain):
            handler = domain.factory(**domain.options)
            served = [handler, Ping(), Version(), Time()]
            disco = Disco(served, identities=[("server", "im", "xmpp-gateway")], contacts=domain.admins)
            gateway.router.attach(name, HandlerRoute(name, [Ping(), disco, Version(), Time(), handler], gateway.router))


def _set_federation(gateway: Gateway) -> None:
    settings = gateway.settings
    nameservers = settings.dns.nameservers
    gateway.resolver = Resolver(gateway.reactor, nameservers)

    def session(attempt: AttemptLog, pair: DomainPair, gone: Gone) -> OutboundSession:
        return OutboundSession(attempt, dialback_towards(pair.target), pair, gone)

    def dialback_towards(domain: Domain) -> Dialback:
        inside = gateway.domains.relayed_terms(domain) is not None
        return gateway.inside_dialback if inside else gateway.outside_dialback

    def way_to(domain: Domain) -> Way:
        peer = gateway.peer(domain)
        return Way(terms=terms_of(peer), connect=peer.connect, direct_tls=peer.direct_tls)

    # Keys are made by one secret whatever the side, so one profile serves both for streams that we open.
    gateway.connector = Connector(
        gateway.reactor,
        resolver=gateway.resolver,
        contexts=gateway.contexts,
        judge=gateway.judge,
        way_to=way_to,
        session=session,
        profiles=(
            server_profile(StartTLS(), proving_to_servers(gateway.tools.new_id), gateway.outside_dialback),
            server_profile(StartTLS(), DialbackQuestions(gateway.outside_dialback)),
        ),
        tools=gateway.tools,
        budget=gateway.budget,
        timing=gateway.timing,
        publish=gateway.board.publish,
        numbers=gateway.numbers,
    )

    def ended(session: OutboundSession, cleanly: bool) -> None:
        for route in list(gateway.remote_routes.values()):
            route.stream_ended(session, cleanly=cleanly)

    gateway.streams = OutboundStreams(gateway.connector, ended)


def _set_doors(gateway: Gateway) -> None:
    settings = gateway.settings
    limits = settings.limits
    gateway.porter = Porter(
        Crowd(
            streams=limits.streams,
            per_address=limits.streams_per_address,
            unauthenticated=limits.unauthenticated_streams,
        ),
        gateway.board.publish,
    )

    def attempt(kind: Kind) -> AttemptLog:
        return AttemptLog(
            gateway.board.publish, gateway.reactor.seconds, next(gateway.numbers), Direction.IN, kind=kind
        )

    def inbound(dialback: Dialback) -> InboundSession:
        return InboundSession(
            attempt(Kind.SERVER),
            dialback,
            domains=gateway.domains,
            router=gateway.router,
            verify=gateway.streams.verify,
            reached=partial(_reached, gateway),
            publish=gateway.board.publish,
        )

    def component() -> ComponentSession:
        return ComponentSession(attempt(Kind.COMPONENT), gateway.components.get, gateway.router, gateway.board.publish)

    def secret_of(domain: Domain) -> str | None:
        settings = gateway.settings.domains.get(domain)
        return settings.secret.text if isinstance(settings, ComponentDomain) else None

    def accepting(facts: Facts) -> Any:
        return gateway.contexts.accepting(facts.local)

    outside = Behind(
        profile=server_profile(StartTLS(), accepting_servers(gateway.tools.new_id), gateway.outside_dialback),
        accept=gateway.outside.accept,
        session=partial(inbound, gateway.outside_dialback),
        terms=terms_of(settings.peers.any),
        tls=accepting,
    )
    inside = Behind(
        profile=server_profile(StartTLS(), accepting_servers(gateway.tools.new_id), gateway.inside_dialback),
        accept=gateway.inside.accept,
        session=partial(inbound, gateway.inside_dialback),
        terms=Terms(require_tls=False),
        tls=accepting,
    )
    components = Behind(
        profile=component_profile(Handshake(secret_of)),
        accept=partial(_accept_component, gateway),
        session=component,
        terms=Terms(require_tls=False, stanza_bytes=limits.component_stanza_bytes),
        tls=accepting,
    )
    behind = {
        "server": (outside, False),
        "server_tls": (outside, True),
        "inside": (inside, False),
        "component": (components, False),
    }
    for name, description in settings.listen.opened():
        if name in behind:
            gateway.addService(Listening(name, description, _door(gateway, *behind[name]), gateway.reactor))


def _door(gateway: Gateway, behind: Behind, direct_tls: bool) -> Door:
    return Door(
        behind,
        gateway.porter,
        direct_tls=direct_tls,
        clock=gateway.reactor,
        judge=gateway.judge,
        tools=gateway.tools,
        budget=gateway.budget,
        timing=gateway.timing,
    )


def _reached(gateway: Gateway, pair: DomainPair) -> None:
    """A domain has shown itself: whatever waits for it is sent on its way now."""
    waited = [gateway.backoff.reached(whom) for whom in (pair.target, pair)]
    if any(waited):
        for route in list(gateway.remote_routes.values()):
            if route.pair.target == pair.target:
                route.retry()


def _accept_component(gateway: Gateway, header: StreamHeader, facts: Facts) -> Facts:
    from dataclasses import replace

    if header.to_domain is None or header.to_domain not in gateway.components:
        raise StreamError(StreamCondition.HOST_UNKNOWN, "no component is configured for that domain")
    return replace(facts, local=header.to_domain)


def _set_http_door(gateway: Gateway) -> None:
    if not gateway.settings.listen.http:
        return
    metrics = Metrics(gateway.status.status)
    gateway.board.subscribe(metrics.notice)
    gateway.addService(LagMeter(gateway.reactor, gateway.board.publish))
    pages = {
        "/metrics": Page(lambda: Answer(body=metrics.text(), kind=METRICS_TYPE)),
        "/healthz": Page(ready(gateway.missing)),
        "/healthz/alive": Page(alive),
    }
    door = http.Door(pages, lambda: gateway.settings.domains, gateway.reactor)
    for endpoint in gateway.settings.listen.http:
        gateway.addService(Listening("http", endpoint, door, gateway.reactor))


STEPS: Sequence[Callable[[Gateway], None]] = (
    _remember,
    _prepare_state,
    _share_tools,
    _load_certificates,
    _set_policy,
    _set_router,
    _set_local_routes,
    _set_federation,
    _set_doors,
    _set_http_door,
)


def build(settings: Settings, reactor: Any) -> Gateway:
    """The service for these settings; starting it opens the doors."""
    return Gateway(settings, reactor)
