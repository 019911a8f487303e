"""Streams to other servers: finding their addresses, opening streams, and choosing the stream for a domain pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import chain
from random import SystemRandom

from gateway.features.bidi import Bidirectional
from gateway.features.dialback import Dialback, DialbackQuestions
from gateway.features.evidence import Evidence
from gateway.features.limits import StreamLimits
from gateway.features.sasl_servers import proving_to_servers
from gateway.features.starttls import StartTLS
from gateway.features.stream_management import between_servers
from gateway.federation.admission import Admission
from gateway.federation.backoff import Backoff, Waits
from gateway.federation.broken_streams import BrokenStream
from gateway.federation.outbound import OutboundSession, WhenGone
from gateway.federation.session import SessionTools
from gateway.federation.streams import OutboundStreams
from gateway.federation.verification import KeyVerifier
from gateway.federation.verification_places import VerificationPlaces
from gateway.net.dial.connector import Connector
from gateway.net.dns.destinations import Destinations
from gateway.net.dns.questions import ResolverBounds
from gateway.net.dns.resolver import Resolver
from gateway.net.trust.fetching import Fetcher
from gateway.net.trust.posh import PoshDocuments
from gateway.net.trust.revocations import Revocations
from gateway.net.trust.witness import Witnesses
from gateway.notices.attempts.known_keys import KnownKeys
from gateway.notices.attempts.records import Attempt
from gateway.notices.attempts.stream_log import StreamLog
from gateway.run.assembly.certificates import Trust
from gateway.run.assembly.policies import Policies
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.shared import Shared
from gateway.stream.profiles import Profile, server_profile
from gateway.stream.sessions import Connection
from gateway.xmpp.addresses import DomainPair


@dataclass(frozen=True, kw_only=True)
class Federation:
    """The means to reach other servers, and the streams with them."""

    session_tools: SessionTools
    known_keys: KnownKeys
    resolver: Resolver
    revocations: Revocations
    witnesses: Witnesses
    connector: Connector
    streams: OutboundStreams
    verifier: KeyVerifier


def federate(
    shared: Shared, trust: Trust, policies: Policies, routing: Routing, revoked: Callable[[], object]
) -> Federation:
    """Make the parts that open streams to other servers and keep them; a new revocation list leads to `revoked`."""
    limits = shared.settings.limits
    known_keys = KnownKeys(shared.time_of_day)
    session_tools = SessionTools(
        admission=Admission(shared.in_force.domains, routing.router, shared.board.publish),
        clock=shared.reactor,
        patience=limits.stall_seconds,
        verifications=limits.verifications_per_stream,
        unsafe=routing.keeper.unsafe,
        keys=known_keys,
    )
    shared.board.subscribe(session_tools.elsewhere.notice, Attempt)
    resolver = _resolver(shared)
    fetcher = Fetcher(shared.reactor, resolver, lambda: trust.judge.trust.authorities)
    revocations = Revocations(
        shared.reactor,
        trust.judge.lists,
        fetcher.fetch,
        shared.board.publish,
        changed=revoked,
        is_wanted=lambda: shared.settings.tls.fetch_crls,
    )
    documents = PoshDocuments(shared.reactor, fetcher.fetch)
    witnesses = Witnesses(shared.reactor, resolver, trust.judge, documents, revocations.settled)
    connector = _connector(shared, trust, policies, session_tools, resolver, witnesses)
    streams = OutboundStreams(connector, shared.reactor, routing.keeper.unsafe)
    verifier = KeyVerifier(
        connector,
        streams.opened_for,
        VerificationPlaces(limits.verifications, limits.connections_per_minute),
        shared.reactor,
        Backoff(Waits(first=5, longest=300), SystemRandom()),
    )
    return Federation(
        session_tools=session_tools,
        known_keys=known_keys,
        resolver=resolver,
        revocations=revocations,
        witnesses=witnesses,
        connector=connector,
        streams=streams,
        verifier=verifier,
    )


def _resolver(shared: Shared) -> Resolver:
    settings = shared.settings
    return Resolver(
        shared.reactor,
        settings.dns.nameservers,
        hosts_file=str(settings.dns.hosts_file),
        validating=settings.dns.validating,
        bounds=ResolverBounds(
            records=settings.limits.dns_records,
            kept=settings.limits.dns_answers,
            under_way=settings.limits.dns_questions,
        ),
        destinations=Destinations(
            map(ip_network, settings.dns.refuse_networks),
            allowed=map(ip_network, settings.dns.allow_networks),
            doors=lambda: chain.from_iterable(door.addresses for door in shared.endpoints.doors()),
        ),
    )


def _connector(
    shared: Shared,
    trust: Trust,
    policies: Policies,
    session_tools: SessionTools,
    resolver: Resolver,
    witnesses: Witnesses,
) -> Connector:
    def session(
        log: StreamLog, pair: DomainPair, gone: WhenGone, resuming: BrokenStream | None, connection: Connection
    ) -> OutboundSession:
        is_relayed = shared.in_force.domains.relayed_terms(pair.target) is not None
        dialback = policies.inside_dialback if is_relayed else policies.outside_dialback
        return OutboundSession(connection, log, dialback, session_tools, pair, gone, resuming)

    return Connector(
        shared.reactor,
        resolver=resolver,
        contexts=trust.contexts,
        judge=trust.judge,
        dial_terms=shared.in_force.dial_terms,
        session=session,
        profiles=_initiating_profiles(shared, policies.outside_dialback),
        tools=shared.tools,
        budget=shared.budget,
        timing=shared.timing,
        idle_parsers=shared.idle_parsers,
        reading_shares=shared.reading_shares,
        publish=shared.board.publish,
        numbers=shared.numbers,
        places=shared.places,
        witnesses=witnesses,
    )


def _initiating_profiles(shared: Shared, dialback: Dialback) -> tuple[Profile, Profile]:
    """Return the profile for stanzas and the one for verifying keys.

    Both sides make keys with the same secret, so either's dialback will do.
    """
    return (
        server_profile(
            StartTLS(),
            Evidence(),
            Bidirectional(),
            proving_to_servers(shared.tools.new_id),
            dialback,
            StreamLimits(),
            between_servers(),
        ),
        server_profile(StartTLS(), Evidence(), DialbackQuestions(dialback)),
    )
