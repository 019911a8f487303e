"""Which way to a domain follows a failure: a table, and the rule for what a domain has decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.net.dial.tries import (
    DECISIONS,
    AddressTry,
    Shown,
    TryEnding,
    at_last,
    at_once,
    is_definite,
    may_be_in_clear,
    terms_at,
)
from gateway.net.dns.targets import Target
from gateway.net.dns.tlsa import TLSARecord, TLSASet
from gateway.notices.attempts.verdicts import Verdict
from gateway.stream.facts import Means, Terms
from gateway.xmpp.errors import StreamCondition

TARGET = Target(host="a.test", port=5269, tls="starttls", addresses=("192.0.2.1", "192.0.2.2"), source="srv")
BOTH = AddressTry(target=TARGET, terms=Terms())
STRICT = AddressTry(target=TARGET, terms=Terms(means=(Means.EXTERNAL,)))
OURS = frozenset({Means.EXTERNAL})
BOTH_PROOFS = frozenset({Means.EXTERNAL, Means.DIALBACK})
OPPORTUNISTIC = AddressTry(target=TARGET, terms=Terms(require_tls=False))


@pytest.mark.parametrize("condition", StreamCondition)
@pytest.mark.parametrize("proved", [False, True])
def test_only_who_has_proved_to_be_the_domain_decides_for_it(condition: StreamCondition, proved: bool) -> None:
    ending = TryEnding(
        verdict=Verdict.CLOSED_BY_PEER, their_error=condition, shown=Shown.DOMAIN if proved else Shown.NOTHING
    )
    assert is_definite(ending) == (proved and condition in DECISIONS)


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict.is_failure])
def test_no_verdict_alone_is_the_domains_decision(verdict: Verdict) -> None:
    assert not is_definite(TryEnding(verdict=verdict, shown=Shown.DOMAIN))


def test_nothing_follows_when_we_end_it_ourselves() -> None:
    assert is_definite(TryEnding(verdict=Verdict.CLOSED_BY_US))


def test_dialback_follows_at_once_where_they_ended_the_stream_over_our_certificate() -> None:
    ending = TryEnding(verdict=Verdict.PROOF_REFUSED, failed=OURS, by_them=True)
    (next_,) = at_once(BOTH, ending)
    assert next_.terms.means == (Means.DIALBACK,)
    assert next_.target == TARGET
    assert not at_once(next_, ending)  # once is enough
    assert not at_once(STRICT, ending)


@pytest.mark.parametrize(
    "ending",
    [
        TryEnding(verdict=Verdict.PROOF_REFUSED, failed=OURS),
        TryEnding(verdict=Verdict.PROOF_REFUSED, failed=BOTH_PROOFS, by_them=True),
        TryEnding(verdict=Verdict.CONNECTION_LOST, by_them=True),
        TryEnding(
            verdict=Verdict.CLOSED_BY_PEER,
            their_error=StreamCondition.POLICY_VIOLATION,
            failed=OURS,
            by_them=True,
        ),
    ],
    ids=["we left", "dialback was refused", "something else", "by rule"],
)
def test_dialback_does_not_follow_where_it_would_not_help(ending: TryEnding) -> None:
    assert not at_once(BOTH, ending)


def test_other_addresses_come_last_and_then_no_tls() -> None:
    ending = TryEnding(verdict=Verdict.TLS_FAILED, shown=Shown.BROKEN_TLS, untried=("192.0.2.2",))
    address, in_clear = at_last(OPPORTUNISTIC, ending)
    assert (address.target.addresses, address.in_clear) == (("192.0.2.2",), False)
    assert (in_clear.target, in_clear.in_clear) == (TARGET, True)
    assert not any(each.in_clear for each in at_last(BOTH, ending))


def test_nothing_is_proved_in_clear_by_a_certificate() -> None:
    assert may_be_in_clear(Terms(require_tls=False))
    assert not may_be_in_clear(Terms())
    assert not may_be_in_clear(Terms(require_tls=False, means=(Means.EXTERNAL,)))


def with_records(*numbers: tuple[int, int, int]) -> Target:
    records = tuple(
        TLSARecord(usage=usage, selector=selector, matching=matching, data=b"a" * 32)
        for usage, selector, matching in numbers
    )
    return replace(TARGET, tlsa=TLSASet(name="_5269._tcp.a.test", records=records, hosts=("a.test",)))


@pytest.mark.parametrize(
    ("target", "require_tls", "required"),
    [
        (TARGET, False, None),
        (with_records((3, 1, 1)), True, Means.DANE),
        (with_records((3, 1, 9), (3, 1, 1)), True, Means.DANE),
        (with_records((3, 1, 9)), True, None),  # nothing that can be used: TLS, and proof as else
    ],
)
def test_tlsa_records_tighten_the_terms_for_their_server(
    target: Target, require_tls: bool, required: Means | None
) -> None:
    terms = terms_at(target, Terms(require_tls=False, means=(Means.EXTERNAL, Means.DANE, Means.DIALBACK)))
    assert (terms.require_tls, terms.required) == (require_tls, required)


def test_dialback_on_a_new_stream_does_not_drop_the_certificate_that_is_required() -> None:
    terms = Terms(means=(Means.EXTERNAL, Means.DANE, Means.DIALBACK), required=Means.DANE)
    ending = TryEnding(verdict=Verdict.PROOF_REFUSED, failed=OURS, by_them=True)
    (next_,) = at_once(AddressTry(target=TARGET, terms=terms), ending)
    assert next_.terms.means == (Means.DIALBACK, Means.DANE)
    assert next_.terms.by_certificate == (Means.DANE,)
    assert not at_once(next_, ending)
    assert not may_be_in_clear(replace(terms, require_tls=False))
