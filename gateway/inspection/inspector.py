"""The inspection of a domain: names, then every address in turn, then what needs the running service.

Polite and bounded: one connection at a time, MOST_CONNECTIONS in all, and WHOLE_SECONDS for everything, whatever the
other side does. What there was no time for is named in the facts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from OpenSSL import SSL
from twisted.internet.defer import Deferred, TimeoutError

from gateway.findings.facts import (
    PeerAnswer,
    Reached,
    SeenConversation,
    SeenDomain,
    SeenEndpoint,
    SeenNames,
    SeenRequest,
)
from gateway.inspection.looking import many_questions
from gateway.inspection.names import NameInspector, NamesSeen
from gateway.inspection.tls import examining
from gateway.inspection.visits import ServerVisitor, VisitedPlace
from gateway.net.dns.destinations import ANYWHERE, Destinations
from gateway.net.dns.service_records import FOR_CLIENTS
from gateway.timing.reactor import IReactor
from gateway.xmpp.addresses import Domain, to_ascii

MOST_CONNECTIONS = 12
WHOLE_SECONDS = 55.0  # and a few more to start and to print: 60 in all
SERVICE_SECONDS = 30.0  # of these, kept for what needs the running service
VISIT_SECONDS = 16.0
CONFIRMATION_SECONDS = 9.0  # for one question to the DNS, and a bit
MOST_PAIRS = 1000
"""How many domains are asked about on one stream, to see whether hosts of many domains can share one."""
CONFIRMATION = "_xmpp-interop"
"""The TXT record below which the owner of a domain confirms the tests of tolerance."""
MOST_PARENTS = 8  # of a domain, for CAA records
_EXTRA_CONNECTIONS = 6  # without SNI, and for tolerance

ShowProgress = Callable[[str], None]
Converse = Callable[[Domain, float, bool], Awaitable[SeenConversation]]
"""Has the service speak with a domain, within the given seconds; the last argument: whether its owner allows it all."""


@dataclass(frozen=True, kw_only=True)
class InspectionOrder:
    """What is to be inspected, and how far."""

    domain: Domain
    connect: str | None = None  # the place that the configuration names, instead of the DNS; it may be anywhere
    thorough: bool = False
    is_ours: bool = False  # then the tests of tolerance need no confirmation


class Inspector:
    """Inspects domains."""

    def __init__(
        self,
        reactor: IReactor,
        names: NameInspector,
        visitor: Callable[[Domain], ServerVisitor],
        destinations: Destinations,
        *,
        converse: Converse | None = None,
        progress: ShowProgress = lambda step: None,
    ) -> None:
        """`converse` has the running service speak with the domain; `progress` is called with what begins."""
        self._reactor = reactor
        self._names = names
        self._visitor = visitor
        self._destinations = destinations
        self._converse = converse
        self._progress = progress
        self._until = 0.0

    async def inspect(self, order: InspectionOrder) -> SeenDomain:
        """Return everything that was seen of the domain."""
        domain = order.domain
        self._until = self._reactor.seconds() + WHOLE_SECONDS
        self._progress(f"asking the DNS about {domain}")
        names = await self._names.look(domain, order.connect)
        seen = SeenDomain(domain=domain, names=names.names)
        places = places_of(names)
        allowed = ANYWHERE if names.names.source == "configured" else self._destinations
        visitor = self._visitor(domain)
        reserved = SERVICE_SECONDS if self._converse is not None else 0.0
        seen = replace(seen, endpoints=await self._visit_all(visitor, places, allowed, reserved))
        first = next((each for each in seen.connected if each.certificate is not None), None)
        if first is not None and self._left(reserved) > VISIT_SECONDS:
            self._progress("without SNI")
            seen = replace(seen, without_sni=await self._without_sni(visitor, domain, _place_of(first)))
        is_late = order.thorough and self._left(reserved) < CONFIRMATION_SECONDS
        is_confirmed = order.thorough and not is_late and (order.is_ours or await self._is_confirmed(domain))
        if is_late:
            seen = replace(seen, unfinished="no time was left for the tests of tolerance")
        elif order.thorough:
            tolerance = (
                await self._tolerance(visitor, domain, first, reserved) if is_confirmed else _unconfirmed(domain)
            )
            seen = replace(seen, tolerance=tolerance)
        if self._converse is not None:
            self._progress("having the service speak with it")
            conversation = await self._converse(domain, max(1.0, self._left(0)), is_confirmed)
            seen = replace(seen, conversation=conversation)
        return seen

    def _left(self, reserved: float) -> float:
        return self._until - reserved - self._reactor.seconds()

    async def _visit_all(
        self, visitor: ServerVisitor, places: Sequence[VisitedPlace], allowed: Destinations, reserved: float
    ) -> tuple[SeenEndpoint, ...]:
        """Visit each allowed address in turn, as long as there is time."""
        found = []
        most = MOST_CONNECTIONS - _EXTRA_CONNECTIONS
        asked: set[str] = set()
        for number, place in enumerate(places):
            objection = allowed.objection(place.address, place.port)
            if objection or number >= most or self._left(reserved) < 1:
                why = objection or ("too many addresses" if number >= most else "no time was left")
                found.append(_endpoint(place, Reached.SKIPPED, why))
                continue
            self._progress(f"connecting to {place.host} {place.address} port {place.port}")
            endpoint = await self._in_time(visitor.visit(place, asks=place.host not in asked), place, reserved)
            if endpoint.secured is not None:
                asked.add(place.host)  # the other ports and addresses of a server answer the same
            found.append(endpoint)
        return tuple(found)

    async def _in_time(self, visit: Awaitable[SeenEndpoint], place: VisitedPlace, reserved: float) -> SeenEndpoint:
        """Return the result of a visit, or that it took too long."""
        visiting: Deferred[SeenEndpoint] = Deferred.fromCoroutine(visit)  # type: ignore[arg-type]
        try:
            return await visiting.addTimeout(max(1.0, min(VISIT_SECONDS, self._left(reserved))), self._reactor)
        except TimeoutError:
            return _endpoint(place, Reached.SKIPPED, "it took too long")

    async def _without_sni(self, visitor: ServerVisitor, domain: Domain, place: VisitedPlace) -> SeenEndpoint:
        direct = place.tls == "direct"
        nameless = lambda: examining(domain, direct=direct, with_sni=False)  # noqa: E731
        return await self._in_time(visitor.visit(place, asks=False, tls=nameless), place, 0)

    # -- our own domains ---------------------------------------------------------------------------------------------

    async def issuance(self, domain: Domain) -> tuple[tuple[str, ...], bool]:
        """Return the CAA records that apply to a domain, its own or the nearest parent's (RFC 8659 §3).

        The second value is False if the DNS did not answer.
        """
        labels = to_ascii(domain).split(".")
        names = [".".join(labels[start:]) for start in range(len(labels))][:MOST_PARENTS]
        answers = await self._names.ask(*(("CAA", name) for name in names))
        for answer in answers:
            if answer.values or not answer.definite:
                return tuple(map(str, answer.values)), answer.definite
        return (), True

    async def doors_for_clients(self, domain: Domain) -> tuple[SeenNames, tuple[SeenEndpoint, ...]]:
        """Return where clients are led to, and whether these addresses accept connections."""
        names = await self._names.look(domain, service=FOR_CLIENTS)
        visitor = self._visitor(domain)
        found = []
        for place in places_of(names)[: MOST_CONNECTIONS - _EXTRA_CONNECTIONS]:
            objection = self._destinations.objection(place.address, place.port)
            self._progress(f"connecting to {place.host} {place.address} port {place.port}")
            found.append(_endpoint(place, Reached.SKIPPED, objection) if objection else await visitor.knock(place))
        return names.names, tuple(found)

    # -- tolerance ---------------------------------------------------------------------------------------------------

    async def _tolerance(
        self, visitor: ServerVisitor, domain: Domain, first: SeenEndpoint | None, reserved: float
    ) -> tuple[SeenRequest, ...]:
        """Try what servers have to tolerate or to refuse, as long as there is time; only with the owner's consent."""
        if first is None:
            return ()
        place = _place_of(first)
        direct = place.tls == "direct"

        async def try_versions(oldest: int, newest: int) -> tuple[SeenEndpoint, bool, str]:
            tls = lambda: examining(domain, direct=direct, oldest=oldest, newest=newest)  # noqa: E731
            seen = await self._in_time(visitor.visit(place, asks=False, tls=tls), place, reserved)
            told = seen.secured.version if seen.secured is not None else seen.problem or seen.told
            return seen, seen.secured is not None, told

        async def try_words(words: bytes) -> tuple[SeenEndpoint, bool, str]:
            seen = await self._in_time(visitor.visit(place, words=words), place, reserved)
            answered = seen.stream.verify in (PeerAnswer.VALID, PeerAnswer.INVALID, PeerAnswer.ERROR)
            return seen, answered, _how_it_ended(seen) or "it went on"

        async def try_pairs(count: int) -> tuple[SeenEndpoint, bool, str]:
            visit = visitor.visit(place, asks=False, words=many_questions(domain, count), answers=count)
            seen = await self._in_time(visit, place, reserved)
            told = ", ".join(filter(None, (f"{seen.stream.answers} answers", _how_it_ended(seen))))
            return seen, seen.stream.answers == count, told

        trials: tuple[tuple[str, Callable[[], Awaitable[tuple[SeenEndpoint, bool, str]]]], ...] = (
            ("TLS 1.3 only", lambda: try_versions(SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)),
            ("TLS 1.1 only", lambda: try_versions(SSL.TLS1_VERSION, SSL.TLS1_1_VERSION)),
            ("white space", lambda: try_words(b" \n \t ")),
            ("a comment", lambda: try_words(b"<!-- not allowed -->")),
            (f"{MOST_PAIRS:,} pairs", lambda: try_pairs(MOST_PAIRS)),
        )
        found = []
        for what, trial in trials:
            if self._left(reserved) < 1:
                found.append(SeenRequest(what=what, answer=PeerAnswer.NOT_ASKED, told="no time was left"))
                continue
            self._progress(what)
            seen, accepted, told = await trial()
            found.append(_tried(what, seen, accepted, told))
        return tuple(found)

    async def _is_confirmed(self, domain: Domain) -> bool:
        (answer,) = await self._names.ask(("TXT", f"{CONFIRMATION}.{to_ascii(domain)}"))
        return "thorough" in answer.values


