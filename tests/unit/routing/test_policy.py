"""Policy: which headers, pairs and stanzas are refused at which door, and with what."""

from __future__ import annotations

import pytest

from gateway.routing.policy import DomainRule, Domains, OutsidePolicy, RelayPolicy, check_component, refuse_inbound
from gateway.stream.facts import Facts, Means, Role, ServerFacts, Terms, TLSFacts
from gateway.stream.header import StreamHeader
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition, StanzaError, StreamCondition, StreamError
from tests.support.pair import Certificate
from tests.support.trees import stanza

SERVICE, COMPONENT, OTHER = Domain("service.test"), Domain("component.test"), Domain("other.component.test")
RELAYED, SECOND = Domain("relayed.test"), Domain("second.test")
FAR, FORBIDDEN, STRICT = Domain("far.test"), Domain("forbidden.test"), Domain("strict.test")
BELOW = Domain("rooms.component.test")
OUR_TERMS, RELAY_TERMS = Terms(), Terms(require_tls=False, means=(Means.DIALBACK,))
STRICT_TERMS = Terms(means=(Means.EXTERNAL,))
DOMAINS = Domains(
    {
        SERVICE: DomainRule(),
        COMPONENT: DomainRule(with_subdomains=True),
        OTHER: DomainRule(with_subdomains=True),
        RELAYED: DomainRule(terms=RELAY_TERMS),
        SECOND: DomainRule(terms=RELAY_TERMS),
    }
)


def terms_for(domain: Domain) -> Terms | None:
    return {FORBIDDEN: None, STRICT: STRICT_TERMS}.get(domain, OUR_TERMS)


OUTSIDE, INSIDE = OutsidePolicy(DOMAINS, terms_for), RelayPolicy(DOMAINS, terms_for)
IN_CLEAR = ServerFacts(role=Role.RECEIVING)


def header(from_: str | None, to: str | None) -> StreamHeader:
    return StreamHeader(
        content_namespace="jabber:server",
        from_=Address.parse(from_) if from_ else None,
        to=Address.parse(to) if to else None,
    )


def under_tls(*names: Domain, problem: str = "") -> Facts:
    certificate = Certificate(names=frozenset(names), problem=problem)
    return ServerFacts(role=Role.RECEIVING, tls=TLSFacts(version="TLSv1.3"), certificate=certificate)


# Whose is a domain?


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("service.test", "service.test"),
        ("below.service.test", None),
        ("component.test", "component.test"),
        ("rooms.component.test", "component.test"),
        ("deep.rooms.component.test", "component.test"),
        ("other.component.test", "other.component.test"),
        ("below.other.component.test", "other.component.test"),
        ("xcomponent.test", None),
        ("below.relayed.test", None),
        ("test", None),
        ("far.test", None),
    ],
)
def test_owner(domain: str, owner: str | None) -> None:
    assert DOMAINS.owner(Domain(domain)) == owner
    assert DOMAINS.is_own(Domain(domain)) == (owner is not None)


def test_only_relayed_domains_have_terms_for_the_inside_door() -> None:
    assert DOMAINS.relayed_terms(RELAYED) is RELAY_TERMS
    assert DOMAINS.relayed_terms(SERVICE) is None
    assert DOMAINS.relayed_terms(FAR) is None


# Headers.


@pytest.mark.parametrize(
    ("from_", "to", "condition"),
    [
        ("far.test", None, "improper-addressing"),
        ("far.test", "nobody.test", "host-unknown"),
        ("far.test", "below.service.test", "host-unknown"),
        ("service.test", "service.test", "invalid-from"),
        ("component.test", "service.test", "invalid-from"),
        ("rooms.component.test", "service.test", "invalid-from"),
        ("relayed.test", "service.test", "invalid-from"),
        ("relayed.test", "second.test", "invalid-from"),
        ("forbidden.test", "service.test", "policy-violation"),
    ],
)
def test_headers_refused_outside(from_: str, to: str | None, condition: str) -> None:
    with pytest.raises(StreamError) as error:
        OUTSIDE.accept(header(from_, to), IN_CLEAR)
    assert error.value.condition == condition


