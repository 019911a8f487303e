"""One search for the servers of a domain: service records, then addresses (RFC 6120 §3.2, XEP-0368).

A configured `connect` or a domain that is an IP address needs no service records. Otherwise both services are asked
for, and what they offer is one list, ordered by priority and weight. A service whose target is `.` does not exist; if
no other service is offered, the domain has none. Without any service records, and also when the nameservers stay silent
about them or fail to find out (RFC 6120 §3.2.1, step 9), the domain's own addresses and port 5269 are used. Such a
resolution is not `definite`: a failure there proves nothing about the domain.

All questions are asked at once. Once some have been answered, the others are waited for only briefly: one silent
nameserver must not hold up what the others have said (RFC 8305 §3).

Addresses come from the hosts file, which goes before the DNS, or from A and AAAA records, mixed as RFC 8305 wants them.
An address to which other domains may not lead us is no target (see `destinations`), unless it is configured.

Where the nameservers check signatures (DNSSEC, see `nameservers`), and DNSSEC proves the way to a target, from the
service records to its addresses, its TLSA records are asked for (RFC 7673 §3). They count if they are proved too. If
they cannot be obtained, the target is left out, since somebody may have silenced the nameserver. If the service records
are bogus, no target is used, not even the domain itself.

Every question and its answer becomes a sentence for the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from gateway.net.dns.answers import DNSAnswer, DNSQuestion
from gateway.net.dns.destinations import Destinations
from gateway.net.dns.questions import AnswerWait, DNSQuestions
from gateway.net.dns.service_records import Offer, SRVService, Tls, in_order
from gateway.net.dns.system_names import (
    is_address,
)
from gateway.net.dns.targets import (
    Place,
    Source,
    Target,
    ascii_name,
    dns_name,
    endpoint_text,
    interleaved,
    literal_address,
    parse_connect,
)
from gateway.net.dns.tlsa import TLSASet, tlsa_name
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import ResolutionFailed

T = TypeVar("T")
_ALL: Collection[Tls] = ("direct", "starttls")
Note = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """The time limits, in seconds, and the number limits for one domain."""

    overall: float = 20
    services: float = 12  # of these, for the service records
    other_service: float = 1  # for the records of one service, once the other's are known
    no_service: float = 3  # for the records of one service, once the other is known to have none
    other_family: float = 1  # for addresses of one family, once there are addresses of the other
    other_hosts: float = 3  # for the addresses of one host, once another has some
    targets: int = 16
    addresses: int = 8
    for_strangers: int = 2  # targets, and addresses of each, for questions that anybody can cause


@dataclass(frozen=True, kw_only=True)
class SearchAim:
    """What is searched for, and for whom."""

    service: SRVService
    for_strangers: bool
    dane: bool


class TargetSearch:
    """The search for the targets of one domain."""

    def __init__(
        self,
        reactor: IReactor,
        questions: DNSQuestions,
        hosts: Mapping[str, tuple[str, ...]],
        patience: Patience,
        random: Random,
        destinations: Destinations,
        wanted: SearchAim,
        note: Note,
    ) -> None:
        self.steps: list[str] = []
        self.definite = True
        self.met_bogus = False
        self._wanted = wanted
        self._domain = ""
        self._reactor = reactor
        self._questions = questions
        self._hosts = hosts
        self._patience = patience
        self._random = random
        self._destinations = destinations
        self._note = note
        self._deadline = reactor.seconds() + patience.overall

    async def addresses_of(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of one host to which other domains may lead us."""
        place = Place(host=host if is_address(host) else dns_name(host), port=port, tls="direct")
        (target,) = await self._located([place], "srv", host)
        return target.addresses

    async def targets(self, domain: str, direct_tls: bool, connect: str | None) -> tuple[Target, ...]:
        """Return the targets of the domain, by the first means that applies."""
        if connect is not None:
            self._say(f"{domain} is configured to be at {connect}")
            self._domain = ascii_name(domain)
            return await self._located([parse_connect(connect)], "configured", "the configured server", _ALL)
        if (address := literal_address(domain)) is not None:
            self._say(f"{domain} is an address itself")
            return await self._located([self._itself(address)], "literal", domain)
        return await self._looked_up(dns_name(domain), direct_tls)

    async def _looked_up(self, name: str, direct_tls: bool) -> tuple[Target, ...]:
        """Return the targets in the service records, or else the domain itself (RFC 6120 §3.2.1, §3.2.2)."""
        self._domain = name
        answers = await self._services(name, direct_tls)
        proved = {tls for tls, answer in answers.items() if answer.is_secure}
        self.definite = all(answer.definite for answer in answers.values())
        offers = [Offer(record=record, tls=tls) for tls, answer in answers.items() for record in answer.values]
        real = [offer for offer in offers if offer.record.target]
        if real:
            return await self._located(self._places(real), "srv", f"each server that {name} names", proved)
        if offers:
            raise _no_service(name, permanent=self.definite)
        if any(answer.is_bogus for answer in answers.values()):
            raise ResolutionFailed(f"the service records of {name} are bogus (DNSSEC)", permanent=False)
        self._say(f"{name} itself and port {self._wanted.service.port}, because no service record is known")
        proved = proved if len(proved) == len(answers) else set()
        return await self._located([self._itself(name)], "fallback", name, proved)

    async def _services(self, name: str, direct_tls: bool) -> dict[Tls, DNSAnswer]:
        names = self._wanted.service.names
        asked = [tls for tls in names if direct_tls or tls == "starttls"]
        questions = [DNSQuestion(kind="SRV", name=f"{names[tls]}.{name}") for tls in asked]
        answers = self._questions.remembered(questions) or await self._all_services(questions)
        for answer in answers:
            self._say(answer.sentence)
        return dict(zip(asked, answers, strict=True))

    async def _all_services(self, questions: Sequence[DNSQuestion]) -> list[DNSAnswer]:
        """Ask for all services at once; when one is answered, the others have little time left."""
        waits = [self._ask(question, self._patience.services) for question in questions]

        def hurry(answer: DNSAnswer) -> DNSAnswer:
            if answer.definite:
                offered = any(record.target for record in answer.values)
                for wait in waits:
                    wait.last(self._patience.other_service if offered else self._patience.no_service)
            return answer

        for wait in waits:
            wait.answer.addCallback(hurry)
        return await all_of([wait.answer for wait in waits])

    def _places(self, offers: Sequence[Offer]) -> list[Place]:
        most = self._patience.targets
        if len(offers) > most:
            self._say(f"only {most} of the {len(offers)} servers are considered")
        ordered = in_order(offers, self._random, most)
        return [Place(host=offer.record.target, port=offer.record.port, tls=offer.tls) for offer in ordered]

    async def _located(
        self, places: Sequence[Place], source: Source, whose: str, proved: Collection[Tls] = ()
    ) -> tuple[Target, ...]:
        """Return the places that have addresses, with these; raise ResolutionFailed if none has.

        `proved` are the services for which DNSSEC proves that these are the places.
        """
        hosts = list(dict.fromkeys(place.host for place in places))
        haste = _Haste(self._patience.other_hosts)
        found = dict(zip(hosts, await _together([self._addresses(host, haste) for host in hosts]), strict=True))
        for sentence in chain.from_iterable(found[host].sentences for host in hosts):
            self._say(sentence)
        missing = [there for there in found.values() if not there.addresses]
        self.definite = self.definite and all(there.definite for there in missing)
        if len(missing) == len(found):
            raise _no_address(whose, permanent=self.definite)
        targets = [
            Target(host=at.host, port=at.port, tls=at.tls, addresses=self._allowed(at, found, source), source=source)
            for at in dict.fromkeys(places)
        ]
        if not any(target.addresses for target in targets):
            raise ResolutionFailed(f"there is no address for {whose} but {self.steps[-1]}", permanent=self.definite)
        reachable = [target for target in targets if target.addresses]
        if self._wanted.dane and proved:
            reachable = await self._associated(reachable, found, proved)
        if not reachable:
            raise ResolutionFailed(f"no server of {whose} is left: {self.steps[-1]}", permanent=False)
        return tuple(reachable)

    async def _associated(
        self, targets: Sequence[Target], found: Mapping[str, _FoundAddresses], proved: Collection[Tls]
    ) -> list[Target]:
        """Return the targets with their TLSA records, except those whose records cannot be obtained."""
        asked = [target for target in targets if target.tls in proved and found[target.host].proved]
        answers = await _together([self._tlsa(target, found[target.host].proved) for target in asked])
        associated = dict(zip(asked, answers, strict=True))
        return [
            replace(target, tlsa=self._set_of(target, associated.get(target)))
            for target in targets
            if target not in associated or self._can_be_used(target, associated[target])
        ]

    async def _tlsa(self, target: Target, names: Sequence[str]) -> DNSAnswer:
        """Return the answer at the first of these names that has one, or cannot be asked (RFC 7671 §7)."""
        for name in names:
            question = DNSQuestion(kind="TLSA", name=tlsa_name(name, target.port))
            answer = await self._ask(question, self._deadline - self._reactor.seconds()).answer
            if answer.values or not answer.definite:
                break
        return answer

    def _can_be_used(self, target: Target, answer: DNSAnswer) -> bool:
        """Return whether it is known which certificates the target may have; an attacker may
        have silenced the answer.
        """
        self._say(answer.sentence)
        if not answer.definite:
            self._say(f"{target.host} port {target.port} is left out, because its TLSA records cannot be obtained")
        elif answer.values and not answer.is_secure:
            self._say(f"the TLSA records of {target.host} are not signed, so they are ignored")
        return answer.definite

    def _set_of(self, target: Target, answer: DNSAnswer | None) -> TLSASet | None:
        if answer is None or not (answer.values and answer.is_secure):
            return None
        hosts = tuple(dict.fromkeys((self._domain, target.host)))
        return TLSASet(name=answer.question.name, records=answer.values, hosts=hosts)

    def _allowed(self, place: Place, found: Mapping[str, _FoundAddresses], source: Source) -> tuple[str, ...]:
        """Return the addresses there to which another domain may lead us."""
        allowed: list[str] = []
        for address in found[place.host].addresses:
            objection = "" if source == "configured" else self._destinations.objection(address, place.port)
            if objection:
                self._say(f"{endpoint_text(address, place.port)}, which is not dialled: {objection}")
            else:
                allowed.append(address)
        return tuple(allowed)

    async def _addresses(self, host: str, haste: _Haste) -> _FoundAddresses:
        """Return the addresses of a host: itself, the hosts file, or the DNS."""
        most = self._patience.addresses
        if is_address(host):
            haste.begin()
            return _FoundAddresses(addresses=(host,), sentences=())
        if host in self._hosts:
            haste.begin()
            addresses = interleaved(self._hosts[host], most)
            sentence = f"{host}: {', '.join(addresses)} in the hosts file"
            return _FoundAddresses(addresses=addresses, sentences=(sentence,), proved=(host,))
        questions = [DNSQuestion(kind="AAAA", name=host), DNSQuestion(kind="A", name=host)]
        six, four = self._questions.remembered(questions) or await self._both_families(haste, *questions)
        return _FoundAddresses(
            addresses=interleaved((*six.values, *four.values), most),
            sentences=(six.sentence, four.sentence),
            definite=six.definite and four.definite,
            proved=_proved_names(host, (six, four)),
        )

    async def _both_families(self, haste: _Haste, for_six: DNSQuestion, for_four: DNSQuestion) -> list[DNSAnswer]:
        """Ask for IPv6 and IPv4 at once; when one is there, the other has little time left (RFC 8305 §3)."""

        def hurry(answer: DNSAnswer, other: AnswerWait) -> DNSAnswer:
            if answer.values:
                other.last(self._patience.other_family)
                haste.begin()
            return answer

        seconds = self._deadline - self._reactor.seconds()
        six = self._ask(for_six, seconds)
        four = self._ask(for_four, seconds)
        haste.applies_to(six, four)
        six.answer.addCallback(hurry, four)
        four.answer.addCallback(hurry, six)
        return await all_of([six.answer, four.answer])

    def _ask(self, question: DNSQuestion, seconds: float) -> AnswerWait:
        wait = self._questions.ask(question, seconds, for_strangers=self._wanted.for_strangers)
        wait.answer.addCallback(self._look_at)
        return wait

    def _look_at(self, answer: DNSAnswer) -> DNSAnswer:
        self.met_bogus = self.met_bogus or answer.is_bogus
        return answer

    def _itself(self, host: str) -> Place:
        return Place(host=host, port=self._wanted.service.port, tls="starttls")

    def _say(self, step: str) -> None:
        self.steps.append(step)
        self._note(step)


