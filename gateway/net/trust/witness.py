"""Witnesses: who is asked whether a certificate is a domain's, where no authority has said so.

A stream that we open knows the TLSA records of its target from the resolution that led there. About a stream that
others open, the domain that they claim is looked up while the stream waits, and never longer than a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, succeed

from gateway.net.certificates.dane import CertificateChain, judge_by_tlsa
from gateway.net.certificates.judge import Attestation, CertificateJudge
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.tlsa import TLSASet
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain

LOOKUP_SECONDS = 5.0
"""How long a stream waits for what is said about its certificate; then it goes on without."""

Attestations = tuple[Attestation, ...]
Witness = Callable[[Domain, Sequence[Means], CertificateChain], "Deferred[Attestations]"]
"""Tells what is said about the certificates of a chain as proof of a domain, by some means; never fails."""


class Witnesses:
    """Makes the witnesses of all streams."""

    def __init__(self, reactor: Any, resolver: Resolver, judge: CertificateJudge) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._judge = judge

    def at_target(self, tlsa: TLSASet | None) -> Witness:
        """For a stream that we open: the records of its target are known."""

        def witness(domain: Domain, means: Sequence[Means], chain: CertificateChain) -> Deferred[Attestations]:
            known = (tlsa,) if tlsa is not None and Means.DANE in means else ()
            return succeed(self._judged(domain, chain, known))

        return witness

    def of_caller(self, domain: Domain, means: Sequence[Means], chain: CertificateChain) -> Deferred[Attestations]:
        """For a stream that others open to us: its domain is looked up."""
        if Means.DANE not in means or not chain or not self._resolver.validates:
            return succeed(())
        looking = Deferred.fromCoroutine(self._resolver.associations(domain))
        looking.addTimeout(LOOKUP_SECONDS, self._reactor)
        return looking.addCallbacks(lambda sets: self._judged(domain, chain, sets), lambda failure: ())

    def _judged(self, domain: Domain, chain: CertificateChain, sets: Iterable[TLSASet]) -> Attestations:
        """What the sets say; the first one that proves the domain is enough."""
        said = [
            attestation
            for tlsa in sets
            if (attestation := judge_by_tlsa(domain, chain, tlsa, trust=self._judge.trust, moment=datetime.now(UTC)))
        ]
        return tuple([each for each in said if not each.problem][:1] or said[:1])
