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
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory

from gateway.addresses import Address, AddressCache, Domain, DomainPair
from gateway.attempts.records import AttemptLog, Direction, Kind
from gateway.clients.people import People
from gateway.components import ComponentRoute, ComponentSession
from gateway.dialback.keys import KeyMaker
from gateway.errors import StreamCondition, StreamError
from gateway.features.bidi import Bidirectional
from gateway.features.dialback import Dialback, DialbackQuestions
from gateway.features.handshake import Handshake
from gateway.features.limits import Limits
from gateway.features.sasl_servers import accepting_servers, proving_to_servers
from gateway.features.starttls import StartTLS
from gateway.features.stream_management import between_servers
from gateway.federation.admission import Admission
from gateway.federation.backoff import Backoff, Waits
from gateway.federation.broken import BrokenStream
from gateway.federation.inbound import InboundSession
from gateway.federation.outbound import Gone, OutboundSession
from gateway.federation.resumption import Resumables
from gateway.federation.route import RemoteRoute, RouteRules
from gateway.federation.session import SessionTools
from gateway.federation.streams import OutboundStreams
from gateway.handlers.disco import Announced, Disco
from gateway.handlers.ping import Ping
from gateway.handlers.route import HandlerRoute
from gateway.handlers.time import Time
from gateway.handlers.version import Version
from gateway.history import History
from gateway.im import assembly as im
from gateway.interfaces import IRoute
from gateway.net.certificates import CertificateJudge
from gateway.net.connector import Connector, Way
from gateway.net.contexts import TLSContexts, TLSRules
from gateway.net.doors import Behind, Door
from gateway.net.identities import Identity, Keyring
from gateway.net.listening import Listening, NotOpened
from gateway.net.names import CLIENT
from gateway.net.paths import Holder
from gateway.net.porter import Crowd, Porter
from gateway.net.protocol import Timing
from gateway.net.resolver import Resolver
from gateway.net.trust import TrustStore
from gateway.notices import Board, Level, Remark
from gateway.operating import control_door, http_door
from gateway.outflow import Bounds, Outflow, QueueSpace
from gateway.policy import DomainRule, Domains, InsideDoor, OutsideDoor
from gateway.profiles import Profile, component_profile, server_profile
from gateway.reloading import Material, Reload
from gateway.router import Router
from gateway.settings import ComponentDomain, HandlerDomain, ImDomain, PeerSettings, RelayDomain, Settings
from gateway.shutdown import close_in_order
from gateway.status import StatusReader, outbound_connections
from gateway.stream.codec import Budget
from gateway.stream.facts import Facts, Means, Terms
from gateway.stream.header import StreamHeader
from gateway.stream.stream import StreamTools
from gateway.supervision import Supervised

STREAM_ID_BYTES = 20  # 160 bits: dialback keys and component handshakes rest on an id that nobody can guess


