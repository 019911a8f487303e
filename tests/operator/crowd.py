"""A crowd: hundreds of other domains of sixteen kinds, behind the real page.

`python -m tests.operator.crowd PORT PEERS [NODES]` serves it, as the page of one of NODES nodes.
Connections are stand-ins; the reader of the status, the memory of attempts, the door and the page are the real ones.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from types import MappingProxyType, SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import LoopingCall

from gateway.cluster.crossing import NotAnswered
from gateway.config.settings import ComponentDomain, HandlerDomain, ListenSettings, PeerEntries, PeerSettings, Secret
from gateway.federation.backoff import Backoff, Waits
from gateway.filters.lists import ListState
from gateway.net.certificates.certificate_names import CertificateNames
from gateway.net.certificates.judge import CertificateVerdict, Reason
from gateway.notices.attempts.known_keys import KnownKeys
from gateway.notices.attempts.proofs import proofs_on
from gateway.notices.attempts.records import AttemptStep, Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice, StanzaBounced
from gateway.operations import findings
from gateway.operations.ages import Ages
from gateway.operations.control.operator import Operator
from gateway.operations.fates import Fates
from gateway.operations.history import History
from gateway.operations.http.door import HTTPDoor
from gateway.operations.http.events import EventStream
from gateway.operations.http.files import page_files
from gateway.operations.http.nodes import OtherNodes
from gateway.operations.http.views import ViewQuery, Views
from gateway.operations.minutes import Minutes, Series
from gateway.operations.outbox_events import OutboxEvents
from gateway.operations.peers import PeerSources
from gateway.operations.status import Observed, StatusReader
from gateway.operations.status_records import DiskFigures
from gateway.operations.troubles import Troubles
from gateway.outbox.keeper import Keeper
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.stream.facts import Means, Role, ServerFacts, TLSFacts
from gateway.stream.states import State
from gateway.timing.turns import Turns
from gateway.xmpp.addresses import Domain, DomainPair

CHATS, ROOMS = Domain("chat.example.org"), Domain("rooms.example.org")
GONE = Domain("bridge.example.org")
ADJECTIVES = ("blue", "quiet", "north", "old", "little", "green", "open", "free", "river", "stone", "silver", "wild")
NOUNS = ("heron", "harbour", "meadow", "library", "garage", "workshop", "orchard", "lighthouse", "cinema", "campus")
ENDS = ("example", "test")
QUIETLY = 5  # minutes that pass at once, before the last hour


@dataclass(frozen=True)
class PeerKind:
    """A kind of domain: how often there is one, and what comes about with it."""

    weight: int
    streams: tuple[tuple[Direction, Means], ...] = ()
    certificate: str = ""  # why it proves nothing
    days: float = 60
    tls: str = "TLSv1.3"
    fails: Verdict | None = None
    reason: str = ""
    direction: Direction = Direction.OUT
    waiting: int = 0
    accepted_first: bool = False


IN, OUT = Direction.IN, Direction.OUT
BOTH = ((IN, Means.EXTERNAL), (OUT, Means.EXTERNAL))
KINDS = {
    "good": PeerKind(150, BOTH),
    "dialback": PeerKind(40, ((IN, Means.DIALBACK), (OUT, Means.EXTERNAL))),
    "one way in": PeerKind(25, ((IN, Means.EXTERNAL),)),
    "one way out": PeerKind(25, ((OUT, Means.DIALBACK),)),
    "old TLS": PeerKind(10, BOTH, tls="TLSv1.2"),
    "expired": PeerKind(4, ((OUT, Means.DIALBACK),), certificate="the certificate expired on 2026-11-02", days=-26),
    "self-signed": PeerKind(5, ((OUT, Means.DIALBACK),), certificate="the certificate is self-signed"),
    "other name": PeerKind(
        2, ((OUT, Means.EXTERNAL),), certificate="the certificate is not for it, but for other.test"
    ),
    "ends soon": PeerKind(5, BOTH, days=6),
    "no TLS": PeerKind(1, ((OUT, Means.DIALBACK),), tls=""),
    "away": PeerKind(1, fails=Verdict.NO_ANSWER, reason="192.0.2.7:5269 had not answered after 30 s", waiting=12),
    "refused": PeerKind(1, fails=Verdict.UNREACHABLE, reason="192.0.2.9:5269 refused the connection", waiting=2),
    "no such domain": PeerKind(1, fails=Verdict.NO_SUCH_DOMAIN, reason="there is no address for it"),
    "closes": PeerKind(
        1,
        fails=Verdict.CLOSED_BY_PEER,
        reason="the other side ended the stream with policy-violation: you are on our list",
        accepted_first=True,
        waiting=1,
    ),
    "turned away": PeerKind(
        6, fails=Verdict.NOT_TRUSTED, reason="no certificate was shown, and dialback got no answer", direction=IN
    ),
    "quiet": PeerKind(20),
}


def names(count: int) -> Iterator[str]:
    """Yield names that look like those of servers."""
    for number in range(count):
        first, rest = ADJECTIVES[number % 12], number // 12
        second, rest = NOUNS[rest % 10], rest // 10
        yield f"{first}-{second}{rest or ''}.{ENDS[number % 2]}"


def kinds(count: int) -> list[PeerKind]:
    """Return as many kinds as there are domains: one of each, the others by weight."""
    chance = Random(1)
    more = chance.choices(list(KINDS.values()), [kind.weight for kind in KINDS.values()], k=max(0, count - len(KINDS)))
    found = [*KINDS.values(), *more][:count]
    chance.shuffle(found)
    return found


class Clock:
    """The time of day, which runs through a day before it is now."""

    def __init__(self) -> None:
        self._stopped: float | None = None
        self.ahead = -86_400.0

    def now(self) -> float:
        return (time.time() if self._stopped is None else self._stopped) + self.ahead

    def stop(self) -> None:
        """Let the time stand, so that two looks can be compared."""
        self._stopped = time.time()


class Crowd:
    """Everything that is looked at."""

    def __init__(self, count: int) -> None:
        self.chance = Random(2)
        self.clock = Clock()
        self.connections: list[Any] = []
        self.totals = {Series.IN: 0, Series.OUT: 0}
        self.history = History()
        self.fates = Fates(self.clock.now)
        self.minutes = Minutes(self.clock.now, totals=lambda: self.totals, connections=lambda: self.connections)
        self.routes: dict[DomainPair, Any] = {}
        self.backoff = Backoff(Waits(), self.chance)
        self.known_keys = KnownKeys(self.clock.now)
        self.keeper = Keeper(None, self.clock.now)
        self.keeper.outbox = MemoryOutbox(limits=OutboxLimits())
        kept = {"accepted": time.time(), "expires": time.time() + 9e4}
        self.keeper.outbox.put(DomainPair(CHATS, Domain("owl.test")), [b"<message/>"] * 5, **kept)
        self.keeper.oldest = time.time() - 3600
        self.keeper.counts.update(kept=12, delivered=7)
        self.outbox_events = OutboxEvents(self.clock.now)
        self._number = 0
        self._live_a_day(list(zip(names(count), kinds(count), strict=True)))
        own = [
            HandlerDomain(domain=CHATS, serve="im", factory=object),
            ComponentDomain(domain=ROOMS, serve="component", secret=Secret("x")),
        ]
        own += [ComponentDomain(domain=GONE, serve="component", secret=Secret("x"))]
        own += [
            HandlerDomain(domain=Domain(f"team{n}.example.org"), serve="echo", factory=object)
            for n in range(count // 40)
        ]
        self.settings: Any = SimpleNamespace(
            domains={each.domain: each for each in own},
            listen=ListenSettings(server=("tcp:5269",), http=("tcp:5280:interface=127.0.0.1",)),
        )
        self.identities = {each.domain: identity(74) for each in own[:-1]} | {own[-1].domain: identity(9)}
        self.components: Any = {
            ROOMS: SimpleNamespace(
                sessions=[SimpleNamespace(address="127.0.0.1:40112")], connections=1, kept_by_pair={}
            ),
            GONE: SimpleNamespace(sessions=[], connections=1, kept_by_pair={}),
        }
        self.peers = PeerSources(
            fates=self.fates,
            minutes=self.minutes,
            backoff=self.backoff,
            remote_routes=self.routes,
            ages=Ages(self.keeper),
        )
        self.troubles = Troubles(
            [
                lambda: findings.domains_down(
                    self.settings, self.components, self.fates, self.clock.now(), self.history.of
                ),
                lambda: findings.certificates_ending(self.identities, self.clock.now()),
                lambda: findings.undelivered(self.peers.waiting(), self.fates, self.clock.now()),
            ],
            self.clock.now,
            lambda notice: None,
        )
        self.status = StatusReader(
            Observed(
                settings=lambda: self.settings,
                history=self.history,
                identities=self.identities,
                components=self.components,
                keeper=self.keeper,
                peers=self.peers,
                started_at=self.clock.now() - 90_000,
                connections=lambda: self.connections,
                missing=list,
                troubles=self.troubles.now,
                disk=lambda: DiskFigures(folder="/var/lib/xmpp-gateway", size=100_000_000_000, free=3_000_000_000),
            ),
            time.monotonic,
            self.clock.now,
        )

    def peer(self, domain: str) -> PeerSettings:
        return PeerSettings()

    def origins(self, domain: str) -> dict[str, str]:
        return PeerEntries().origins(Domain(domain))

    def filters_about(self, domain: str) -> list[str]:
        return []

    def publish(self, notice: Notice) -> None:
        for reader in (self.history, self.fates, self.minutes, self.outbox_events):
            if isinstance(notice, reader.KINDS):
                reader.notice(notice)

    def _live_a_day(self, peers: list[tuple[str, PeerKind]]) -> None:
        comings = sorted((self.chance.uniform(-86_000, -600), name, kind) for name, kind in peers)
        for minute in range(1440):
            self.clock.ahead = (minute - 1440) * 60.0
            while comings and comings[0][0] <= self.clock.ahead:
                _, name, kind = comings.pop(0)
                self.come(name, kind)
            much = 0.2 + 0.8 * abs((minute / 720) - 1)
            if minute >= 1380:
                self.talk(much)
            elif minute % QUIETLY == 0:
                self.talk(QUIETLY * much, only_totals=True)
        self.clock.ahead = 0

    def come(self, name: str, kind: PeerKind) -> None:
        """Have what comes about with a domain of this kind come about."""
        for direction, means in kind.streams:
            self._stream(name, kind, direction, means)
        if kind.fails is not None:
            for _ in range(self.chance.randint(1, 3)):
                self._fail(name, kind)
        elif not kind.streams:
            log, _ = self._attempt(name, OUT, Means.EXTERNAL, kind)
            log.stream_ended(4000, 3000, "closed when idle")
        if kind.waiting:
            self.routes[DomainPair(CHATS, Domain(name))] = route(kind.waiting, "waiting")
            self.backoff.failed(name, time.monotonic())
        elif kind.streams:
            self.routes[DomainPair(CHATS, Domain(name))] = route(0, "sending")

    def _attempt(self, name: str, direction: Direction, means: Means, kind: PeerKind) -> tuple[StreamLog, ServerFacts]:
        self._number += 1
        log = StreamLog(
            self.publish,
            self.clock.now,
            self._number,
            direction,
            local=CHATS,
            remote=name,
            address=f"192.0.2.{self._number % 250}:5269",
        )
        facts = facts_of(name, direction, means, kind)
        if direction is OUT:
            log.step(AttemptStep.RESOLVE, f"_xmpp-server._tcp.{name}: server.{name}:5269; server.{name}: {log.address}")
        log.step(AttemptStep.CONNECT, f"to {log.address}")
        if kind.tls:
            log.step(AttemptStep.TLS, f"{kind.tls} with TLS_AES_256_GCM_SHA384", required="TLS")
            log.step(
                AttemptStep.CERTIFICATE,
                kind.certificate or f"proves {name}",
                ok=not kind.certificate,
                offered=facts.certificate.description if facts.certificate else "",
                required=f"a valid certificate for {name}, or else dialback",
            )
        log.step(AttemptStep.PROOF, f"by {means}", offered="SASL EXTERNAL, dialback", required="external or dialback")
        log.end(Verdict.ESTABLISHED, proofs=proofs_on(facts))
        return log, facts

    def _stream(self, name: str, kind: PeerKind, direction: Direction, means: Means) -> None:
        log, facts = self._attempt(name, direction, means, kind)
        self.connections.append(
            SimpleNamespace(
                session=SimpleNamespace(log=log),
                stream=SimpleNamespace(facts=facts, state=State.ESTABLISHED, is_established=True),
                peer_address=log.address,
                bytes_in=2_000,
                bytes_out=2_000,
                last_activity=time.monotonic(),
                is_lost=False,
                pace=self.chance.paretovariate(1.6),
            )
        )

    def _fail(self, name: str, kind: PeerKind) -> None:
        if kind.accepted_first:
            log, _ = self._attempt(name, OUT, Means.EXTERNAL, kind)
            log.stream_ended(900, 400, kind.reason, kind.fails or Verdict.ENDED)
            return
        assert kind.fails is not None
        self._number += 1
        log = StreamLog(
            self.publish,
            self.clock.now,
            self._number,
            kind.direction,
            local=CHATS,
            remote=name,
            address=f"192.0.2.{self._number % 250}:5269",
        )
        log.step(AttemptStep.RESOLVE, f"_xmpp-server._tcp.{name}: server.{name}:5269")
        log.step(AttemptStep.CONNECT, kind.reason, ok=False)
        log.end(kind.fails, kind.reason)

    def talk(self, much: float = 1.0, *, only_totals: bool = False) -> None:
        """Have stanzas pass."""
        self.totals[Series.IN] += int(len(self.connections) * much * self.chance.uniform(0.7, 1.3))
        self.totals[Series.OUT] += int(len(self.connections) * much * self.chance.uniform(0.5, 1.0))
        if not only_totals:
            for connection in self.connections:
                if self.chance.random() < 0.4:
                    connection.bytes_in += int(connection.pace * self.chance.uniform(100, 900))
                    connection.bytes_out += int(connection.pace * self.chance.uniform(100, 600))
        if self.chance.random() < 0.05:
            self.minutes.notice(
                StanzaBounced(name="message", id="1", sender="a", target="b", condition="c", reason="", answered=True)
            )
        self.minutes.read(sum(each.queued for each in self.routes.values()))


def facts_of(name: str, direction: Direction, means: Means, kind: PeerKind) -> ServerFacts:
    """Return what is known on a stream of that kind."""
    pair = DomainPair(CHATS, Domain(name)) if direction is OUT else DomainPair(Domain(name), CHATS)
    proofs: Mapping[DomainPair, Means] = {pair: means}
    judged = CertificateVerdict(
        reason=Reason.EXPIRED if kind.certificate else Reason.TRUSTED,
        problem=kind.certificate,
        names=CertificateNames(dns=(name,)),
        not_after=datetime.now(UTC) + timedelta(days=kind.days),
    )
    return ServerFacts(
        role=Role.INITIATING if direction is OUT else Role.RECEIVING,
        local=CHATS,
        remote=Domain(name),
        tls=TLSFacts(version=kind.tls, cipher="TLS_AES_256_GCM_SHA384") if kind.tls else None,
        certificate=judged if kind.tls else None,  # type: ignore[arg-type]
        proofs=MappingProxyType(proofs),
    )


def route(waiting: int, disposition: str) -> Any:
    return SimpleNamespace(queued=waiting, sent=120, disposition=SimpleNamespace(value=disposition))


def identity(days: float) -> Any:
    return SimpleNamespace(
        not_after=datetime.now(UTC) + timedelta(days=days),
        certificate_file=f"/etc/xmpp-gateway/{days}.pem",
        names="*.example.org",
    )


class OtherGateways:
    """The other nodes of a cluster, with a node that is gone; all but those in `silent` show what this one shows."""

    name = "node-0"

    def __init__(self, count: int, silent: Collection[str] = ()) -> None:
        self.count = count
        self.silent = set(silent)
        self.asked: list[tuple[str, str]] = []
        self.open: list[tuple[str, Deferred[Any]]] = []
        self.answers: dict[str, Callable[[Mapping[str, str]], Any]] = {}

    def names(self) -> list[str]:
        return [f"node-{number}" for number in range(1, self.count)]

    def nodes(self) -> list[dict[str, Any]]:
        same = {"standing": "up", "version": "1.0", "shards": 256 // self.count, "crossing": 0, "unseen": 0.5}
        live = [{"node": name, "live": True, **same} for name in (self.name, *self.names())]
        return [*live, {"node": "node-gone", "live": False, **same, "shards": 0, "unseen": 60.0}]

    def ask_for(self, node: str, command: str, arguments: Mapping[str, str], seconds: float) -> Deferred[Any]:
        assert seconds <= 2
        self.asked.append((node, command))
        if node in self.silent:
            answer: Deferred[Any] = Deferred()
            self.open.append((node, answer))
            return answer
        return maybeDeferred(self.answers[command], arguments)

    def give_up(self) -> None:
        """Have all questions to silent nodes fail, as they do in time."""
        waiting, self.open = self.open, []
        for node, answer in waiting:
            answer.errback(NotAnswered(f"node {node} did not answer in time"))


def views_of(crowd: Crowd, reactor: Any, others: OtherGateways | None = None) -> Views:
    """Return the views of the page."""
    nodes = OtherNodes(others, reactor.seconds, crowd.clock.now) if others is not None else None
    views = _views(crowd, reactor, nodes)
    if others is not None:
        one_of_many = _views(crowd, reactor, OtherNodes(OtherGateways(1), reactor.seconds, crowd.clock.now))
        others.answers.update(brief=lambda words: views.brief(), view=one_of_many.part)
    return views


def _views(crowd: Crowd, reactor: Any, nodes: OtherNodes | None) -> Views:
    return Views(
        crowd,
        Operator(crowd, Turns(reactor)),
        crowd.minutes,
        crowd.troubles.latest,
        crowd.peers.waiting,
        reactor.seconds,
        withheld=lambda: 3,
        outbox_events=crowd.outbox_events.latest,
        lists=lambda: [ListState(name="spammers", source="rtbl.test", entries=3, state="ready", is_well=True)],
        nodes=nodes,
    )  # type: ignore[arg-type]


def main() -> None:
    """Serve the page until the process is ended."""
    from twisted.internet import reactor

    port, count, *nodes = map(int, sys.argv[1:])
    crowd = Crowd(count)
    others = OtherGateways(nodes[0], silent={"node-1"}) if nodes else None
    events = EventStream(ViewQuery.read, views_of(crowd, reactor, others).events, reactor)  # type: ignore[arg-type]
    reactor.listenTCP(port, HTTPDoor({**dict(page_files()), "/events": events}, list, reactor), interface="127.0.0.1")  # type: ignore[attr-defined]
    LoopingCall(crowd.talk, 0.05).start(1)
    LoopingCall(crowd.troubles.now).start(5)
    if others is not None:
        LoopingCall(others.give_up).start(1)
    print("ready", flush=True)
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
