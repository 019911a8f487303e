"""Witnesses: sources of evidence that a certificate belongs to a domain, if no authority says so.

A stream that we open knows the TLSA records of its target from the resolution that led there. For a stream that others
open, the domain that they claim is looked up while the stream waits, and never longer than a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.net.certificates.dane import CertificateChain, judge_by_tlsa
from gateway.net.certificates.judge import Attestation, CertificateJudge
from gateway.net.certificates.posh import judge_by_posh
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.tlsa import TLSASet
from gateway.net.trust.posh import PoshDocuments
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import GatewayError

LOOKUP_SECONDS = 5.0
"""How long a stream waits for evidence about its certificate; then it continues without."""

Attestations = tuple[Attestation, ...]
_Attest = Callable[[Domain, CertificateChain], Coroutine[Any, Any, Attestations]]
Witness = Callable[[Domain, Sequence[Means], CertificateChain], "Deferred[Attestations]"]
"""Returns what is said about the certificates of a chain as proof of a domain, by some means; never fails."""


class Witnesses:
    """Makes the witnesses of all streams."""

    def __init__(
        self,
        reactor: IReactorTime,
        resolver: Resolver,
        judge: CertificateJudge,
        documents: PoshDocuments,
        lists_settled: Callable[[CertificateChain], Deferred[Any]] = lambda chain: succeed(None),
    ) -> None:
        """`lists_settled` fires when no revocation list that these certificates name is being fetched."""
        self._reactor = reactor
        self._resolver = resolver
        self._judge = judge
        self._documents = documents
        self._lists_settled = lists_settled
        self._asked: Mapping[Means, _Attest] = {
            Means.EXTERNAL: self._by_lists,
            Means.DANE: self._by_dane,
            Means.POSH: self._by_posh,
        }

    def at_target(self, tlsa: TLSASet | None) -> Witness:
        """Return the witness for a stream that we open, with the known records of its target."""

        async def known(domain: Domain, chain: CertificateChain) -> Attestations:
            return self._judged(domain, chain, (tlsa,) if tlsa is not None else ())

        return lambda domain, means, chain: self._ask({**self._asked, Means.DANE: known}, domain, means, chain)

    def of_caller(self, address: str) -> Witness:
        """Return the witness for a stream that others open from that address: it looks up the domain they claim."""

        def by_posh(domain: Domain, chain: CertificateChain) -> Coroutine[Any, Any, Attestations]:
            return self._by_posh(domain, chain, address)

        return lambda domain, means, chain: self._ask({**self._asked, Means.POSH: by_posh}, domain, means, chain)

    def _ask(
        self, asked: Mapping[Means, _Attest], domain: Domain, means: Sequence[Means], chain: CertificateChain
    ) -> Deferred[Attestations]:
        """Ask for every means at once, each within its time."""
        if not chain:
            return succeed(())
        looks = [self._in_time(asked[each](domain, chain)) for each in means if each in asked]
        return gatherResults(looks).addCallback(lambda found: tuple(said for each in found for said in each))

    def _in_time(self, looking: Coroutine[Any, Any, Attestations]) -> Deferred[Attestations]:
        found = Deferred.fromCoroutine(looking)
        found.addTimeout(LOOKUP_SECONDS, self._reactor)
        return found.addErrback(_nothing)

    async def _by_lists(self, domain: Domain, chain: CertificateChain) -> Attestations:
        """Wait for the revocation lists without which an authority's word does not count."""
        await self._lists_settled(chain)
        return ()

    async def _by_dane(self, domain: Domain, chain: CertificateChain) -> Attestations:
        if not self._resolver.validates:
            return ()
        return self._judged(domain, chain, await self._resolver.associations(domain))

    async def _by_posh(self, domain: Domain, chain: CertificateChain, address: str = "") -> Attestations:
        document, url = await self._documents.of(domain, address)
        said = judge_by_posh(domain, chain, document, url) if document is not None else None
        return (said,) if said is not None else ()

    def _judged(self, domain: Domain, chain: CertificateChain, sets: Iterable[TLSASet]) -> Attestations:
        """Return what the records say; the first set that proves the domain is enough."""
        said = [
            attestation
            for tlsa in sets
            if (attestation := judge_by_tlsa(domain, chain, tlsa, trust=self._judge.trust, moment=datetime.now(UTC)))
        ]
        return tuple([each for each in said if not each.problem][:1] or said[:1])


def _nothing(failure: Failure) -> Attestations:
    """Return no evidence, because none was found in time or at all."""
    failure.trap(TimeoutError, GatewayError)
    return ()
