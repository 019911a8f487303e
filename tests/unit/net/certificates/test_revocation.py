"""Revocation lists that certificates name: which are fetched, which can be used, and what they say about a path."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.net.certificates.certificate_paths import Reason
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.revocation import FetchedList, FetchedLists, UnusableList, distribution_points, read_list
from gateway.stream.facts import Means, Role, ServerFacts, Terms, TLSFacts
from gateway.xmpp.addresses import Domain
from tests.support.ca import NOW, authority, trusting
from tests.support.throwaway_ca import Authority, Issued

URL = "http://crl.test/1.crl"
DOMAIN = Domain("far.test")
OTHER = Authority.create("Another CA", moment=NOW)


def points(*urls: str, issuer: x509.Name | None = None) -> x509.CRLDistributionPoints:
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    crl_issuer = [x509.DirectoryName(issuer)] if issuer is not None else None
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, crl_issuer)])


def naming(*urls: str, **more: x509.Name) -> Issued:
    return authority().issue("far.test", extensions=[points(*urls, **more)])


MANY = tuple(f"http://crl.test/{number}.crl" for number in range(9))


@pytest.mark.parametrize(
    ("issued", "urls"),
    [
        (naming(URL), (URL,)),
        (naming("ldap://crl.test/1", URL, "https://crl.test/1.crl"), (URL,)),
        (naming("http://", "http:///1.crl", "http://[bad/1.crl", f"http://crl.test/{'a' * 1024}"), ()),
        (naming(URL, issuer=OTHER.certificate.subject), ()),
        (
            naming(*(f"http://crl.test/{number}.crl" for number in range(9))),
            tuple(f"http://crl.test/{n}.crl" for n in range(4)),
        ),
        (authority().issue("far.test"), ()),
    ],
    ids=["one", "other ways", "no hosts", "of another issuer", "many", "none"],
)
def test_which_lists_are_fetched(issued: Issued, urls: tuple[str, ...]) -> None:
    assert distribution_points(issued.certificate) == urls


def made(*extensions: tuple[x509.ExtensionType, bool], by: Authority | None = None) -> bytes:
    by = by or authority()
    builder = x509.CertificateRevocationListBuilder(
        by.certificate.subject, NOW - timedelta(days=1), NOW + timedelta(days=1)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(by.issued.key, SHA256()).public_bytes(Encoding.DER)


def scope(url: str, **more: bool) -> tuple[x509.ExtensionType, bool]:
    kinds = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs")
    facts = {**dict.fromkeys(kinds, False), **more}
    point = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)], relative_name=None, only_some_reasons=None, **facts
    )
    return point, True


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (made(), ""),
        (made(scope(URL)), ""),
        (authority().revoke(moment=NOW - timedelta(hours=1)), ""),  # in PEM, as some servers have it
        (made(scope("http://crl.test/2.crl")), "belongs at another URL"),
        (made(scope(URL, indirect_crl=True)), "does not list everything"),
        (made((x509.DeltaCRLIndicator(1), True)), "critical extension"),
        (made(by=OTHER), "not signed by 'Test CA'"),
        (authority().revoke(moment=NOW - timedelta(days=9)), "not current"),
        (authority().revoke(moment=NOW + timedelta(days=1)), "not current"),
        (b"<html>not found</html>", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_which_documents_are_lists_that_can_be_used(data: bytes, why: str) -> None:
    if not why:
        assert read_list(data, URL, authority().certificate, NOW) is not None
        return
    with pytest.raises(UnusableList, match=why):
        read_list(data, URL, authority().certificate, NOW)


ISSUED = naming(URL)


def judging(*revoked: x509.Certificate, days: int = 7) -> CertificateJudge:
    """A judge for whom a list of that was fetched."""
    lists = FetchedLists()
    found = read_list(authority().revoke(*revoked, moment=NOW - timedelta(hours=1)), URL, authority().certificate, NOW)
    due = NOW + timedelta(days=days)
    lists.put(URL, FetchedList(revocations=found, issuer=authority().certificate, due=due), 1000)
    return CertificateJudge(trusting(authority()), lists=lists)


def test_a_certificate_on_the_list_is_revoked() -> None:
    verdict = judging(ISSUED.certificate).judge(ISSUED.chain, NOW)
    assert verdict.reason is Reason.REVOKED
    assert verdict.is_revoked
    assert verdict.problem == "the certificate was revoked on 2026-06-15 by 'Test CA'"
    assert judging(ISSUED.certificate).judge(naming(URL).chain, NOW).valid


def test_an_intermediate_on_the_list_revokes_what_is_below_it() -> None:
    middle = authority()._sign(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Middle")]),
        NOW - timedelta(days=1),
        NOW + timedelta(days=1),
        None,
        [x509.BasicConstraints(ca=True, path_length=None), points(URL)],
        (x509.BasicConstraints,),
    )
    issued = Authority(issued=middle, moment=NOW).issue("far.test")
    verdict = judging(middle.certificate).judge(issued.chain, NOW)
    assert verdict.problem == "that of 'Middle' was revoked on 2026-06-15 by 'Test CA'"


def test_a_new_list_changes_a_verdict_that_was_remembered() -> None:
    judge = CertificateJudge(trusting(authority()))
    assert judge.judge(ISSUED.chain, NOW).valid
    judge.lists = judging(ISSUED.certificate).lists
    assert judge.judge(ISSUED.chain, NOW).is_revoked


def test_a_list_that_is_lacking_or_overdue_is_told() -> None:
    lacking = CertificateJudge(trusting(authority()))
    assert "list of 'Test CA' could not be fetched" in lacking.judge(ISSUED.chain, NOW).unchecked
    assert judging().judge(ISSUED.chain, NOW).unchecked == ""
    assert judging(days=0).judge(ISSUED.chain, NOW).unchecked
    assert lacking.judge(authority().issue("far.test").chain, NOW).unchecked == ""  # it names none


@pytest.mark.parametrize(("needed", "proved"), [(False, Means.EXTERNAL), (True, None)])
def test_a_list_that_is_lacking_counts_where_it_is_needed(needed: bool, proved: Means | None) -> None:
    terms = Terms(needs_revocation_lists=needed)
    verdict = CertificateJudge(trusting(authority())).judge(ISSUED.chain, NOW)
    facts = ServerFacts(role=Role.RECEIVING, remote=DOMAIN, tls=TLSFacts(), terms=terms, certificate=verdict)
    assert facts.proof_by_certificate(DOMAIN, terms) is proved
    assert bool(facts.why_not_by_certificate(DOMAIN)) is needed


def test_urls_are_wanted_of_verified_certificates_only() -> None:
    wanted: list[object] = []
    judge = CertificateJudge(trusting(authority()))
    judge.lists.want = wanted.append
    judge.judge(OTHER.issue("far.test", extensions=[points("http://victim.test/")]).chain, NOW)
    assert not wanted
    judge.judge(ISSUED.chain, NOW)
    assert len(wanted) == 1
