"""The rules: what facts lead to which findings; what the wire tests show with real servers is not repeated here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.findings.facts import (
    LookedUp,
    PeerAnswer,
    Reached,
    SeenConversation,
    SeenDomain,
    SeenRequest,
    SeenStream,
    SeenTLS,
    Signed,
    STARTTLSOffer,
)
from gateway.findings.report import judged
from gateway.findings.table import Severity
from tests.unit.findings.seen import DOMAIN, FOUR, SIX, certificate, domain, endpoint, lookup, names, server, stream


def found(seen: SeenDomain) -> set[str]:
    """The ids of everything that is not good."""
    return {str(each.id) for each in judged(seen) if each.level is not Severity.GOOD}


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found(domain()) == set()


def request(what: str, answer: PeerAnswer = PeerAnswer.RESULT, **more: object) -> SeenRequest:
    return replace(SeenRequest(what=what, answer=answer), **more)  # type: ignore[arg-type]


LITERAL = server("192.0.2.1", four=None, six=None)
NOWHERE = server("gone.test", four=lookup("A", "gone.test"), six=lookup("AAAA", "gone.test"))
ALIAS = lookup("A", f"xmpp.{DOMAIN}", FOUR, canonical="other.test")
NO_SRV = lookup("SRV", f"_xmpp-server._tcp.{DOMAIN}")
SIGNED = lookup("TLSA", "x", "3 1 1 00...", signed=Signed.SECURE)
UNUSABLE = replace(SIGNED, values=("unusable 9 9 9",))
PAIR = {"four": lookup("A", "x", FOUR, signed=Signed.SECURE), "six": lookup("AAAA", "x", SIX, signed=Signed.SECURE)}
ALL_SIGNED = {"checks_signatures": True, "services": (lookup("SRV", "x", "1 0 5269 y", signed=Signed.SECURE),)}
STRONG = "ECDHE-RSA-AES128-GCM-SHA256"
PURPOSE = "by external refused (not-authorized: unsupported certificate purpose)"
DEAD = {"reached": Reached.REFUSED, "secured": None, "certificate": None}


def test_an_address_that_was_not_tried_is_named_with_the_reason() -> None:
    skipped = {**DEAD, "reached": Reached.SKIPPED, "told": "too many addresses"}
    found = [each for each in judged(domain(endpoint(), endpoint(SIX, **skipped))) if each.id == "unfinished"]
    assert [(each.observed, len(each.where)) for each in found] == [("not tried: too many addresses", 1)]


@pytest.mark.parametrize(
    ("seen", "ids"),
    [
        (domain(endpoint(), endpoint(SIX, **DEAD)), {"ipv6-dead"}),
        (domain(endpoint(**DEAD), endpoint(SIX)), {"address-dead"}),
        (domain(endpoint(**DEAD), endpoint(SIX, **DEAD)), {"unreachable"}),
        (domain(endpoint(), endpoint(SIX, **DEAD, host="other.test")), {"server-dead"}),
        (domain(endpoint(), endpoint(SIX, **{**DEAD, "reached": Reached.NO_ROUTE})), {"no-route"}),
        (domain(endpoint(), endpoint(SIX, **{**DEAD, "reached": Reached.SKIPPED})), {"unfinished"}),
        (domain(unfinished="the last address"), {"unfinished"}),
        (domain(endpoint(certificate=certificate(reason="revoked"))), {"certificate-revoked"}),
        (domain(endpoint(certificate=certificate(reason="weak"))), {"certificate-refused"}),
        (domain(endpoint(certificate=certificate(reason="wrong purpose"))), {"certificate-wrong-purpose"}),
        (domain(endpoint(certificate=certificate(purposes="server"))), {"certificate-for-servers-only"}),
        (domain(endpoint(certificate=certificate(reason="self-signed", dane="match"))), set()),
        (domain(endpoint(), endpoint(SIX, certificate=certificate(key="11" * 32))), {"keys-differ"}),
        (domain(endpoint(stream=stream(mechanisms_in_clear=("EXTERNAL",)))), {"sasl-before-tls"}),
        (domain(endpoint(stream=stream(features_in_tls=("bidi", "starttls")))), {"starttls-again"}),
        (domain(endpoint(stream=stream(features_in_tls=("dialback",)))), {"no-bidi"}),
        (domain(tolerance=(request("1,000 pairs", PeerAnswer.ERROR),)), {"many-pairs-unanswered"}),
        (domain(endpoint(tls="direct", secured=SeenTLS(version="TLSv1.3", cipher=""))), {"no-alpn"}),
        (
            domain(
                without_sni=endpoint(certificate=certificate(names="other.test", names_domain=False)),
            ),
            {"needs-sni"},
        ),
        (domain(names=names(server(six=lookup("AAAA", "xmpp.example.test")))), {"no-ipv6"}),
        (domain(names=names(server(four=lookup("A", "xmpp.example.test")))), {"no-ipv4"}),
        (
            domain(names=names(server(six=lookup("AAAA", "x", ended=LookedUp.SILENT)))),
            {"unfinished"},
        ),
        (
            domain(names=names(server(tlsa=lookup("TLSA", "x", signed=Signed.BOGUS)), checks_signatures=True)),
            {"tlsa-unavailable"},
        ),
        (domain(names=names(LITERAL, source="literal")), set()),
        (domain(names=names(source="fallback", services=(NO_SRV,))), {"no-srv"}),
        (domain(names=names(services=(replace(NO_SRV, signed=Signed.BOGUS),))), {"dns-bogus"}),
        (domain(names=names(source="fallback", services=(NO_SRV,), denied=True, servers=())), {"no-service"}),
        (domain(names=names(NOWHERE)), {"no-address"}),
        (domain(names=names(NOWHERE, server())), {"server-without-address"}),
        (domain(names=names(LITERAL, server())), set()),
        (domain(names=names(server(four=ALIAS), services=(NO_SRV,))), {"srv-alias"}),
        (domain(names=names(server(tlsa=SIGNED, **PAIR), **ALL_SIGNED)), set()),
        (domain(names=names(server(tlsa=UNUSABLE, **PAIR), **ALL_SIGNED)), {"tlsa-unusable"}),
        (domain(names=names(server(**PAIR), **ALL_SIGNED)), set()),
        (domain(endpoint(stream=stream(starttls=STARTTLSOffer.OPTIONAL))), {"starttls-optional"}),
        (domain(endpoint(secured=None, stream=stream(starttls=STARTTLSOffer.ABSENT))), {"no-starttls"}),
        (domain(endpoint(secured=None, problem="no shared cipher")), {"tls-failed"}),
        (domain(endpoint(secured=SeenTLS(version="TLSv1", cipher="AES256-SHA"))), {"tls-old"}),
        (domain(endpoint(secured=SeenTLS(version="TLSv1.2", cipher="AES256-SHA"))), {"tls-weak", "no-tls-1.3"}),
        (domain(endpoint(secured=SeenTLS(version="TLSv1.2", cipher=STRONG))), {"no-tls-1.3"}),
        (domain(without_sni=endpoint(problem="unrecognized name")), {"needs-sni"}),
        (domain(without_sni=endpoint()), set()),
        (domain(endpoint(certificate=None), without_sni=endpoint(problem="unrecognized name")), set()),
        (domain(endpoint(certificate=certificate(days_left=3))), {"certificate-expires-soon"}),
        (domain(endpoint(certificate=certificate(reason="unknown authority"))), {"chain-incomplete"}),
        (
            domain(endpoint(certificate=certificate(reason="unknown authority", ends_in_root=True))),
            {"authority-unknown"},
        ),
        (domain(endpoint(stream=stream(condition="host-unknown"))), {"host-unknown"}),
        (domain(endpoint(secured=None, stream=SeenStream(ended="it closed"))), {"not-xmpp"}),
        (domain(endpoint(stream=stream(version=""))), {"no-version"}),
        (domain(endpoint(secured=None, stream=stream(starttls=None))), {"no-features"}),
        (domain(endpoint(stream=stream(features_in_tls=None))), {"no-features"}),
        (domain(endpoint(stream=stream(verify=PeerAnswer.VALID))), {"verifies-anything"}),
        (domain(endpoint(stream=stream(claim=PeerAnswer.VALID))), {"believes-anybody"}),
        (domain(endpoint(stream=stream(dialback=False))), {"dialback-not-advertised"}),
        (domain(endpoint(stream=stream(dialback=False, verify=PeerAnswer.SILENCE))), {"no-dialback"}),
        (domain(endpoint(stream=stream(verify=PeerAnswer.SILENCE))), {"verify-unanswered"}),
        (domain(endpoint(stream=stream(dialback_errors=False))), {"no-dialback-errors"}),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else "",
)
def test_facts_lead_to_findings(seen: SeenDomain, ids: set[str]) -> None:
    assert found(seen) == ids


def test_a_server_that_lets_only_certificates_in_has_chosen_that() -> None:
    stream = replace(endpoint().stream, condition="not-authorized", features_in_tls=None, verify=PeerAnswer.NOT_ASKED)
    assert found(domain(endpoint(stream=stream))) == {"needs-certificate"}


def test_the_order_of_a_report_does_not_depend_on_the_order_of_facts() -> None:
    endpoints = (endpoint(), endpoint(SIX, certificate=certificate(reason="expired", key="11" * 32)))
    assert judged(domain(*endpoints)) == judged(domain(*reversed(endpoints)))


def test_the_same_at_several_addresses_is_one_finding() -> None:
    old = certificate(reason="expired", problem="the certificate expired on 2026-01-01")
    findings = judged(domain(endpoint(certificate=old), endpoint(SIX, certificate=old)))
    (expired,) = [each for each in findings if each.id == "certificate-expired"]
    assert len(expired.where) == 2
    assert FOUR in expired.where[0] + expired.where[1]


TALK = SeenConversation(
    ours="ours.test",
    requests=(
        request("ping"),
        request("disco"),
        request("unknown request", PeerAnswer.ERROR, condition="service-unavailable"),
        request("unknown user", PeerAnswer.ERROR, condition="service-unavailable"),
        request("large", PeerAnswer.ERROR, condition="service-unavailable"),
    ),
    clock_skew=2.0,
    we_to_them="external",
    they_to_us="certificate",
    came_back=True,
    management="resumable",
    acknowledged_after=0.1,
)


def with_request(what: str, answer: PeerAnswer, condition: str = "") -> SeenConversation:
    others = [each for each in TALK.requests if each.what != what]
    return replace(TALK, requests=(*others, request(what, answer, condition=condition)))


@pytest.mark.parametrize(
    ("talk", "ids"),
    [
        (TALK, set()),
        (replace(TALK, clock_skew=-600.0), {"clock-off"}),
        (replace(TALK, we_to_them="dialback"), {"we-prove-by-dialback"}),
        (replace(TALK, they_to_us="dialback"), {"they-prove-by-dialback"}),
        (replace(TALK, they_to_us=""), {"they-do-not-prove"}),
        (replace(TALK, management="none", acknowledged_after=None), {"no-acknowledgements"}),
        (replace(TALK, management="unused", acknowledged_after=None), set()),
        (replace(TALK, management="acknowledged"), {"not-resumable"}),
        (replace(TALK, acknowledged_after=None), {"not-acknowledged"}),
        (replace(TALK, acknowledged_after=5.5), {"not-acknowledged"}),
        (replace(TALK, our_purposes="server", certificate_refused=PURPOSE), set()),
        (
            replace(TALK, our_purposes="server", certificate_refused=PURPOSE, we_to_them="dialback"),
            {"certificate-for-servers-refused", "we-prove-by-dialback"},
        ),
        (
            replace(TALK, our_purposes="server client", certificate_refused=PURPOSE, we_to_them="dialback"),
            {"we-prove-by-dialback"},
        ),
        (
            replace(TALK, our_purposes="server", certificate_refused="it has expired", we_to_them="dialback"),
            {"we-prove-by-dialback"},
        ),
        (with_request("64 KiB", PeerAnswer.SILENCE), {"stanza-of-64-kib-refused"}),
        (with_request("64 KiB", PeerAnswer.ERROR, "policy-violation"), {"stanza-of-64-kib-refused"}),
        (with_request("64 KiB", PeerAnswer.ERROR, "service-unavailable"), set()),
        (replace(TALK, problem="it does not run"), {"service-not-asked"}),
        (with_request("ping", PeerAnswer.SILENCE), {"iq-unanswered"}),
        (with_request("ping", PeerAnswer.ERROR, "service-unavailable"), {"no-ping"}),
        (with_request("disco", PeerAnswer.ERROR, "service-unavailable"), {"no-disco"}),
        (with_request("unknown user", PeerAnswer.SILENCE), {"unknown-user-unanswered"}),
        (with_request("unknown user", PeerAnswer.RESULT), {"unknown-user-wrong"}),
        (with_request("unknown request", PeerAnswer.SILENCE), {"unknown-request-unanswered"}),
        (with_request("unknown request", PeerAnswer.RESULT), {"unknown-request-wrong"}),
        (with_request("large", PeerAnswer.ERROR, "policy-violation"), {"large-stanza-refused"}),
        (replace(TALK, requests=(request("ping", PeerAnswer.SILENCE),), came_back=False), {"no-way-back"}),
        (
            replace(TALK, requests=(request("ping", PeerAnswer.SILENCE),), came_back=False, we_to_them=""),
            {"not-let-in"},
        ),
        (replace(TALK, requests=(request("ping", seconds=11.0),)), {"slow-back"}),
        (replace(TALK, requests=(*TALK.requests, request("version", seconds=6.0))), {"slow-answers"}),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else "",
)
def test_a_conversation_leads_to_findings(talk: SeenConversation, ids: set[str]) -> None:
    assert found(domain(conversation=talk)) == ids


@pytest.mark.parametrize(
    ("tried", "ids"),
    [
        (request("confirmation", PeerAnswer.NOT_ASKED), {"not-confirmed"}),
        (request("TLS 1.3 only", PeerAnswer.ERROR), {"tls-1.3-alone-refused"}),
        (request("TLS 1.1 only"), {"old-tls-accepted"}),
        (request("white space", PeerAnswer.ERROR), {"whitespace-refused"}),
        (request("a comment"), {"restricted-xml-accepted"}),
        (request("a comment", PeerAnswer.ERROR), set()),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else "",
)
def test_tolerance_leads_to_findings(tried: SeenRequest, ids: set[str]) -> None:
    assert found(domain(tolerance=(tried,))) == ids
