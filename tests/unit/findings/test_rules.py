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
    SeenTLS,
    Signed,
)
from gateway.findings.report import judged
from gateway.findings.table import Severity
from tests.unit.findings.seen import FOUR, SIX, certificate, domain, endpoint, lookup, names, server, stream


def found(seen: SeenDomain) -> set[str]:
    """The ids of everything that is not good."""
    return {str(each.id) for each in judged(seen) if each.level is not Severity.GOOD}


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found(domain()) == set()


def request(what: str, answer: PeerAnswer = PeerAnswer.RESULT, **more: object) -> SeenRequest:
    return replace(SeenRequest(what=what, answer=answer), **more)  # type: ignore[arg-type]


PURPOSE = "by external refused (not-authorized: unsupported certificate purpose)"
DEAD = {"reached": Reached.REFUSED, "secured": None, "certificate": None}


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
