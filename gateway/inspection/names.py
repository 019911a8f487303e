"""Questions to the DNS about a domain, with the answers as facts.

Unlike `net.dns.resolver`, which stops asking once it knows enough to connect, this asks everything: both services, both
families of every server, the TLSA records, and each nameserver separately, to see whether they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred, gatherResults

from gateway.findings.facts import DNSLookup, LookedUp, SeenNames, SeenServer, Signed
from gateway.net.certificates.certificate_names import shown
from gateway.net.dns.answers import DNSAnswer, DNSQuestion, LookupOutcome, Security
from gateway.net.dns.nameservers import Nameservers
from gateway.net.dns.questions import DNSQuestions, ResolverBounds
from gateway.net.dns.service_records import FOR_SERVERS, ServiceRecord, SRVService, Tls
from gateway.net.dns.system_names import Nameserver, Validating, is_address
from gateway.net.dns.targets import dns_name, endpoint_text, literal_address, parse_connect
from gateway.net.dns.tlsa import TLSARecord, TLSASet, tlsa_name
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import ResolutionFailed

ANSWER_SECONDS = 8.0
MOST_SERVERS = 8
MOST_ADDRESSES = 4  # of each family of each server
MOST_TOLD = 300  # characters

_ENDED = {
    LookupOutcome.FOUND: LookedUp.FOUND,
    LookupOutcome.NONE: LookedUp.NONE,
    LookupOutcome.NO_NAME: LookedUp.NO_NAME,
    LookupOutcome.FAILED: LookedUp.FAILED,
    LookupOutcome.SILENT: LookedUp.SILENT,
}
_SIGNED = {
    Security.SECURE: Signed.SECURE,
    Security.INSECURE: Signed.INSECURE,
    Security.BOGUS: Signed.BOGUS,
}


@dataclass(frozen=True, kw_only=True)
class NamesSeen:
    """What the DNS says, and the TLSA records of its servers, by host and port, that DNSSEC proves."""

    names: SeenNames
    tlsa: Mapping[tuple[str, int], TLSASet]


class NameInspector:
    """Asks the nameservers of the system or of the configuration."""

    def __init__(
        self,
        reactor: IReactor,
        servers: Callable[[], Sequence[Nameserver]],
        validating: Validating = Validating.AUTO,
        *,
        hosts: Callable[[], Mapping[str, tuple[str, ...]]] = dict,
    ) -> None:
        """`hosts` is the hosts file, which goes before the DNS for the addresses of a configured server."""
        self._reactor = reactor
        self._servers = servers
        self._validating = validating
        self._hosts = hosts
        self._questions = self._asking(servers)

    def _asking(self, servers: Callable[[], Sequence[Nameserver]]) -> DNSQuestions:
        asked = Nameservers(self._reactor, servers, believes=self._validating.believes)
        return DNSQuestions(self._reactor, asked, ResolverBounds())

    @property
    def checks_signatures(self) -> bool:
        """Return whether a nameserver is believed about DNSSEC."""
        return any(map(self._validating.believes, self._servers()))

    async def look(self, domain: str, connect: str | None = None, service: SRVService = FOR_SERVERS) -> NamesSeen:
        """Return what the DNS says about a prepared domain, or the place at which it is configured to be."""
        if connect is not None:
            return await self._configured(connect)
        if (address := literal_address(domain)) is not None:
            server = SeenServer(host=address, port=service.port, tls="starttls")
            return NamesSeen(names=SeenNames(source="literal", servers=(server,)), tlsa={})
        try:
            return await self._looked_up(dns_name(domain), service)
        except ResolutionFailed as failure:
            none = DNSLookup(kind="SRV", name=domain, ended=LookedUp.NO_NAME, told=failure.sentence)
            host = SeenServer(host=domain, port=service.port, tls="starttls", four=none, six=none)
            return NamesSeen(names=SeenNames(source="fallback", services=(none,), servers=(host,)), tlsa={})

    async def _configured(self, connect: str) -> NamesSeen:
        """Return the addresses of a configured place; the hosts file counts, as it does for the service."""
        place = parse_connect(connect)
        addresses = self._hosts().get(place.host)
        if addresses is None and not is_address(place.host):
            six, four = map(as_fact, await self.ask(("AAAA", place.host), ("A", place.host)))
            server = SeenServer(host=place.host, port=place.port, tls=place.tls, four=four, six=six)
            return NamesSeen(names=SeenNames(source="configured", servers=(server,)), tlsa={})
        servers = tuple(SeenServer(host=each, port=place.port, tls=place.tls) for each in addresses or (place.host,))
        return NamesSeen(names=SeenNames(source="configured", servers=servers), tlsa={})

    async def _looked_up(self, name: str, service: SRVService) -> NamesSeen:
        kinds: tuple[Tls, ...] = ("starttls", "direct")
        questions = [DNSQuestion(kind="SRV", name=f"{service.names[tls]}.{name}") for tls in kinds]
        answers = await self._answers(self._questions, questions)
        offers = [(record, tls) for tls, answer in zip(kinds, answers, strict=True) for record in _records(answer)]
        denied = tuple(
            answer.question.name
            for answer in answers
            if answer.values and not any(record.target for record in _records(answer))
        )
        real = sorted((offer for offer in offers if offer[0].target), key=_preference)[:MOST_SERVERS]
        places = [(record.target, record.port, tls) for record, tls in real]
        if not offers:
            places = [(name, service.port, kinds[0])]
        servers, tlsa = await self._located(name, list(dict.fromkeys(places)))
        names = SeenNames(
            source="srv" if offers else "fallback",
            services=tuple(map(as_fact, answers)),
            denied=denied,
            servers=servers,
            disagreements=await self._disagreements([*questions, *_address_questions(places)]),
            checks_signatures=self.checks_signatures,
        )
        return NamesSeen(names=names, tlsa=tlsa)

    async def _located(
        self, name: str, places: Sequence[tuple[str, int, Tls]]
    ) -> tuple[tuple[SeenServer, ...], dict[tuple[str, int], TLSASet]]:
        """Return the servers with their addresses, and their TLSA records."""
        addresses = await self._answers(self._questions, _address_questions(places))
        families = {(each.question.kind, each.question.name): each for each in addresses}
        ends = list(dict.fromkeys((host, port) for host, port, _ in places)) if self.checks_signatures else []
        asked = [DNSQuestion(kind="TLSA", name=tlsa_name(host, port)) for host, port in ends]
        tlsa = dict(zip(ends, await self._answers(self._questions, asked), strict=True))
        sets = {
            (host, port): TLSASet(name=answer.question.name, records=answer.values, hosts=(name, host))
            for (host, port), answer in tlsa.items()
            if answer.is_secure and answer.values
        }
        servers = tuple(
            SeenServer(
                host=host,
                port=port,
                tls=tls,
                four=as_fact(families["A", host]),
                six=as_fact(families["AAAA", host]),
                tlsa=as_fact(tlsa[host, port]) if (host, port) in tlsa else None,
            )
            for host, port, tls in places
        )
        return servers, sets

    async def ask(self, *questions: tuple[str, str]) -> list[DNSAnswer]:
        """Return the answers to questions, each a kind and a name."""
        asked = [DNSQuestion(kind=kind, name=name) for kind, name in questions]  # type: ignore[arg-type]
        return await self._answers(self._questions, asked)

    async def _answers(self, through: DNSQuestions, questions: Sequence[DNSQuestion]) -> list[DNSAnswer]:
        """Return the answers to questions that are asked at once."""
        waits: list[Deferred[DNSAnswer]] = [through.ask(each, ANSWER_SECONDS).answer for each in questions]
        return list(await gatherResults(waits))

    async def _disagreements(self, questions: Sequence[DNSQuestion]) -> tuple[str, ...]:
        """Return what the nameservers answer differently; silence is no answer."""
        servers = list(dict.fromkeys(self._servers()))
        if len(servers) < 2:
            return ()
        each_of = [self._answers(self._asking(lambda server=server: (server,)), questions) for server in servers]  # type: ignore[misc]
        views = await gatherResults([Deferred.fromCoroutine(each) for each in each_of])
        told = []
        for question, answers in zip(questions, zip(*views, strict=True), strict=True):
            said: dict[tuple[str, ...], list[str]] = {}
            for server, answer in zip(servers, answers, strict=True):
                if answer.definite:
                    said.setdefault(tuple(sorted(map(_value, answer.values))), []).append(endpoint_text(*server))
            if len(said) > 1:
                views_told = (f"{', '.join(who)} say {', '.join(what) or 'none'}" for what, who in sorted(said.items()))
                told.append(shown(f"{question}: {'; '.join(views_told)}", MOST_TOLD))
        return tuple(told)


def as_fact(answer: DNSAnswer) -> DNSLookup:
    """Return the answer of the DNS as a fact."""
    values = answer.values[:MOST_ADDRESSES] if answer.question.kind in ("A", "AAAA") else answer.values[:MOST_SERVERS]
    return DNSLookup(
        kind=answer.question.kind,
        name=answer.question.name,
        ended=_ENDED[answer.outcome],
        values=tuple(map(_value, values)),
        signed=_SIGNED[answer.security],
        canonical=answer.canonical,
        told=shown(f"{answer.question}: {answer.detail}", MOST_TOLD),
    )


def _records(answer: DNSAnswer) -> tuple[ServiceRecord, ...]:
    return answer.values


def _preference(offer: tuple[ServiceRecord, Tls]) -> tuple[int, int, str, int, str]:
    """Order by priority, then so that two runs give the same order."""
    record, tls = offer
    return (record.priority, -record.weight, record.target, record.port, tls)


def _address_questions(places: Sequence[tuple[str, int, Tls]]) -> list[DNSQuestion]:
    hosts = dict.fromkeys(host for host, _, _ in places)
    return [DNSQuestion(kind=kind, name=host) for host in hosts for kind in ("A", "AAAA")]


def _value(value: object) -> str:
    """Return one record as text."""
    match value:
        case ServiceRecord():
            return f"{value.priority} {value.weight} {value.port} {value.target or '.'}"
        case TLSARecord():
            return str(value) if value.is_usable else f"unusable {value}"
    return str(value)
