"""Proof on a stream between servers: two facts, *they to us* and *we to them*.

A stream that we open proves us to the other side, by SASL EXTERNAL or dialback. Only its certificate proves the other
side to us. If that does not prove the domain, we have only the address from the DNS or the configuration, and an
address proves nothing. On a stream that another server opens it is the other way around: it proves itself, and all that
we know about our own proof is that we presented our certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.stream.facts import Facts, Means, Role, ServerFacts
from gateway.stream.records import replace
from gateway.xmpp.addresses import DomainPair


class Proven(StrEnum):
    """Proof of one side to the other, beside the `Means` that were negotiated."""

    NOTHING = "none"
    CERTIFICATE = "certificate"  # of the server that we called: it is valid and names the domain
    ADDRESS = "address"  # only the address that we were given leads to that server
    SHOWN = "shown"  # we presented our certificate; whether it was checked is unknown


@dataclass(frozen=True, slots=True)
class Proofs:
    """The weakest proof of each side, and why the other side's certificate proves nothing, if it does not.

    `tls` is the version, or `none`; `until` is the time of day at which the other side's certificate ends.
    """

    they_to_us: str
    we_to_them: str
    certificate_fault: str = ""
    tls: str = "none"
    until: float | None = None


def proofs_on(facts: Facts) -> Proofs:
    """Return what each side has proved to the other on a stream."""
    they, we, fault = _proved(facts)
    certificate = facts.certificate
    end = certificate.not_after if certificate is not None else None
    return Proofs(they, we, fault, facts.tls.version if facts.tls else "none", end.timestamp() if end else None)


def proofs_of_pair(facts: ServerFacts, pair: DomainPair, means: Means) -> Proofs:
    """Return what the two sides of a further pair have proved to each other on a stream that others opened."""
    other = pair.sender if facts.role is Role.RECEIVING else pair.target
    return proofs_on(replace(facts, remote=other, proofs={pair: means}))


def _proved(facts: Facts) -> tuple[str, str, str]:
    means = _weakest(facts)
    if facts.role is Role.RECEIVING:
        shown = Proven.SHOWN if facts.encrypted else Proven.NOTHING
        return means or Proven.NOTHING, shown, _fault(facts) if means is Means.DIALBACK else ""
    if means is None:
        return Proven.NOTHING, Proven.NOTHING, ""
    if means is Means.DIGEST_MD5:  # both sides prove that they know the secret
        return means, means, ""
    fault = _fault(facts)
    return Proven.ADDRESS if fault else _by_certificate(facts), means, fault


def _by_certificate(facts: Facts) -> str:
    """Return why the certificate counted: by an authority, or by a record of the domain."""
    means = facts.proof_by_certificate(facts.remote, facts.terms) if facts.remote is not None else None
    return Proven.CERTIFICATE if means in (None, Means.EXTERNAL) else str(means)


def _weakest(facts: Facts) -> Means | None:
    found = set(facts.proved.values())
    return Means.DIALBACK if Means.DIALBACK in found else min(found, default=None)


def _fault(facts: Facts) -> str:
    if facts.remote is None:
        return ""
    return facts.why_not_by_certificate(facts.remote) if facts.encrypted else "there is no TLS"


WORDS: Mapping[str, str] = {
    Proven.NOTHING: "nothing",
    Proven.CERTIFICATE: "certificate",
    Proven.ADDRESS: "the address alone",
    Proven.SHOWN: "certificate shown",
    Means.EXTERNAL: "certificate (EXTERNAL)",
    Means.DANE: "certificate (DANE)",
    Means.POSH: "certificate (POSH)",
    Means.DIALBACK: "dialback",
    Means.DIGEST_MD5: "shared secret",
    Means.HANDSHAKE: "shared secret",
    Means.PASSWORD: "password",
}
"""The proofs in words; XEP-0344 relies on the certificate, so it is shown as one."""


def in_words(proof: str) -> str:
    """Return one of these values for people."""
    return WORDS.get(proof, proof)


def sentence(proofs: Proofs) -> str:
    """Return both facts for a log line."""
    fault = f" ({proofs.certificate_fault})" if proofs.certificate_fault else ""
    return f"they to us: {in_words(proofs.they_to_us)}{fault}; we to them: {in_words(proofs.we_to_them)}"