@pytest.mark.parametrize("to", ["service.test", "component.test", "rooms.component.test", "relayed.test"])
def test_headers_accepted_outside(to: str) -> None:
    facts = OUTSIDE.accept(header("far.test", to), IN_CLEAR)
    assert (facts.local, facts.remote, facts.terms) == (to, FAR, OUR_TERMS)


def test_a_header_without_from_is_nobodys_yet() -> None:
    facts = OUTSIDE.accept(header(None, "service.test"), IN_CLEAR)
    assert (facts.local, facts.remote) == (SERVICE, None)


@pytest.mark.parametrize(
    ("from_", "to", "condition"),
    [
        ("relayed.test", None, "improper-addressing"),
        (None, "far.test", "improper-addressing"),
        ("far.test", "relayed.test", "invalid-from"),
        ("service.test", "far.test", "invalid-from"),
        ("below.relayed.test", "far.test", "invalid-from"),
        ("relayed.test", "relayed.test", "host-unknown"),
        ("relayed.test", "forbidden.test", "host-unknown"),
    ],
)
def test_headers_refused_inside(from_: str | None, to: str | None, condition: str) -> None:
    with pytest.raises(StreamError) as error:
        INSIDE.accept(header(from_, to), IN_CLEAR)
    assert error.value.condition == condition


@pytest.mark.parametrize("to", ["far.test", "service.test", "component.test", "second.test"])
def test_headers_accepted_inside(to: str) -> None:
    facts = INSIDE.accept(header("relayed.test", to), IN_CLEAR)
    assert (facts.local, facts.remote, facts.terms) == (to, RELAYED, RELAY_TERMS)


# Certificates, where nothing else would do.


@pytest.mark.parametrize(
    ("domain", "facts", "refused"),
    [
        (STRICT, under_tls(STRICT), False),
        (STRICT, IN_CLEAR, False),  # TLS is still to come
        (STRICT, under_tls(FAR), True),
        (STRICT, under_tls(STRICT, problem="it has expired"), True),
        (STRICT, under_tls(), True),
        (FAR, under_tls(), False),  # dialback may prove it yet
    ],
)
def test_a_bad_certificate_is_refused_where_it_is_all_there_is(domain: Domain, facts: Facts, refused: bool) -> None:
    if not refused:
        assert OUTSIDE.accept(header(domain, "service.test"), facts).remote == domain
        return
    with pytest.raises(StreamError) as error:
        OUTSIDE.accept(header(domain, "service.test"), facts)
    assert error.value.condition is StreamCondition.NOT_AUTHORIZED


# Pairs that are asserted by dialback.


@pytest.mark.parametrize(
    ("door", "sender", "target", "answer"),
    [
        (OUTSIDE, "far.test", "service.test", OUR_TERMS),
        (OUTSIDE, "far.test", "rooms.component.test", OUR_TERMS),
        (OUTSIDE, "far.test", "relayed.test", OUR_TERMS),
        (OUTSIDE, "far.test", "nobody.test", StanzaCondition.ITEM_NOT_FOUND),
        (OUTSIDE, "forbidden.test", "service.test", StanzaCondition.FORBIDDEN),
        (INSIDE, "relayed.test", "far.test", RELAY_TERMS),
        (INSIDE, "relayed.test", "service.test", RELAY_TERMS),
        (INSIDE, "relayed.test", "forbidden.test", StanzaCondition.ITEM_NOT_FOUND),
        (INSIDE, "relayed.test", "relayed.test", StanzaCondition.ITEM_NOT_FOUND),
    ],
)
def test_asserted_pairs(
    door: OutsidePolicy | RelayPolicy, sender: str, target: str, answer: Terms | StanzaCondition
) -> None:
    assert door.terms_of_pair(DomainPair(Domain(sender), Domain(target))) == answer


def test_nothing_is_asserted_by_a_domain_that_a_filter_shuts_out() -> None:
    policy = OutsidePolicy(DOMAINS, terms_for, lambda domain: "a filter" if domain == "far.test" else "")
    pair = DomainPair(Domain("far.test"), SERVICE)
    assert policy.terms_of_pair(pair) is StanzaCondition.FORBIDDEN
    assert policy.terms_of_pair(pair._replace(sender=Domain("else.test"))) == OUR_TERMS