class Gateway(MultiService):
    """The running gateway: all parts, by name, and the doors as child services."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        super().__init__()
        self.settings = settings
        self.reactor = reactor
        self.board = Board()
        self.is_leaving = False
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
        self.is_leaving = True  # nothing is opened any more
        await MultiService.stopService(self)
        self.streams.broken.stop()
        for route in list(self.remote_routes.values()):
            route.close()
        await close_in_order(self.connections(), self.reactor)
        await self.people.close()

    def connections(self) -> list[Any]:
        """All connections, those that others made to us first."""
        return [*self.porter.connections, *outbound_connections(self.streams)]

    def routes_to(self, domain: Domain) -> list[RemoteRoute]:
        """The ways to a remote domain."""
        return [route for pair, route in self.remote_routes.items() if pair.target == domain]

    def forget_names(self) -> None:
        """Ask the DNS afresh."""
        self.resolver.forget()

    def close_account(self, account: Address) -> int:
        """Close the streams of an account of ours; how many there were."""
        return self.people.close_account(account)

    def reload(self) -> dict[str, Any]:
        """Take over the configuration as it is now; raises Refused, and changes nothing, when there is a mistake."""
        self.supervised.reloading()
        try:
            return Reload(self).run()
        finally:
            self.supervised.reloaded("reloaded; the log tells the outcome")

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
    client_judge: CertificateJudge  # of the certificates of people
    contexts: TLSContexts
    domains: Domains
    keys: KeyMaker
    outside: OutsideDoor
    inside: InsideDoor
    router: Router
    space: QueueSpace
    resolver: Resolver
    connector: Connector
    session_tools: SessionTools
    streams: OutboundStreams
    remote_routes: dict[DomainPair, RemoteRoute]
    components: dict[Domain, ComponentRoute]
    people: People
    porter: Porter
    supervised: Supervised
    doors: dict[str, IProtocolFactory]  # what is behind each key of [listen]
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

    def route_rules(self, domain: Domain) -> RouteRules:
        """How much may wait for a domain, and how long."""
        peer = self.peer(domain)
        return RouteRules(allow=peer.allow, queue_stanzas=peer.queue_stanzas, connect_seconds=peer.connect_seconds)

    @property
    def tls_rules(self) -> TLSRules:
        """Which TLS we speak."""
        return TLSRules(minimum=self.settings.tls.minimum, ciphers=self.settings.tls.ciphers)

    def terms_now(self, domain: Domain) -> Terms | None:
        """The terms for any other server: a relayed one, or one outside."""
        return self.domains.relayed_terms(domain) or self.terms_for(domain)

    def speaks_for(self, remote: Domain | None, domain: Domain) -> bool:
        """Whether we are that domain towards another server: to a relayed one, everybody whom it may reach."""
        if self.domains.is_own(domain):
            return True
        is_relayed = remote is not None and self.domains.relayed_terms(remote) is not None
        return is_relayed and self.terms_for(domain) is not None

    # -- what a reload exchanges -------------------------------------------------------------------------------------

    def use(self, material: Material) -> None:
        """Show these certificates, and trust these authorities, from now on."""
        self.identities = material.identities
        self.trust = self.judge.trust = self.client_judge.trust = material.trust
        self.contexts.renew(Keyring(material.identities), self.tls_rules)

    def attach(self, domain: Domain, route: ComponentRoute | HandlerRoute) -> None:
        """Have a local domain served by this route from now on."""
        if isinstance(route, ComponentRoute):
            self.components[domain] = route
        self.router.attach(domain, route)

    def apply_domains(self) -> None:
        """Have policy know our domains as the settings have them."""
        self.domains.replace(domain_rules(self.settings))

    def local_route(self, domain: ComponentDomain | HandlerDomain) -> ComponentRoute | HandlerRoute:
        """A new route for a domain that a component or a handler serves."""
        return local_route(self, domain)

    def listening(self, door: str, endpoint: str) -> Listening:
        """A door at an endpoint, not open yet."""
        return Listening(door, endpoint, self.doors[door], self.reactor)

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
    gateway.board.subscribe(gateway.history.notice, *History.KINDS)
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
    material = Material.load(gateway.settings)
    gateway.judge = CertificateJudge(
        material.trust, warn=lambda text: gateway.board.publish(Remark(text=text, weight=Level.WARN))
    )
    gateway.client_judge = CertificateJudge(material.trust, holder=Holder.CLIENT)
    gateway.contexts = TLSContexts(Keyring(material.identities), gateway.tls_rules)
    gateway.use(material)


def _set_policy(gateway: Gateway) -> None:
    gateway.domains = Domains(domain_rules(gateway.settings))
    gateway.outside = OutsideDoor(gateway.domains, gateway.terms_for)
    gateway.inside = InsideDoor(gateway.domains, gateway.terms_for)
    gateway.outside_dialback = Dialback(gateway.keys, gateway.outside.speaks_for, gateway.outside.terms_of_pair)
    gateway.inside_dialback = Dialback(gateway.keys, gateway.inside.speaks_for, gateway.inside.terms_of_pair)


def domain_rules(settings: Settings) -> dict[Domain, DomainRule]:
    """What policy has to know of our domains."""
    return {
        name: DomainRule(
            with_subdomains=isinstance(domain, ComponentDomain),
            terms=terms_of(domain.peer) if isinstance(domain, RelayDomain) else None,
        )
        for name, domain in settings.domains.items()
    }


def _set_router(gateway: Gateway) -> None:
    settings = gateway.settings
    gateway.backoff = Backoff(Waits(), SystemRandom())
    gateway.remote_routes = {}
    gateway.space = QueueSpace(settings.limits.queue_bytes)

    def remote(pair: DomainPair) -> IRoute:
        route = gateway.remote_routes.get(pair)
        if route is None:
            route = gateway.remote_routes[pair] = RemoteRoute(
                pair,
                gateway.route_rules(pair.target),
                open_stream=lambda pair: gateway.streams.open(pair),
                router=gateway.router,
                backoff=gateway.backoff,
                space=gateway.space,
                clock=gateway.reactor,
                publish=gateway.board.publish,
                at_rest=forget,
            )
            if gateway.is_leaving:
                route.close()
        return route

    def forget(route: RemoteRoute) -> None:
        gateway.remote_routes.pop(route.pair, None)

    gateway.router = Router(gateway.domains, remote, gateway.board.publish)


def _set_local_routes(gateway: Gateway) -> None:
    gateway.components = {}
    for name, domain in gateway.settings.domains.items():
        if isinstance(domain, ComponentDomain | HandlerDomain):
            gateway.attach(name, local_route(gateway, domain))


def local_route(gateway: Gateway, domain: ComponentDomain | HandlerDomain) -> ComponentRoute | HandlerRoute:
    """The route of a domain that a component or a handler serves."""
    if isinstance(domain, HandlerDomain):
        handler = domain.factory(**domain.options)
        served = [handler, Ping(), Version(), Time()]
        disco = Disco(served, identities=[("server", "im", "xmpp-gateway")], contacts=domain.admins)
        return HandlerRoute(domain.domain, [Ping(), disco, Version(), Time(), handler], gateway.router)
    waiting = gateway.settings.limits.component_buffer_bytes
    outflow = Outflow(Bounds(wait_above=waiting, most_bytes=4 * waiting), gateway.space)
    return ComponentRoute(domain.domain, gateway.router, outflow, gateway.reactor, gateway.board.publish)


def _set_people(gateway: Gateway) -> None:
    settings = gateway.settings
    state = settings.gateway.state

    def itself(domain: Domain) -> IRoute:
        served = [Ping(), Version(), Time(), Announced(im.FEATURES, im.IDENTITIES)]
        disco = Disco(served, contacts=settings.domains[domain].admins)
        return HandlerRoute(domain, [Ping(), disco, Version(), Time()], gateway.router)

    gateway.people = People(
        [domain.domain for domain in settings.domains_of(ImDomain)],
        itself=itself,
        storage=settings.storage.url,
        state=state,
        secret=_secret(state / "logins.secret"),
        router=gateway.router,
        addresses=gateway.addresses,
        new_id=gateway.tools.new_id,
        attempt=partial(_attempt, gateway, Kind.CLIENT),
        reactor=gateway.reactor,
    )
    gateway.addService(gateway.people)


def _attempt(gateway: Gateway, kind: Kind) -> AttemptLog:
    return AttemptLog(gateway.board.publish, gateway.reactor.seconds, next(gateway.numbers), Direction.IN, kind=kind)


def _set_federation(gateway: Gateway) -> None:
    settings = gateway.settings
    gateway.session_tools = SessionTools(
        admission=Admission(gateway.domains, gateway.router, gateway.board.publish),
        clock=gateway.reactor,
        patience=settings.limits.stall_seconds,
    )
    nameservers = settings.dns.nameservers
    gateway.resolver = Resolver(gateway.reactor, nameservers)

    def session(attempt: AttemptLog, pair: DomainPair, gone: Gone, resuming: BrokenStream | None) -> OutboundSession:
        return OutboundSession(attempt, dialback_towards(pair.target), gateway.session_tools, pair, gone, resuming)

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
            server_profile(
                StartTLS(),
                Bidirectional(),
                proving_to_servers(gateway.tools.new_id),
                gateway.outside_dialback,
                Limits(),
                between_servers(),
            ),
            server_profile(StartTLS(), DialbackQuestions(gateway.outside_dialback)),
        ),
        tools=gateway.tools,
        budget=gateway.budget,
        timing=gateway.timing,
        publish=gateway.board.publish,
        numbers=gateway.numbers,
    )

    gateway.streams = OutboundStreams(gateway.connector, gateway.reactor)


def _set_doors(gateway: Gateway) -> None:
    settings = gateway.settings
    limits = settings.limits
    gateway.porter = Porter(
        Crowd(
            streams=limits.streams,
            per_address=limits.streams_per_address,
            unauthenticated=limits.unauthenticated_streams,
            per_minute=limits.connections_per_minute,
        ),
        gateway.board.publish,
        gateway.reactor.seconds,
    )

    def inbound(dialback: Dialback) -> InboundSession:
        return InboundSession(
            _attempt(gateway, Kind.SERVER),
            dialback,
            gateway.session_tools,
            verify=gateway.streams.verify,
            reached=partial(_reached, gateway),
            lenders=gateway.streams,
            resumables=resumables,
        )

    resumables = Resumables(gateway.tools.new_id, gateway.reactor.seconds)

    def accepting_profile(dialback: Dialback) -> Profile:
        return server_profile(
            StartTLS(),
            accepting_servers(gateway.tools.new_id),
            dialback,
            Bidirectional(),
            Limits(),
            between_servers(),
        )

    def component() -> ComponentSession:
        return ComponentSession(
            _attempt(gateway, Kind.COMPONENT), gateway.components.get, gateway.router, gateway.board.publish
        )

    def secret_of(domain: Domain) -> str | None:
        settings = gateway.settings.domains.get(domain)
        return settings.secret.text if isinstance(settings, ComponentDomain) else None

    def accepting(facts: Facts) -> Any:
        return gateway.contexts.accepting(facts.local)

    outside = Behind(
        profile=accepting_profile(gateway.outside_dialback),
        accept=gateway.outside.accept,
        session=partial(inbound, gateway.outside_dialback),
        terms=terms_of(settings.peers.any),
        tls=accepting,
    )
    inside = Behind(
        profile=accepting_profile(gateway.inside_dialback),
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
    clients = Behind(
        profile=gateway.people.profile,
        accept=gateway.people.door.accept,
        session=gateway.people.session,
        terms=Terms(stanza_bytes=limits.client_stanza_bytes),
        tls=lambda facts: gateway.contexts.accepting(facts.local, service=CLIENT),
    )
    behind = {
        "server": (outside, gateway.judge, False),
        "server_tls": (outside, gateway.judge, True),
        "inside": (inside, gateway.judge, False),
        "component": (components, gateway.judge, False),
        "client": (clients, gateway.client_judge, False),
        "client_tls": (clients, gateway.client_judge, True),
    }
    gateway.doors = {name: _door(gateway, *each) for name, each in behind.items()}


def _door(gateway: Gateway, behind: Behind, judge: CertificateJudge, direct_tls: bool) -> Door:
    return Door(
        behind,
        gateway.porter,
        direct_tls=direct_tls,
        clock=gateway.reactor,
        judge=judge,
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


def _set_operating(gateway: Gateway) -> None:
    gateway.addService(control_door(gateway))
    gateway.doors["http"] = http_door(gateway)


def _open_doors(gateway: Gateway) -> None:
    for door, endpoint in gateway.settings.listen.opened():
        gateway.addService(gateway.listening(door, endpoint))
    gateway.supervised = Supervised(os.environ, gateway.missing, gateway.reactor)
    gateway.addService(gateway.supervised)


STEPS: Sequence[Callable[[Gateway], None]] = (
    _remember,
    _prepare_state,
    _share_tools,
    _load_certificates,
    _set_policy,
    _set_router,
    _set_local_routes,
    _set_people,
    _set_federation,
    _set_doors,
    _set_operating,
    _open_doors,
)


def build(settings: Settings, reactor: Any) -> Gateway:
    """The service for these settings; starting it opens the doors."""
    return Gateway(settings, reactor)
