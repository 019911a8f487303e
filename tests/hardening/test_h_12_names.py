"""H-12: only the subjectAltName names a peer, by exact rules (CVE-2025-59154; RFC 6120 §13.7.1.2, RFC 9525 §6)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.net.certificates.certificate_names import CLIENT, SERVER
from gateway.net.certificates.judge import CertificateJudge, CertificateVerdict
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, trusting
from tests.support.throwaway_ca import Issued, host, ip, srv, xmpp


@dataclass(frozen=True)
class Case:
    situation: str
    names: tuple[str | x509.GeneralName, ...]
    domain: str
    common_name: str = "unrelated.test"
    service: str = SERVER
    critical: tuple[type[x509.ExtensionType], ...] = field(default=())


PROVEN = [
    Case("dNSName", ("example.test",), "example.test"),
    Case("dNSName in capitals", ("Example.TEST",), "example.test"),
    Case("dNSName that is not the first", ("a.test", "b.test", "example.test"), "example.test"),
    Case("wildcard for one label", ("*.example.test",), "chat.example.test"),
    Case("dNSName with an A-label", ("xn--bcher-kva.test",), "bücher.test"),
    Case("dNSName without any subject", ("example.test",), "example.test", common_name=""),
    Case("critical names", ("example.test",), "example.test", critical=(x509.SubjectAlternativeName,)),
    Case("SRVName alone", (srv("_xmpp-server.example.test"),), "example.test"),
    Case("SRVName in capitals", (srv("_XMPP-Server.Example.test"),), "example.test"),
    Case("SRVName with an A-label", (srv("_xmpp-server.xn--bcher-kva.test"),), "bücher.test"),
    Case("SRVName for clients", (srv("_xmpp-client.example.test"),), "example.test", service=CLIENT),
    Case("XmppAddr alone", (xmpp("example.test"),), "example.test"),
    Case("XmppAddr in capitals", (xmpp("EXAMPLE.test"),), "example.test"),
    Case("XmppAddr with a U-label", (xmpp("bücher.test"),), "bücher.test"),
    Case("XmppAddr with an A-label", (xmpp("xn--bcher-kva.test"),), "bücher.test"),
    Case("a bad name beside a good one", ("f*.example.test", srv("nonsense"), "example.test"), "example.test"),
]

REFUSED = [
    Case("common name and no other", (), "example.test", common_name="example.test"),
    Case("common name beside another", ("other.test",), "example.test", common_name="example.test"),
    Case("another domain", ("other.test",), "example.test"),
    Case("a parent", ("example.test",), "chat.example.test"),
    Case("a child", ("chat.example.test",), "example.test"),
    Case("the end of a label", ("xample.test",), "example.test"),
    Case("wildcard for the domain itself", ("*.example.test",), "example.test"),
    Case("wildcard for two labels", ("*.example.test",), "a.chat.example.test"),
    Case("wildcard for all of a public suffix", ("*.test",), "example.test"),
    Case("wildcard alone", ("*",), "example.test"),
    Case("wildcard alone, one label", ("*",), "localhost"),
    Case("part of a label", ("f*.example.test",), "foo.example.test"),
    Case("end of a label", ("*o.example.test",), "foo.example.test"),
    Case("part of an A-label", ("xn--*.example.test",), "bücher.example.test"),
    Case("second label", ("chat.*.test",), "chat.example.test"),
    Case("two wildcards", ("*.*.example.test",), "a.chat.example.test"),
    Case("NUL inside", ("example.test\0.evil.test",), "example.test"),
    Case("NUL behind", ("example.test\0",), "example.test"),
    Case("space before", (" example.test",), "example.test"),
    Case("line feed behind", ("example.test\n",), "example.test"),
    Case("dot behind", ("example.test.",), "example.test"),
    Case("dot before", (".example.test",), "chat.example.test"),
    Case("nothing", ("",), "example.test"),
    Case("U-label as A-label of another", ("xn--bcher-kva.test",), "bucher.test"),
    Case("iPAddress of an address literal", (ip("192.0.2.1"),), "192.0.2.1"),
    Case("iPAddress of a bracketed literal", (ip("2001:db8::1"),), "[2001:db8::1]"),
    Case("dNSName like an address", ("192.0.2.1",), "192.0.2.1"),
    Case("XmppAddr of an address literal", (xmpp("192.0.2.1"),), "192.0.2.1"),
    Case("SRVName of another service", (srv("_imaps.example.test"),), "example.test"),
    Case("SRVName of clients, for a server", (srv("_xmpp-client.example.test"),), "example.test"),
    Case("SRVName of servers, for clients", (srv("_xmpp-server.example.test"),), "example.test", service=CLIENT),
    Case("SRVName of direct TLS", (srv("_xmpps-server.example.test"),), "example.test"),
    Case("SRVName with a wildcard", (srv("_xmpp-server.*.example.test"),), "chat.example.test"),
    Case("SRVName with a wildcard alone", (srv("_xmpp-server.*"),), "example.test"),
    Case("SRVName without underscore", (srv("xmpp-server.example.test"),), "example.test"),
    Case("SRVName with a space before", (srv(" _xmpp-server.example.test"),), "example.test"),
    Case("SRVName with a line feed behind", (srv("_xmpp-server.example.test\n"),), "example.test"),
    Case("SRVName as a host", (srv("_xmpp-server.example.test"),), "_xmpp-server.example.test"),
    Case("dNSName as a service", ("_xmpp-server.example.test",), "example.test"),
    Case("XmppAddr with a wildcard", (xmpp("*.example.test"),), "chat.example.test"),
    Case("XmppAddr of an account", (xmpp("romeo@example.test"),), "example.test"),
    Case("XmppAddr with a resource", (xmpp("example.test/chat"),), "example.test"),
    Case("XmppAddr of a child", (xmpp("chat.example.test"),), "example.test"),
    Case("mail address", (x509.RFC822Name("romeo@example.test"),), "example.test"),
    Case("URI", (x509.UniformResourceIdentifier("xmpp:example.test"),), "example.test"),
    Case(
        "a subject among the names",
        (x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.test")])),),
        "example.test",
    ),
    Case("otherName of an unknown kind", (x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x01a"),), "a"),
]


@pytest.mark.parametrize("case", PROVEN, ids=lambda case: case.situation)
def test_h_12_name_proves_exactly_its_domain(case: Case) -> None:
    verdict = judged(case)
    assert verdict.valid, verdict.problem
    assert verdict.proves(prepare_domain(case.domain))


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.situation)
def test_h_12_name_that_is_no_proof(case: Case) -> None:
    verdict = judged(case)
    assert verdict.valid, "the path is not what fails here"
    assert not verdict.proves(prepare_domain(case.domain))
    assert "is not for" in verdict.why_not(prepare_domain(case.domain))


@pytest.mark.parametrize("text", ["CN=example.test", "example.test, CN=example.test", "example.test\0"])
@pytest.mark.parametrize("kind", [NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME])
def test_h_12_subject_text_is_never_read(kind: x509.ObjectIdentifier, text: str) -> None:
    verdict = judge(authority().issue("other.test", subject=x509.Name([x509.NameAttribute(kind, text)])))
    assert verdict.valid
    assert not verdict.proves(prepare_domain("example.test"))


def judged(case: Case) -> CertificateVerdict:
    names = [host(name) if isinstance(name, str) else name for name in case.names]
    return judge(authority().issue(*names, common_name=case.common_name, critical=case.critical), case.service)


def judge(issued: Issued, service: str = SERVER) -> CertificateVerdict:
    return CertificateJudge(trusting(), service=service).judge(issued.chain, NOW)