@pytest.mark.parametrize(
    ("door", "sender"),
    [(OUTSIDE, "service.test"), (OUTSIDE, "rooms.component.test"), (OUTSIDE, "relayed.test"), (INSIDE, "far.test")],
)
def test_asserting_what_is_ours_ends_the_stream(door: OutsidePolicy | RelayPolicy, sender: str) -> None:
    with pytest.raises(StreamError) as error:
        door.terms_of_pair(DomainPair(Domain(sender), SERVICE))
    assert error.value.condition is StreamCondition.INVALID_FROM


@pytest.mark.parametrize(
    ("domain", "outside", "inside"),
    [(SERVICE, True, True), (BELOW, True, True), (RELAYED, True, False), (FAR, False, True)],
)
def test_whose_keys_we_make(domain: Domain, outside: bool, inside: bool) -> None:
    assert (OUTSIDE.speaks_for(domain), INSIDE.speaks_for(domain)) == (outside, inside)


# Stanzas between servers.

PROVED = ServerFacts(role=Role.RECEIVING, local=SERVICE, remote=FAR).with_proof(
    DomainPair(FAR, SERVICE), Means.EXTERNAL
)


@pytest.mark.parametrize(
    ("addresses", "error"),
    [
        ("from='a@far.test'", StreamCondition.IMPROPER_ADDRESSING),
        ("to='service.test'", StreamCondition.IMPROPER_ADDRESSING),
        ("", StreamCondition.IMPROPER_ADDRESSING),
        ("from='@' to='service.test'", StreamCondition.INVALID_FROM),
        ("from='a@other.test' to='service.test'", StreamCondition.INVALID_FROM),
        ("from='a@other.test' to='@'", StreamCondition.INVALID_FROM),
        ("from='a@far.test' to='component.test'", StreamCondition.INVALID_FROM),
        ("from='a@far.test' to='third.test'", StreamCondition.HOST_UNKNOWN),
        ("from='a@far.test' to='@'", StanzaCondition.JID_MALFORMED),
    ],
)
def test_stanzas_refused_from_servers(addresses: str, error: StreamCondition | StanzaCondition) -> None:
    with pytest.raises((StreamError, StanzaError)) as refused:
        refuse_inbound(stanza(f"<message {addresses}/>"), PROVED, DOMAINS)
    assert refused.value.condition == error  # type: ignore[attr-defined]
    assert isinstance(refused.value, StreamError) == isinstance(error, StreamCondition)


# Stanzas from components.


@pytest.mark.parametrize(
    ("addresses", "error"),
    [
        ("from='component.test' to='far.test'", None),
        ("from='nurse@component.test/a' to='far.test'", None),
        ("from='x@rooms.component.test' to='far.test'", None),
        ("from='x@other.component.test' to='far.test'", StreamCondition.INVALID_FROM),
        ("from='x@below.other.component.test' to='far.test'", StreamCondition.INVALID_FROM),
        ("from='x@xcomponent.test' to='far.test'", StreamCondition.INVALID_FROM),
        ("from='service.test' to='far.test'", StreamCondition.INVALID_FROM),
        ("from='far.test' to='far.test'", StreamCondition.INVALID_FROM),
        ("from='@' to='far.test'", StreamCondition.INVALID_FROM),
        ("to='far.test'", StreamCondition.IMPROPER_ADDRESSING),
        ("from='component.test' to='@'", StanzaCondition.JID_MALFORMED),
        ("from='component.test'", StanzaCondition.BAD_REQUEST),
    ],
)
def test_stanzas_of_components(addresses: str, error: StreamCondition | StanzaCondition | None) -> None:
    said = stanza(f"<message {addresses}/>")
    if error is None:
        check_component(said, COMPONENT, DOMAINS)
        return
    with pytest.raises((StreamError, StanzaError)) as refused:
        check_component(said, COMPONENT, DOMAINS)
    assert refused.value.condition == error  # type: ignore[attr-defined]
