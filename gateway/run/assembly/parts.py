"""Parts: what a gateway is made of, by name. The steps of the assembly fill it in, each from what is there before it.

No part is handed this object: a step gives each just what it needs. The whole is for the steps, and for those who look
at the running gateway or steer it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.interfaces import IProtocolFactory

from gateway.clients.people import People
from gateway.components.components import ComponentRoute
from gateway.config.settings import Settings
from gateway.dialback.keys import KeyMaker
from gateway.features.dialback import Dialback
from gateway.federation.backoff import Backoff
from gateway.federation.route import RemoteRoute
from gateway.federation.session import SessionTools
from gateway.federation.streams import OutboundStreams
from gateway.handlers.route import HandlerRoute
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.own_certificates import Identity
from gateway.net.certificates.trust import TrustStore
from gateway.net.connection.idle_parsers import Slumber
from gateway.net.connection.protocol import Timing
from gateway.net.dial.connector import Connector
from gateway.net.dns.resolver import Resolver
from gateway.net.listen.connection_limits import Places, Porter
from gateway.net.listen.listening import Listening
from gateway.net.tls.contexts import TLSContexts
from gateway.notices.notices import Board
from gateway.operations.history import History
from gateway.operations.status import StatusReader, outbound_connections
from gateway.operations.supervision import Supervised
from gateway.outbox.keeper import Keeper
from gateway.routing.outflow import QueueSpace
from gateway.routing.policy import InsideDoor, OutsideDoor
from gateway.routing.router import Router
from gateway.run.assembly.rules import Rules
from gateway.stream.codec import Budget
from gateway.stream.stream import StreamTools
from gateway.timing.steady_time import time_of_day
from gateway.xmpp.addresses import AddressCache, Domain, DomainPair


class Parts(MultiService):
    """The parts, and as child services those of them that are started and stopped."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        super().__init__()
        self.rules = Rules(settings)
        self.reactor = reactor
        self.board = Board()
        self.time_of_day = time_of_day(reactor)
        self.started_at = self.time_of_day()
        self.is_leaving = False
        self.numbers = count(1)  # of attempts, in the order in which they begin

    # what is known of the gateway
    history: History
    status: StatusReader
    # what every stream needs
    places: Places
    addresses: AddressCache
    tools: StreamTools
    budget: Budget
    timing: Timing
    slumber: Slumber
    # what is shown to others, and whom we believe
    identities: dict[Domain, Identity]
    contexts: TLSContexts
    trust: TrustStore
    judge: CertificateJudge
    client_judge: CertificateJudge  # of the certificates of people
    # who may say what
    keys: KeyMaker
    outside: OutsideDoor
    inside: InsideDoor
    outside_dialback: Dialback
    inside_dialback: Dialback
    # where stanzas go
    router: Router
    keeper: Keeper
    kept: Any  # the service that opens the outbox
    space: QueueSpace
    backoff: Backoff
    remote_routes: dict[DomainPair, RemoteRoute]
    components: dict[Domain, ComponentRoute]
    handlers: dict[Domain, HandlerRoute]
    people: People
    # how others are reached, and how they reach us
    session_tools: SessionTools
    resolver: Resolver
    connector: Connector
    streams: OutboundStreams
    porter: Porter
    doors: dict[str, IProtocolFactory]  # what is behind each key of [listen]
    supervised: Supervised

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.rules.settings

    def missing(self) -> list[str]:
        """What is missing for this gateway to do its work, in words; nothing when all is well."""
        if not self.running:
            return ["the service is not started, or is being stopped"]
        return [f"the door {door.name} is not open" for door in self.listening() if not door.is_open]

    def listening(self) -> Iterator[Listening]:
        """The doors at their endpoints."""
        return (service for service in self if isinstance(service, Listening))

    def connections(self) -> list[Any]:
        """All connections, those that others made to us first."""
        return [*self.porter.connections, *outbound_connections(self.streams)]
