"""An open stream is judged by the present rules: it stays, or ends with the right condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import pytest

from gateway.routing.review import review
from gateway.stream.facts import Facts, Means, Role, ServerFacts, Terms, TLSFacts
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StreamCondition

OURS, THEIRS = Domain("im.test"), Domain("far.test")
EXTERNAL, DIALBACK, CERTIFICATE = Means.EXTERNAL, Means.DIALBACK, Means.CERTIFICATE


@dataclass
class Certificate:
    """The verdict of now on the certificate that was shown."""

    problem: str = ""
    has_expired: bool = False
    description: str = ""
    key: str = "11" * 32

    @property
    def valid(self) -> bool:
        return not self.problem

    def proves(self, domain: Domain, means: Means = Means.EXTERNAL) -> bool:
        return self.valid and means is Means.EXTERNAL

    def why_not(self, domain: Domain, means: Sequence[Means] = ()) -> str:
        return self.problem


def inbound(*means: Means, encrypted: bool = True) -> Facts:
    proofs = {DomainPair(Domain(f"{number}.test"), OURS): each for number, each in enumerate(means)}
    tls = TLSFacts(version="TLSv1.3") if encrypted else None
    return ServerFacts(role=Role.RECEIVING, local=OURS, remote=THEIRS, tls=tls, proofs=MappingProxyType(proofs))


def outbound(encrypted: bool = True) -> Facts:
    return ServerFacts(role=Role.INITIATING, local=OURS, remote=THEIRS, tls=TLSFacts() if encrypted else None)


GOOD, REVOKED = Certificate(), Certificate("the certificate was revoked")
BOTH, ONLY_CERTIFICATES, ONLY_DIALBACK = (
    Terms(means=(EXTERNAL, DIALBACK)),
    Terms(means=(EXTERNAL,)),
    Terms(means=(DIALBACK,)),
)


@pytest.mark.parametrize(
    ("facts", "certificate", "terms", "ends_with"),
    [
        (inbound(EXTERNAL), GOOD, BOTH, None),
        (inbound(DIALBACK), REVOKED, BOTH, None),
        (inbound(CERTIFICATE), GOOD, ONLY_DIALBACK, None),
        (inbound(EXTERNAL), REVOKED, BOTH, StreamCondition.NOT_AUTHORIZED),
        (inbound(CERTIFICATE), REVOKED, BOTH, StreamCondition.NOT_AUTHORIZED),
        (inbound(EXTERNAL), GOOD, ONLY_DIALBACK, StreamCondition.NOT_AUTHORIZED),
        (inbound(DIALBACK), GOOD, ONLY_CERTIFICATES, StreamCondition.NOT_AUTHORIZED),
        (inbound(EXTERNAL, DIALBACK), GOOD, ONLY_CERTIFICATES, StreamCondition.NOT_AUTHORIZED),
        (inbound(DIALBACK, encrypted=False), None, BOTH, StreamCondition.POLICY_VIOLATION),
        (inbound(EXTERNAL), GOOD, replace(BOTH, pins=frozenset({"11" * 32})), None),
        (inbound(EXTERNAL), GOOD, replace(BOTH, pins=frozenset({"00" * 32})), StreamCondition.NOT_AUTHORIZED),
        (inbound(EXTERNAL), GOOD, None, StreamCondition.POLICY_VIOLATION),
        (outbound(), GOOD, ONLY_CERTIFICATES, None),
        (outbound(), REVOKED, BOTH, None),
        (outbound(), REVOKED, ONLY_CERTIFICATES, StreamCondition.NOT_AUTHORIZED),
        (outbound(encrypted=False), None, BOTH, StreamCondition.POLICY_VIOLATION),
        (outbound(), GOOD, None, StreamCondition.POLICY_VIOLATION),
        (ServerFacts(role=Role.RECEIVING), None, None, None),
    ],
)
def test_a_stream_stays_or_ends_as_the_rules_of_now_say(
    facts: Facts, certificate: Certificate | None, terms: Terms | None, ends_with: StreamCondition | None
) -> None:
    error = review(facts, certificate, terms, lambda domain: domain == OURS)
    assert (error.condition if error else None) == ends_with


@pytest.mark.parametrize("facts", [inbound(EXTERNAL), outbound()], ids=["inbound", "outbound"])
def test_a_domain_that_is_not_ours_any_more_is_host_gone(facts: Facts) -> None:
    error = review(facts, GOOD, BOTH, lambda domain: False)
    assert error is not None
    assert error.condition is StreamCondition.HOST_GONE
