"""Two facts on each stream: what they have proved to us, and what we have proved to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

import pytest

from gateway.notices.attempts.proofs import Proofs, proofs_on, sentence
from gateway.stream.facts import Means, Role, ServerFacts, Terms, TLSFacts
from gateway.xmpp.addresses import Domain, DomainPair

OURS, THEIRS = Domain("im.test"), Domain("far.test")


@dataclass(frozen=True)
class Certificate:
    """A certificate that proves their domain, or does not for that reason."""

    problem: str = ""
    valid: bool = True
    has_expired: bool = False
    description: str = ""
    not_after: datetime | None = None
    by: Means = Means.EXTERNAL

    def proves(self, domain: Domain, means: Means = Means.EXTERNAL) -> bool:
        return not self.problem and domain == THEIRS and means is self.by

    def why_not(self, domain: Domain, means: Sequence[Means] = ()) -> str:
        return self.problem

    def accounts(self, domain: Domain) -> frozenset[str]:
        return frozenset()


def proved(facts: ServerFacts) -> tuple[str, str, str]:
    proofs = proofs_on(facts)
    return proofs.they_to_us, proofs.we_to_them, proofs.certificate_fault


def stream(role: Role, *means: Means, problem: str = "", tls: bool = True) -> ServerFacts:
    outgoing = role is Role.INITIATING
    pairs = [DomainPair(OURS, THEIRS), DomainPair(Domain("more.test"), THEIRS)][: len(means)]
    proofs = {pair if outgoing else pair.reversed(): each for pair, each in zip(pairs, means, strict=True)}
    return ServerFacts(
        role=role,
        local=OURS,
        remote=THEIRS,
        tls=TLSFacts(version="TLSv1.3") if tls else None,
        certificate=Certificate(problem) if tls else None,
        proofs=MappingProxyType(proofs),
    )


@pytest.mark.parametrize(
    "problem",
    [
        "the certificate expired on 2026-01-01",
        "the certificate is self-signed",
        "the certificate is not for far.test, but for other.test",
    ],
)
@pytest.mark.parametrize("ours", [Means.EXTERNAL, Means.DIALBACK, Means.CERTIFICATE])
def test_our_own_proof_to_a_server_whose_certificate_proves_nothing_is_not_taken_for_its_proof(
    problem: str, ours: Means
) -> None:
    proofs = proofs_on(stream(Role.INITIATING, ours, problem=problem))
    assert proofs == Proofs("address", ours, problem, "TLSv1.3")
    assert sentence(proofs).startswith(f"they to us: the address alone ({problem})")


def test_a_server_that_we_call_is_proved_by_its_valid_certificate() -> None:
    assert proved(stream(Role.INITIATING, Means.DIALBACK)) == ("certificate", "dialback", "")


def test_a_certificate_that_counts_by_a_record_of_its_domain_is_named_so() -> None:
    certificate = Certificate(by=Means.DANE)
    terms = Terms(means=(Means.EXTERNAL, Means.DANE, Means.DIALBACK))
    facts = replace(stream(Role.INITIATING, Means.DIALBACK), certificate=certificate, terms=terms)
    assert proved(facts) == ("dane", "dialback", "")
    assert sentence(proofs_on(facts)) == "they to us: certificate (DANE); we to them: dialback"


def test_without_tls_nothing_but_the_address_leads_to_a_server_that_we_call() -> None:
    assert proofs_on(stream(Role.INITIATING, Means.DIALBACK, tls=False)).they_to_us == "address"


def test_nothing_is_proved_while_a_stream_is_negotiated() -> None:
    assert proved(stream(Role.INITIATING)) == ("none", "none", "")
    assert proofs_on(stream(Role.RECEIVING)).they_to_us == "none"


@pytest.mark.parametrize("means", [Means.EXTERNAL, Means.DIALBACK, Means.CERTIFICATE])
def test_a_server_that_calls_us_proves_itself_and_is_shown_our_certificate(means: Means) -> None:
    proofs = proofs_on(stream(Role.RECEIVING, means))
    assert (proofs.they_to_us, proofs.we_to_them) == (means, "shown")


def test_of_several_pairs_on_one_stream_the_weakest_proof_counts() -> None:
    assert proofs_on(stream(Role.RECEIVING, Means.EXTERNAL, Means.DIALBACK)).they_to_us == "dialback"


def test_a_shared_secret_proves_both_sides() -> None:
    assert proved(stream(Role.INITIATING, Means.DIGEST_MD5, problem="expired")) == ("digest-md5", "digest-md5", "")
