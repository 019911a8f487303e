"""Finding the servers of a remote domain; `target_search` is one search (RFC 6120 §3.2).

    resolver = Resolver(reactor, nameservers=None)
    resolution = await resolver.resolve("example.com")

`ResolutionFailed.permanent` is True if the DNS has said that there is no server, and False if no answer was reliable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from random import Random, SystemRandom

from gateway.net.dns.answers import DNSAnswer, DNSQuestion
from gateway.net.dns.destinations import ANYWHERE, Destinations
from gateway.net.dns.liveness import WatchedNameservers
from gateway.net.dns.nameservers import Asks, Nameservers
from gateway.net.dns.questions import DNSQuestions, ResolverBounds
from gateway.net.dns.service_records import FOR_SERVERS, SRVService
from gateway.net.dns.system_names import (
    Validating,
    WatchedFile,
    nameservers_of,
    read_hosts,
)
from gateway.net.dns.target_search import Note, Patience, SearchAim, TargetSearch, all_of
from gateway.net.dns.targets import (
    Resolution,
    dns_name,
)
from gateway.net.dns.tlsa import TLSASet, tlsa_name
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import ResolutionFailed


class Resolver:
    """Finds the servers of remote domains, and caches the answers."""

    def __init__(
        self,
        reactor: IReactor,
        nameservers: Sequence[str] | None = None,
        *,
        hosts_file: str = "/etc/hosts",
        patience: Patience = Patience(),
        bounds: ResolverBounds = ResolverBounds(),
        random: Random | None = None,
        asks: Asks | None = None,
        destinations: Destinations = ANYWHERE,
        validating: Validating = Validating.AUTO,
    ) -> None:
        """`validating` says which nameservers are believed about DNSSEC."""
        self._reactor = reactor
        self._destinations = destinations
        self._hosts = WatchedFile(hosts_file, read_hosts)
        self._patience = patience
        self._random = random or SystemRandom()
        servers = nameservers_of(nameservers)
        self._validates = lambda: asks is not None or any(map(validating.believes, servers()))
        asked = asks or Nameservers(reactor, servers, believes=validating.believes)
        self.nameservers = WatchedNameservers(asked)
        self._questions = DNSQuestions(reactor, self.nameservers, bounds)

    async def resolve(
        self,
        domain: str,
        *,
        direct_tls: bool = True,
        connect: str | None = None,
        service: SRVService = FOR_SERVERS,
        note: Note = lambda step: None,
        for_strangers: bool = False,
        dane: bool = False,
    ) -> Resolution:
        """Return the targets of a prepared domain; `note` is called with each step.

        With `dane`, the TLSA records of targets are requested wherever DNSSEC proves the way there. Look-ups
        `for_strangers` come after our own, and return few targets. Raise ResolutionFailed if there is no address.
        """
        search = self._search(service, note, for_strangers=for_strangers, dane=dane)
        try:
            targets = await search.targets(domain, direct_tls, connect)
        except ResolutionFailed as failure:
            sentence, permanent = failure.sentence, failure.permanent
            raise ResolutionFailed(sentence, permanent=permanent, steps=search.steps, bogus=search.met_bogus) from None
        return Resolution(domain=domain, targets=targets, steps=tuple(search.steps), definite=search.definite)

    def _search(self, service: SRVService, note: Note, *, for_strangers: bool, dane: bool) -> TargetSearch:
        return TargetSearch(
            self._reactor,
            self._questions,
            self._hosts.content(),
            self._patience if not for_strangers else _less(self._patience),
            self._random,
            self._destinations,
            SearchAim(service=service, for_strangers=for_strangers, dane=dane),
            note,
        )

    @property
    def validates(self) -> bool:
        """Return whether any nameserver is believed about DNSSEC now."""
        return self._validates()

    async def associations(self, domain: str, service: SRVService = FOR_SERVERS) -> tuple[TLSASet, ...]:
        """Return the TLSA records of a domain's servers, and of the domain as a client, where DNSSEC proves them.

        Anybody can cause this, so few servers are examined. Raise ResolutionFailed if there is no such name.
        """
        name = dns_name(domain)
        most = self._patience.for_strangers
        asked = [DNSQuestion(kind="SRV", name=f"{prefix}.{name}") for prefix in service.names.values()]
        answers = await self._answers(asked)
        records = [record for answer in answers if answer.is_secure for record in answer.values if record.target]
        places = [(record.target, record.port) for record in sorted(records, key=attrgetter("priority"))]
        if not places and all(answer.is_secure and answer.definite for answer in answers):
            places = [(name, service.port)]
        hosts = {tlsa_name(host, port): host for host, port in dict.fromkeys(places[:most])}
        hosts[f"_xmpp-server.{name}"] = name
        sets = await self._answers([DNSQuestion(kind="TLSA", name=owner) for owner in hosts])
        return tuple(
            TLSASet(name=owner, records=answer.values, hosts=tuple(dict.fromkeys((name, host))))
            for (owner, host), answer in zip(hosts.items(), sets, strict=True)
            if answer.is_secure and answer.values
        )

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a host that a stranger has named to which other domains may lead us.

        Raises ResolutionFailed when there is none.
        """
        search = self._search(FOR_SERVERS, lambda step: None, for_strangers=True, dane=False)
        return await search.addresses_of(host, port)

    async def _answers(self, questions: Sequence[DNSQuestion]) -> list[DNSAnswer]:
        """Return the answers to a stranger's questions, asked at once."""
        waits = [self._questions.ask(question, self._patience.overall, for_strangers=True) for question in questions]
        return await all_of([wait.answer for wait in waits])

    def forget(self) -> None:
        """Forget all cached answers, so that the next questions are asked again."""
        self._questions.forget()


def _less(patience: Patience) -> Patience:
    most = patience.for_strangers
    return replace(patience, targets=min(patience.targets, most), addresses=min(patience.addresses, most))