@dataclass(frozen=True, kw_only=True)
class _FoundAddresses:
    """The addresses of one host; `definite` if there are none and will be none.

    `proved` are the names for which DNSSEC proves them: the end of the host's aliases, then the host.
    """

    addresses: tuple[str, ...]
    sentences: tuple[str, ...]
    definite: bool = True
    proved: tuple[str, ...] = ()


class _Haste:
    """Limits the waits for all hosts of a domain to this many seconds, once one of them has addresses."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._has_begun = False
        self._waits: list[AnswerWait] = []

    def applies_to(self, *waits: AnswerWait) -> None:
        """Limit these waits, too."""
        self._waits += waits
        if self._has_begun:
            self._limit(waits)

    def begin(self) -> None:
        """Limit the waits from now on, because a host has addresses."""
        if not self._has_begun:
            self._has_begun = True
            self._limit(self._waits)

    def _limit(self, waits: Sequence[AnswerWait]) -> None:
        for wait in waits:
            wait.last(self._seconds)


def _proved_names(host: str, answers: Sequence[DNSAnswer]) -> tuple[str, ...]:
    """Return the names at which TLSA records may be: the end of the aliases, then the host;
    none unless all is secure.
    """
    found = [answer for answer in answers if answer.values]
    if not found or not all(answer.is_secure for answer in found):
        return ()
    return tuple(dict.fromkeys((*(answer.canonical for answer in found), host)))


async def _together(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results of coroutines that run concurrently."""
    if len(works) == 1:
        return [await works[0]]
    return await all_of([Deferred.fromCoroutine(work) for work in works])


async def all_of(results: Sequence[Deferred[T]]) -> list[T]:
    """Return the results of work already started; if one fails or we are cancelled, the rest is cancelled."""
    try:
        return [await result for result in results]
    finally:
        for result in results:
            result.addErrback(lambda failure: None)
            result.cancel()


def _no_service(name: str, permanent: bool) -> ResolutionFailed:
    if permanent:
        return ResolutionFailed(f"{name} says that it has no XMPP service (SRV target '.')", permanent=True)
    return ResolutionFailed(f"one service of {name} does not exist, the other could not be looked up", permanent=False)


def _no_address(whose: str, permanent: bool) -> ResolutionFailed:
    if permanent:
        return ResolutionFailed(f"there is no address for {whose}", permanent=True)
    return ResolutionFailed(f"the addresses of {whose} could not be looked up", permanent=False)
