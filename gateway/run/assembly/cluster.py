"""This gateway as one of several: where each domain is served, what crosses, and what a node tells the others."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from importlib.metadata import version
from itertools import groupby
from secrets import token_hex
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater

from gateway.cluster.askers import AnswersLane, ClusterQuestions
from gateway.cluster.crossing import NotAnswered
from gateway.cluster.interfaces import ICluster
from gateway.cluster.lease import Life
from gateway.cluster.node import ClusterNode
from gateway.cluster.open_lane import Batch
from gateway.cluster.shards import SHARDS, shard_of
from gateway.components.elsewhere import ElsewhereSession
from gateway.components.route import ComponentRoute
from gateway.components.session import ComponentSession
from gateway.components.single import SingleService
from gateway.config.settings import ClusterSettings, ImDomain
from gateway.federation.broken_streams import BrokenStreams
from gateway.federation.moving import QUESTION as RESUME
from gateway.federation.moving import MovingStreams
from gateway.federation.resumable_streams import ResumableStreams
from gateway.im.homes import Homes
from gateway.net.engine.nats_engine import EngineAccess, NatsEngine
from gateway.notices.notices import ClusterChanged, Level, StanzasPassed
from gateway.operations.control.door import CommandRefused
from gateway.outbox.waiting import without_kept
from gateway.routing.requests import RequestKey, request_key
from gateway.routing.router import NOBODY_THERE
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError, StanzaCondition, StanzaError, StreamCondition, StreamError
from gateway.xmpp.stanzas import AddressedStanza

VIA = "node"
DEPART_SECONDS = 1.0
DRAIN_SECONDS = 30.0
LOOK_SECONDS = 0.02
_TOO_LONG = StanzaError(
    StanzaCondition.POLICY_VIOLATION,
    reason="it is too long to cross to the node that serves its domain; raise NATS's max_payload, or lower [limits]",
)
Commands = Mapping[str, Callable[..., Any]]


class Clustered(Service):
    """The node that this gateway is."""

    def __init__(
        self, shared: Shared, routing: Routing, served: Served, engine: ICluster, settings: ClusterSettings
    ) -> None:
        self.name: str = settings.node
        self.node = ClusterNode(
            settings.node,
            token_hex(8),
            engine,
            shared.reactor,
            self,
            version=version("xmpp-gateway"),
            clients=settings.clients or "",
            address=shared.addresses.lookup,
        )
        self.commands: Commands = {}  # that other nodes may have carried out here
        self._shared = shared
        self._routing = routing
        self._served = served
        self._answers: dict[str, AnswersLane] = {}
        self._moving: MovingStreams | None = None
        self.homes: Homes | None = None  # of the accounts, if there are any
        if shared.settings.domains_of(ImDomain):
            router = routing.router
            self.homes = Homes(
                self.node, router, router.pass_on, routing.space, shared.reactor, self._crossed_to_accounts
            )
        routing.router.own_questions = self.questions = ClusterQuestions(
            self, self._is_asked_here, self._deliver_answer
        )
        served.watch(self._component_changed, self._adopt)

    def startService(self) -> None:
        super().startService()
        self._shared.reactor.callLater(0, self.node.start)  # when asyncio's loop runs

    async def depart(self) -> None:
        """Have the others send nothing more here, and let what is under way arrive; a second at most."""
        for domain in self.node.membership.announced:
            self.node.membership.withdraw(domain)
        self.node.membership.drain()
        await self._under_way(DEPART_SECONDS)

    async def leave(self) -> None:
        """Leave the cluster, once the last stanzas have crossed; a second at most."""
        await self._under_way(DEPART_SECONDS)
        await self.node.stop()
        if self.homes is not None:
            self.homes.close()
        self._routing.router.flush()

    async def _under_way(self, seconds: float) -> None:
        """Wait until everything that crosses has been taken over."""
        deadline = self._shared.reactor.seconds() + seconds
        while self.node.crossing.waiting and self._shared.reactor.seconds() < deadline:
            await deferLater(self._shared.reactor, LOOK_SECONDS)

    def _tell(self, text: str, weight: Level = Level.INFO) -> None:
        self._shared.board.publish(ClusterChanged(node=self.name, text=text, weight=weight))

    # -- what the node tells -----------------------------------------------------------------------------------------

    def engine_state_changed(self, reason: str) -> None:
        """As `NodeOwner.engine_state_changed`."""
        if reason != self._last_reason:
            self._last_reason = reason
            if reason:
                text = "NATS cannot be reached, so nothing moves to another node, and stanzas that cross wait"
                self._tell(f"{text}: {reason}", Level.WARN)
            else:
                self._tell("NATS is reached")

    _last_reason: str | None = None

    def life_changed(self, life: Life, why: str) -> None:
        """As `NodeOwner.life_changed`."""
        weight = {Life.MEMBER: Level.INFO, Life.REPLACED: Level.ERROR}.get(life, Level.WARN)
        remedy = ": give each node its own name ([cluster] node), and restart this one" if life is Life.REPLACED else ""
        self._tell(f"this node is {life}{f': {why}' if why else ''}{remedy}", weight)
        if life is Life.REPLACED and self.homes is not None:
            self.homes.replaced()

    def nodes_changed(self) -> None:
        """As `NodeOwner.nodes_changed`."""
        names = ", ".join(node.name for node in self.node.directory.live())
        if names != self._last_names:
            self._last_names = names
            self._tell(f"nodes: {names or 'none'}")

    _last_names = ""

    def places_changed(self, domains: set[str]) -> None:
        """As `NodeOwner.places_changed`."""
        for domain in sorted(domains):
            route = self._served.placed_route(Domain(domain))
            if route is not None:
                self._place(route)

    def shards_gained(self, shards: set[int]) -> None:
        """As `NodeOwner.shards_gained`: accounts of these shards live here, and their services are started."""
        if self.homes is not None:
            self.homes.gained(shards)
        for single in self._singles_of(shards):
            single.own(True)

    def shards_lost(self, shards: set[int]) -> Deferred[None] | None:
        """As `NodeOwner.shards_lost`: everything of these shards has ended before anybody else has them."""
        found = [self.homes.lost(shards) if self.homes is not None else None]
        found += [single.own(False) for single in self._singles_of(shards)]
        waits = [wait for wait in found if wait is not None]
        return DeferredList(waits).addCallback(lambda _: None) if waits else None

    def _singles_of(self, shards: set[int]) -> list[SingleService]:
        return [single for name, single in self._served.singles.items() if shard_of(name) in shards]

    def _adopt(self, single: SingleService) -> None:
        """Have a service that runs at one node follow the lease of its shard."""
        membership = self.node.membership
        single.let_send(lambda: membership.lease.holds(self._shared.reactor.seconds()))
        single.own(shard_of(single.domain) in membership.shards)

    # -- components --------------------------------------------------------------------------------------------------

    def _component_changed(self, route: ComponentRoute) -> None:
        """Announce a domain whose component has attached here, or see where else it is; a reload replaces routes."""
        membership, current = self.node.membership, self._served.placed_route(route.domain)
        if current is not None and current.is_attached_here:
            if route.domain not in membership.announced:
                membership.announce(route.domain)
            return
        if route.domain in membership.announced:
            membership.withdraw(route.domain)
        if current is not None:
            self._place(current)

    def _place(self, route: ComponentRoute) -> None:
        """Attach the component where it is, unless it is attached here."""
        if route.is_attached_here:
            return
        places = [node for node in self.node.directory.places(route.domain) if node != self.name]
        wanted = sorted(places, key=self._rank)[: route.connections]
        present = {each.node: each for each in route.sessions if isinstance(each, ElsewhereSession)}
        leaving = [session for node, session in present.items() if node not in wanted]
        for session in leaving:
            session.leave(partial(self._has_left, route, session))
        for node in wanted:
            if node not in present and not leaving and (new := self._session(route, node)) is not None:
                route.attach_elsewhere(new)

    def _has_left(self, route: ComponentRoute, session: ElsewhereSession) -> None:
        """Put another node in the place of one that is without the component, and has taken over what it was sent."""
        if session in route.sessions:
            self._replace(route, session, [])
            self._place(route)

    def _rank(self, node: str) -> bytes:
        """Return in which order this node prefers others, so that different nodes prefer different ones."""
        return blake2b(f"{self.name} {node}".encode(), digest_size=8).digest()

    def _session(self, route: ComponentRoute, node: str) -> ElsewhereSession | None:
        session: ElsewhereSession | None = None

        def ended(left: list[AddressedStanza]) -> None:
            if session is not None:
                self._lane_ended(route, session, left)

        lane = self.node.crossing.open(node, ended)
        if lane is not None:
            session = ElsewhereSession(lane, lambda batch: self._crossed(route, batch))
        return session

    def _lane_ended(self, route: ComponentRoute, session: ElsewhereSession, left: list[AddressedStanza]) -> None:
        """Have another node, or the outbox, take over what a node has not acknowledged that is gone."""
        router, current = self._routing.router, self._served.placed_route(route.domain)
        if current is not route:  # since a reload
            for stanza in without_kept(left):
                if current is None:
                    router.bounce(stanza, NOBODY_THERE)
                else:
                    router.pass_on(stanza)
            router.flush()
            return
        if session in route.sessions:
            self._replace(route, session, left)
        else:
            route.move(session, None, left)

    def _replace(self, route: ComponentRoute, session: ElsewhereSession, left: Sequence[AddressedStanza]) -> None:
        others = {each.node for each in route.sessions if isinstance(each, ElsewhereSession) and each is not session}
        places = [node for node in self.node.directory.places(route.domain) if node not in (self.name, *others)]
        other = min(places, key=self._rank, default=None)
        route.move(session, self._session(route, other) if other is not None else None, left)
        session.finish()

    def _crossed(self, route: ComponentRoute, batch: Sequence[AddressedStanza]) -> None:
        route.sent += len(batch)
        self._tell_crossed(route.domain, batch)

    def _crossed_to_accounts(self, batch: Sequence[AddressedStanza]) -> None:
        self._tell_crossed(batch[0].to.domain, batch)

    def _tell_crossed(self, target: Domain, batch: Sequence[AddressedStanza]) -> None:
        size = sum([len(stanza.raw) for stanza in batch])
        self._shared.board.publish(
            StanzasPassed(came_in=False, via=VIA, source="others", target=target, stanzas=batch, size=size)
        )

    # -- what arrives ------------------------------------------------------------------------------------------------

    def stanzas_arrived(self, node: str, stanzas: Batch) -> Deferred[None] | None:
        """As `NodeOwner.stanzas_arrived`."""
        router = self._routing.router
        for target, run in groupby(stanzas, key=_target):
            arrived = [*run]
            if not router.is_own(target):
                for stanza in arrived:
                    router.bounce(stanza, NOBODY_THERE)  # the configurations of the two nodes differ
                continue
            for stanza in arrived:
                if stanza.name == "iq" and stanza.is_request and router.is_own(stanza.from_.domain):
                    self.questions.crossed(node, stanza)
            router.arrived(arrived)
        size = sum([len(stanza.raw) for stanza in stanzas])
        self._shared.board.publish(
            StanzasPassed(came_in=True, via=VIA, source=node, target="others", stanzas=stanzas, size=size)
        )
        stored = self.homes.cleared() if self.homes is not None else None
        waits = [wait for wait in (router.flush(), self._routing.keeper.unsafe(), stored) if wait is not None]
        if len(waits) <= 1:
            return waits[0] if waits else None
        return DeferredList(waits).addCallback(lambda _: None)

    def cannot_cross(self, stanza: AddressedStanza) -> None:
        """As `NodeOwner.cannot_cross`."""
        self._routing.router.bounce(stanza, _TOO_LONG)
        self._routing.router.flush()

    # -- answers -----------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """As `Nodes.names`."""
        return [node.name for node in self.node.membership.others()]

    def may_have_asked(self, domain: Domain) -> bool:
        """As `Nodes.may_have_asked`."""
        owner = self._routing.router.domains.owner(domain)
        if owner is None or not self.names():
            return False
        route = self._served.placed_route(owner)
        if route is None:
            return owner in self._served.handlers
        return route.is_attached_here and len(self.node.directory.places(owner)) > 1

    def hand_over(self, node: str, answer: AddressedStanza) -> None:
        """As `Nodes.hand_over`."""
        answers = self._answers.get(node)
        if answers is None:
            lane = self.node.crossing.open(node, lambda left: self._answers_ended(node))
            if lane is None:
                return
            answers = self._answers[node] = AnswersLane(lane)
        answers.send(answer)

    def _answers_ended(self, node: str) -> None:
        answers = self._answers.pop(node, None)
        if answers is not None:
            answers.end()  # the asker there is gone as well

    def seek(self, key: RequestKey) -> Deferred[str]:
        """As `Nodes.seek`."""
        asked = [self.node.crossing.ask(name, {"what": "asked", "key": list(key)}) for name in self.names()]

        def found(answers: list[tuple[bool, Any]]) -> str:
            return next((answer["node"] for done, answer in answers if done and answer.get("asked")), "")

        return DeferredList(asked, consumeErrors=True).addCallback(found)

    def _is_asked_here(self, response: AddressedStanza) -> bool:
        return self._routing.router.is_open(request_key(response.to, response.from_, response.id))

    def _deliver_answer(self, response: AddressedStanza) -> None:
        self._routing.router.pass_on(response)
        self._routing.router.flush()

    # -- streams -----------------------------------------------------------------------------------------------------

    def move_streams(self, resumable_streams: ResumableStreams, broken: BrokenStreams) -> None:
        """Let streams from other servers be resumed at any node."""
        moving = self._moving = MovingStreams(
            self.name,
            resumable_streams,
            broken,
            self._routing.keeper.unsafe,
            self.node.crossing.ask,
            self._shared.tools.new_id,
        )
        resumable_streams.new_id, resumable_streams.seek = moving.new_id, moving.seek

    # -- for operators -----------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        """As `Member.figures`."""
        directory = self.node.directory
        return {
            "node": self.name,
            "life": str(self.node.membership.life),
            "nats": self.node.away,
            "nodes": self.nodes(),
            "places": {domain: directory.places(domain) for domain in self._served.placed},
            "counts": dict(self.node.crossing.counts),
        }

    def nodes(self) -> list[dict[str, Any]]:
        """As `AskedNodes.nodes`; `unseen` is how many seconds ago the last sign of life was seen."""
        directory, waiting, now = self.node.directory, self.node.crossing.waiting, self._shared.reactor.seconds()
        shards = Counter(owned.node for shard in range(SHARDS) if (owned := directory.owner(shard)) is not None)
        return [
            {
                "node": node.name,
                "live": node.is_live,
                "standing": str(node.record.standing),
                "version": node.record.version,
                "shards": shards[node.name],
                "crossing": waiting.get(node.name, 0),
                "unseen": round(now - node.seen_at, 1),
            }
            for node in sorted(directory.nodes.values(), key=lambda node: node.name)
        ]

    def ask_for(self, node: str, command: str, arguments: Mapping[str, str], seconds: float) -> Deferred[Any]:
        """As `Member.ask_for`."""
        question = {"what": command, "arguments": dict(arguments)}
        return self.node.crossing.ask(node, question, seconds).addCallback(lambda answer: answer["result"])

    def drain(self) -> Deferred[dict[str, Any]]:
        """As `Member.drain`: components go to another node, shards are handed over, and this node stops."""
        return Deferred.fromCoroutine(self._drain())

    async def _drain(self) -> dict[str, Any]:
        if not self.names():
            raise CommandRefused("there is no other node that could take over; to stop this one, stop the service")
        self._tell("draining: components are asked to connect elsewhere, then this node stops")
        self.node.membership.drain()
        sessions = [
            session
            for route in self._served.components.values()
            for session in route.sessions
            if isinstance(session, ComponentSession)
        ]
        for domain in [*self.node.membership.announced]:
            self.node.membership.withdraw(domain)
        for session in sessions:
            session.connection.close(StreamError(StreamCondition.SYSTEM_SHUTDOWN, "this node is being drained"))
        deadline = self._shared.reactor.seconds() + DRAIN_SECONDS
        while self._is_busy() and self._shared.reactor.seconds() < deadline:
            await deferLater(self._shared.reactor, LOOK_SECONDS)
        left = self.node.crossing.waiting
        self._shared.reactor.callLater(0, self._shared.reactor.stop)
        return {"node": self.name, "components": len(sessions), "left": sum(left.values())}

    def _is_busy(self) -> bool:
        attached = any(route.is_attached_here for route in self._served.placed.values())
        moving = self.homes is not None and self.homes.suspended
        return attached or bool(self.node.membership.shards or self.node.crossing.waiting or moving)

    # -- questions of other nodes ------------------------------------------------------------------------------------

    def question_arrived(self, node: str, content: Mapping[str, Any]) -> Any:
        """As `NodeOwner.question_arrived`."""
        what = content.get("what")
        if what == RESUME and self._moving is not None:
            return self._moving.asked(node, content)
        if what == "asked":
            asker, asked, id_ = content["key"]
            return {"asked": self._routing.router.is_open((asker, asked, id_)), "node": self.name}
        command = self.commands.get(str(what))
        if command is None:
            raise NotAnswered("it does not know that question: it may run an older version")
        arguments = {str(name): str(value) for name, value in content.get("arguments", {}).items()}
        result = command(**arguments)
        if isinstance(result, Deferred):
            return result.addCallback(lambda found: {"result": found})
        return {"result": result}


def _target(stanza: AddressedStanza) -> Domain:
    return stanza.to.domain


def node_of(shared: Shared, routing: Routing, served: Served, settings: ClusterSettings) -> Clustered:
    """Return the node that this gateway is, reached by NATS."""
    access = EngineAccess(
        urls=settings.url,
        cluster=settings.name,
        node=settings.node,
        user=settings.user,
        password=settings.password.text if settings.password is not None else None,
        token=settings.token.text if settings.token is not None else None,
        tls=tls_with_nats(settings),
    )
    return Clustered(shared, routing, served, NatsEngine(access), settings)


def tls_with_nats(settings: ClusterSettings) -> ssl.SSLContext | None:
    """Return the terms of TLS with NATS, where the configuration asks for it."""
    wants_tls = settings.authorities or settings.certificate or any(url.startswith("tls:") for url in settings.url)
    if not wants_tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.authorities)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("cluster.authorities", f"cannot be used: {error}") from error
    if settings.certificate is not None:
        try:
            context.load_cert_chain(settings.certificate)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("cluster.certificate", f"cannot be used: {error}") from error
    return context
