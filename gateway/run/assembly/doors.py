"""The ports: the factory behind each key of `[listen]`, and the endpoints that are opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from OpenSSL import SSL
from twisted.internet.interfaces import IProtocolFactory

from gateway.clients.people import People
from gateway.components.headers import ComponentPolicy
from gateway.components.session import ComponentSession
from gateway.features.bidi import Bidirectional
from gateway.features.dialback import Dialback
from gateway.features.evidence import Evidence
from gateway.features.handshake import Handshake
from gateway.features.limits import StreamLimits
from gateway.features.sasl_servers import accepting_servers
from gateway.features.starttls import StartTLS
from gateway.features.stream_management import between_servers
from gateway.federation.inbound import InboundSession
from gateway.federation.resumable_streams import ResumableStreams
from gateway.net.certificates.certificate_names import CLIENT
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.listen.connection_limits import ConnectionLimits, Crowd
from gateway.net.listen.doors import Behind, Door
from gateway.net.listen.listening import Endpoints, Listening
from gateway.notices.attempts.records import Kind
from gateway.run.assembly.certificates import Trust
from gateway.run.assembly.federation import Federation
from gateway.run.assembly.in_force import terms_of
from gateway.run.assembly.policies import Policies
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.stream.facts import Facts, Terms
from gateway.stream.profiles import Profile, component_profile, server_profile
from gateway.stream.sessions import Connection

FactoryOf = Callable[[str], IProtocolFactory]  # the factory behind a key of `[listen]`
Accepting = Callable[[Facts], SSL.Connection]  # the TLS context for accepting a stream


@dataclass(frozen=True, kw_only=True)
class Reception:
    """The limits on connections, the door behind each key of `[listen]` where streams come in, and those from other
    servers that can be resumed.
    """

    connection_limits: ConnectionLimits
    doors: dict[str, Door]
    resumable_streams: ResumableStreams


def make_doors(
    shared: Shared,
    trust: Trust,
    policies: Policies,
    routing: Routing,
    served: Served,
    people: People,
    federation: Federation,
) -> Reception:
    """Make the limits, and one door for each key of `[listen]` where streams come in."""
    limits = shared.settings.limits
    crowd = Crowd(
        per_address=limits.streams_per_address,
        unauthenticated=limits.unauthenticated_streams,
        per_minute=limits.connections_per_minute,
    )
    connection_limits = ConnectionLimits(crowd, shared.places, shared.board.publish, shared.reactor.seconds)
    tls = _accepting(trust)
    resumable_streams = ResumableStreams(shared.tools.new_id, shared.reactor.seconds)
    servers, relayed = _for_servers(shared, policies, routing, federation, tls, resumable_streams)
    components, clients = _for_components(shared, routing, served, tls), _for_people(shared, trust, people)
    behind = {
        "server": (servers, trust.judge, False),
        "server_tls": (servers, trust.judge, True),
        "inside": (relayed, trust.judge, False),
        "component": (components, trust.judge, False),
        "component_tls": (components, trust.judge, True),
        "client": (clients, trust.client_judge, False),
        "client_tls": (clients, trust.client_judge, True),
    }
    return Reception(
        connection_limits=connection_limits,
        doors={name: _door(shared, connection_limits, *each) for name, each in behind.items()},
        resumable_streams=resumable_streams,
    )


def open_doors(shared: Shared, factory_of: FactoryOf) -> Endpoints:
    """Have the ports opened when the service starts."""
    for door, endpoint in shared.settings.listen.opened():
        shared.endpoints.addService(Listening(door, endpoint, factory_of(door), shared.reactor))
    return shared.endpoints


def _door(
    shared: Shared, connection_limits: ConnectionLimits, behind: Behind, judge: CertificateJudge, direct_tls: bool
) -> Door:
    return Door(
        behind,
        connection_limits,
        direct_tls=direct_tls,
        clock=shared.reactor,
        judge=judge,
        tools=shared.tools,
        budget=shared.budget,
        timing=shared.timing,
        idle_parsers=shared.idle_parsers,
        reading_shares=shared.reading_shares,
    )


# -- what is behind a port ---------------------------------------------------------------------------------------------


def _for_servers(
    shared: Shared,
    policies: Policies,
    routing: Routing,
    federation: Federation,
    tls: Accepting,
    resumable_streams: ResumableStreams,
) -> tuple[Behind, Behind]:
    """Return what is behind the ports for servers of other domains, and for those behind us."""

    def session(dialback: Dialback, connection: Connection) -> InboundSession:
        return InboundSession(
            connection,
            shared.new_log(Kind.SERVER),
            dialback,
            federation.session_tools,
            verify=federation.verifier.verify,
            reached=routing.routes.reached,
            lenders=federation.streams,
            resumable_streams=resumable_streams,
        )

    outside = Behind(
        profile=_accepting_profile(shared, policies.outside_dialback),
        accept=policies.outside.accept,
        session=partial(session, policies.outside_dialback),
        terms=lambda: terms_of(shared.settings.peers.any),
        tls=tls,
        witness=federation.witnesses.of_caller,
    )
    inside = Behind(
        profile=_accepting_profile(shared, policies.inside_dialback),
        accept=policies.inside.accept,
        session=partial(session, policies.inside_dialback),
        terms=lambda: Terms(require_tls=False),
        tls=tls,
    )
    return outside, inside


def _accepting_profile(shared: Shared, dialback: Dialback) -> Profile:
    return server_profile(
        StartTLS(),
        Evidence(),
        accepting_servers(shared.tools.new_id),
        dialback,
        Bidirectional(),
        StreamLimits(),
        between_servers(),
    )


def _for_components(shared: Shared, routing: Routing, served: Served, tls: Accepting) -> Behind:
    def session(connection: Connection) -> ComponentSession:
        return ComponentSession(
            connection,
            shared.new_log(Kind.COMPONENT),
            served.components.get,
            routing.router,
            shared.board.publish,
        )

    return Behind(
        profile=component_profile(Handshake(shared.in_force.secret_of)),
        accept=ComponentPolicy(served.components).accept,
        session=session,
        terms=lambda: Terms(require_tls=False, stanza_bytes=shared.settings.limits.component_stanza_bytes),
        tls=tls,
    )


def _for_people(shared: Shared, trust: Trust, people: People) -> Behind:
    return Behind(
        profile=people.profile,
        accept=people.policy.accept,
        session=people.session,
        terms=lambda: Terms(stanza_bytes=shared.settings.limits.client_stanza_bytes),
        tls=lambda facts: trust.contexts.accepting(facts.local, service=CLIENT),
    )


def _accepting(trust: Trust) -> Accepting:
    return lambda facts: trust.contexts.accepting(facts.local)
