"""Witnesses: sources of evidence that a certificate belongs to a domain, if no authority says so.

A stream that we open knows the TLSA records of its target from the resolution that led there. For a stream that others
open, the domain that they claim is looked up while the stream waits, and never longer than a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.python.failure import Failure

from gateway.net.certificates.dane import CertificateChain, judge_by_tlsa
from gateway.net.certificates.judge import Attestation, CertificateJudge
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.tlsa import TLSASet
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import GatewayError

LOOKUP_SECONDS = 5.0
"""How long a stream waits for evidence about its certificate; then it continues without."""

Attestations = tuple[Attestation, ...]
Witness = Callable[[Domain, Sequence[Means], CertificateChain], "Deferred[Attestations]"]
"""Returns what is said about the certificates of a chain as proof of a domain, by some means; never fails."""


class Witnesses:
    """Makes the witnesses of all streams."""

    def __init__(
        self,
        reactor: Any,
        resolver: Resolver,
        judge: CertificateJudge,
        lists_settled: Callable[[CertificateChain], Deferred[Any]] = lambda chain: succeed(None),
    ) -> None:
        """`lists_settled` fires when no revocation list that these certificates name is being fetched."""
        self._reactor = reactor
        self._resolver = resolver
        self._judge = judge
        self._lists_settled = lists_settled

    def at_target(self, tlsa: TLSASet | None) -> Witness:
        """Return the witness for a stream that we open, with the known records of its target."""

        async def known(domain: Domain, means: Sequence[Means], chain: CertificateChain) -> Attestations:
            await self._settle(means, chain)
            sets = (tlsa,) if tlsa is not None and Means.DANE in means else ()
            return self._judged(domain, chain, sets)

        return lambda domain, means, chain: self._in_time(known(domain, means, chain))

    def of_caller(self, domain: Domain, means: Sequence[Means], chain: CertificateChain) -> Deferred[Attestations]:
        """Look up the domain of a stream that others open to us."""
        return self._in_time(self._looked_up(domain, means, chain)) if chain else succeed(())

    async def _looked_up(self, domain: Domain, means: Sequence[Means], chain: CertificateChain) -> Attestations:
        await self._settle(means, chain)
        if Means.DANE not in means or not self._resolver.validates:
            return ()
        return self._judged(domain, chain, await self._resolver.associations(domain))

    async def _settle(self, means: Sequence[Means], chain: CertificateChain) -> None:
        """An authority's word is waited for only where its revocation lists are lacking, and needed."""
        if Means.EXTERNAL in means:
            await self._lists_settled(chain)

    def _in_time(self, looking: Coroutine[Any, Any, Attestations]) -> Deferred[Attestations]:
        found = Deferred.fromCoroutine(looking)
        found.addTimeout(LOOKUP_SECONDS, self._reactor)
        return found.addErrback(_nothing)

    def _judged(self, domain: Domain, chain: CertificateChain, sets: Iterable[TLSASet]) -> Attestations:
        """Return what the records say; the first set that proves the domain is enough."""
        said = [
            attestation
            for tlsa in sets
            if (attestation := judge_by_tlsa(domain, chain, tlsa, trust=self._judge.trust, moment=datetime.now(UTC)))
        ]
        return tuple([each for each in said if not each.problem][:1] or said[:1])


def _nothing(failure: Failure) -> Attestations:
    """What is found where nothing could be, in time or at all."""
    failure.trap(TimeoutError, GatewayError)
    return ()