def places_of(names: NamesSeen) -> list[VisitedPlace]:
    """Return every address of every server, the first address of each server first."""
    by_server = [
        [
            VisitedPlace(
                host=server.host,
                port=server.port,
                tls=server.tls,
                address=address,
                tlsa=names.tlsa.get((server.host, server.port)),
            )
            for address in server.addresses
        ]
        for server in names.names.servers
    ]
    rounds = max(map(len, by_server), default=0)
    return [addresses[turn] for turn in range(rounds) for addresses in by_server if turn < len(addresses)]


def _place_of(endpoint: SeenEndpoint) -> VisitedPlace:
    return VisitedPlace(host=endpoint.host, port=endpoint.port, tls=endpoint.tls, address=endpoint.address)


def _endpoint(place: VisitedPlace, reached: Reached, told: str) -> SeenEndpoint:
    return SeenEndpoint(
        host=place.host, port=place.port, tls=place.tls, address=place.address, reached=reached, told=told
    )


def _how_it_ended(seen: SeenEndpoint) -> str:
    return seen.stream.condition or seen.stream.ended or seen.told


def _tried(what: str, seen: SeenEndpoint, accepted: bool, told: str) -> SeenRequest:
    if seen.reached is not Reached.CONNECTED:
        return SeenRequest(what=what, answer=PeerAnswer.NOT_ASKED, told=told)
    return SeenRequest(what=what, answer=PeerAnswer.RESULT if accepted else PeerAnswer.ERROR, told=f"{what}: {told}")


def _unconfirmed(domain: Domain) -> tuple[SeenRequest, ...]:
    told = f"no TXT record `thorough` at {CONFIRMATION}.{domain}"
    return (SeenRequest(what="confirmation", answer=PeerAnswer.NOT_ASKED, told=told),)
