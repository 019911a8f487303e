"""Streams to other servers: how their addresses are found, how a stream is opened, and which one serves for what."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import chain
from random import SystemRandom

from gateway.features.bidi import Bidirectional
from gateway.features.dialback import Dialback, DialbackQuestions
from gateway.features.limits import Limits
from gateway.features.sasl_servers import proving_to_servers
from gateway.features.starttls import StartTLS
from gateway.features.stream_management import between_servers
from gateway.federation.admission import Admission
from gateway.federation.backoff import Backoff, Waits
from gateway.federation.outbound import Gone, OutboundSession
from gateway.federation.resumable_streams import BrokenStream
from gateway.federation.session import SessionTools
from gateway.federation.streams import OutboundStreams
from gateway.net.dial.connector import Connector
from gateway.net.dns.destinations import Destinations
from gateway.net.dns.questions import Bounds
from gateway.net.dns.resolver import Resolver
from gateway.notices.attempts.records import Attempt, AttemptLog
from gateway.run.assembly.parts import Parts
from gateway.stream.profiles import Profile, server_profile
from gateway.xmpp.addresses import Domain, DomainPair


def set_federation(parts: Parts) -> None:
    """Make what opens streams to other servers, and what keeps them."""
    settings = parts.settings
    parts.session_tools = SessionTools(
        admission=Admission(parts.rules.domains, parts.router, parts.board.publish),
        clock=parts.reactor,
        patience=settings.limits.stall_seconds,
        verifications=settings.limits.verifications_per_stream,
        unsafe=parts.keeper.unsafe,
    )
    parts.board.subscribe(parts.session_tools.elsewhere.notice, Attempt)
    parts.resolver = _resolver(parts)
    parts.connector = _connector(parts)
    backoff = Backoff(Waits(first=5, longest=300), SystemRandom())
    parts.streams = OutboundStreams(parts.connector, parts.reactor, settings.limits.verifications, backoff)


def _resolver(parts: Parts) -> Resolver:
    settings = parts.settings
    return Resolver(
        parts.reactor,
        settings.dns.nameservers,
        hosts_file=str(settings.dns.hosts_file),
        bounds=Bounds(
            records=settings.limits.dns_records,
            kept=settings.limits.dns_answers,
            under_way=settings.limits.dns_questions,
        ),
        destinations=Destinations(
            map(ip_network, settings.dns.refuse_networks),
            allowed=map(ip_network, settings.dns.allow_networks),
            doors=lambda: chain.from_iterable(door.addresses for door in parts.listening()),
        ),
    )


def _connector(parts: Parts) -> Connector:
    def session(attempt: AttemptLog, pair: DomainPair, gone: Gone, resuming: BrokenStream | None) -> OutboundSession:
        return OutboundSession(
            attempt, _dialback_towards(parts, pair.target), parts.session_tools, pair, gone, resuming
        )

    return Connector(
        parts.reactor,
        resolver=parts.resolver,
        contexts=parts.contexts,
        judge=parts.judge,
        way_to=parts.rules.way_to,
        session=session,
        profiles=_initiating_profiles(parts),
        tools=parts.tools,
        budget=parts.budget,
        timing=parts.timing,
        slumber=parts.slumber,
        publish=parts.board.publish,
        numbers=parts.numbers,
        places=parts.places,
    )


def _dialback_towards(parts: Parts, domain: Domain) -> Dialback:
    is_relayed = parts.rules.domains.relayed_terms(domain) is not None
    return parts.inside_dialback if is_relayed else parts.outside_dialback


def _initiating_profiles(parts: Parts) -> tuple[Profile, Profile]:
    """For stanzas, and for questions about keys. Both sides make keys by one secret, so either's dialback will do."""
    return (
        server_profile(
            StartTLS(),
            Bidirectional(),
            proving_to_servers(parts.tools.new_id),
            parts.outside_dialback,
            Limits(),
            between_servers(),
        ),
        server_profile(StartTLS(), DialbackQuestions(parts.outside_dialback)),
    )
