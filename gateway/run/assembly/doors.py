"""The doors at which others arrive: what is behind each key of `[listen]`, and the endpoints that are opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from gateway.components.components import ComponentSession
from gateway.features.bidi import Bidirectional
from gateway.features.dialback import Dialback
from gateway.features.handshake import Handshake
from gateway.features.limits import Limits
from gateway.features.sasl_servers import accepting_servers
from gateway.features.starttls import StartTLS
from gateway.features.stream_management import between_servers
from gateway.federation.inbound import InboundSession
from gateway.federation.resumption import Resumables
from gateway.net.certificates.certificate_names import CLIENT
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.listen.connection_limits import Crowd, Porter
from gateway.net.listen.doors import Behind, Door
from gateway.net.listen.listening import Listening
from gateway.notices.attempts.records import Kind
from gateway.operations.supervision import Supervised
from gateway.run.assembly.parts import Parts
from gateway.run.assembly.routing import reached
from gateway.run.assembly.rules import terms_of
from gateway.run.assembly.tools import attempt
from gateway.stream.facts import Facts, Terms
from gateway.stream.header import StreamHeader
from gateway.stream.profiles import Profile, component_profile, server_profile
from gateway.stream.sessions import Connection
from gateway.xmpp.errors import StreamCondition, StreamError


def set_doors(parts: Parts) -> None:
    """Make the porter, and one door for each key of `[listen]` where streams come in."""
    limits = parts.settings.limits
    crowd = Crowd(
        per_address=limits.streams_per_address,
        unauthenticated=limits.unauthenticated_streams,
        per_minute=limits.connections_per_minute,
    )
    parts.porter = Porter(crowd, parts.places, parts.board.publish, parts.reactor.seconds)
    servers, relayed = _for_servers(parts)
    components, people = _for_components(parts), _for_people(parts)
    behind = {
        "server": (servers, parts.judge, False),
        "server_tls": (servers, parts.judge, True),
        "inside": (relayed, parts.judge, False),
        "component": (components, parts.judge, False),
        "client": (people, parts.client_judge, False),
        "client_tls": (people, parts.client_judge, True),
    }
    parts.doors = {name: _door(parts, *each) for name, each in behind.items()}


def open_doors(parts: Parts) -> None:
    """Have the doors opened when the service starts, and the supervisor told when they are."""
    for door, endpoint in parts.settings.listen.opened():
        parts.addService(listening(parts, door, endpoint))
    parts.supervised = Supervised(os.environ, parts.missing, parts.reactor)
    parts.addService(parts.supervised)


def listening(parts: Parts, door: str, endpoint: str) -> Listening:
    """A door at an endpoint, not open yet."""
    return Listening(door, endpoint, parts.doors[door], parts.reactor)


def _door(parts: Parts, behind: Behind, judge: CertificateJudge, direct_tls: bool) -> Door:
    return Door(
        behind,
        parts.porter,
        direct_tls=direct_tls,
        clock=parts.reactor,
        judge=judge,
        tools=parts.tools,
        budget=parts.budget,
        timing=parts.timing,
        slumber=parts.slumber,
    )


# -- what is behind a door ---------------------------------------------------------------------------------------------


def _for_servers(parts: Parts) -> tuple[Behind, Behind]:
    """The servers of other domains, and those behind us."""
    resumables = Resumables(parts.tools.new_id, parts.reactor.seconds)
    tls = _accepting(parts)
    outside = Behind(
        profile=_accepting_profile(parts, parts.outside_dialback),
        accept=parts.outside.accept,
        session=partial(_inbound, parts, parts.outside_dialback, resumables),
        terms=lambda: terms_of(parts.settings.peers.any),
        tls=tls,
    )
    inside = Behind(
        profile=_accepting_profile(parts, parts.inside_dialback),
        accept=parts.inside.accept,
        session=partial(_inbound, parts, parts.inside_dialback, resumables),
        terms=lambda: Terms(require_tls=False),
        tls=tls,
    )
    return outside, inside


def _accepting_profile(parts: Parts, dialback: Dialback) -> Profile:
    return server_profile(
        StartTLS(),
        accepting_servers(parts.tools.new_id),
        dialback,
        Bidirectional(),
        Limits(),
        between_servers(),
    )


def _inbound(parts: Parts, dialback: Dialback, resumables: Resumables, connection: Connection) -> InboundSession:
    return InboundSession(
        connection,
        attempt(parts, Kind.SERVER),
        dialback,
        parts.session_tools,
        verify=parts.streams.verify,
        reached=partial(reached, parts),
        lenders=parts.streams,
        resumables=resumables,
    )


def _for_components(parts: Parts) -> Behind:
    def accept(header: StreamHeader, facts: Facts) -> Facts:
        if header.to_domain is None or header.to_domain not in parts.components:
            raise StreamError(
                StreamCondition.HOST_UNKNOWN,
                "no component is configured for that domain",
                reason=f"no [domains] table has a component serve {header.to_domain or 'a domain without a name'}",
            )
        return replace(facts, local=header.to_domain)

    def session(connection: Connection) -> ComponentSession:
        return ComponentSession(
            connection, attempt(parts, Kind.COMPONENT), parts.components.get, parts.router, parts.board.publish
        )

    return Behind(
        profile=component_profile(Handshake(parts.rules.secret_of)),
        accept=accept,
        session=session,
        terms=lambda: Terms(require_tls=False, stanza_bytes=parts.settings.limits.component_stanza_bytes),
        tls=_accepting(parts),
    )


def _for_people(parts: Parts) -> Behind:
    return Behind(
        profile=parts.people.profile,
        accept=parts.people.door.accept,
        session=parts.people.session,
        terms=lambda: Terms(stanza_bytes=parts.settings.limits.client_stanza_bytes),
        tls=lambda facts: parts.contexts.accepting(facts.local, service=CLIENT),
    )


def _accepting(parts: Parts) -> Callable[[Facts], Any]:
    return lambda facts: parts.contexts.accepting(facts.local)
