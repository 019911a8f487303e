"""Reading names out of certificates; what they prove is the subject of the tests for H-12."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.net.certificates.certificate_names import (
    LONGEST_NAME,
    MOST_NAMES,
    SRV_NAME,
    XMPP_ADDR,
    CertificateNames,
    shown,
)
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import authority
from tests.support.throwaway_ca import ip, srv, xmpp

EXAMPLE = prepare_domain("example.test")


def test_names_are_read_by_kind_as_they_are_written() -> None:
    issued = authority().issue("A.test", "*.b.test", srv("_xmpp-server.c.test"), xmpp("d@e.test"), ip("192.0.2.1"))
    assert CertificateNames.of(issued.certificate) == CertificateNames(
        dns=("A.test", "*.b.test"), services=("_xmpp-server.c.test",), xmpp_addresses=("d@e.test",)
    )


def test_certificate_without_names_has_none() -> None:
    assert CertificateNames.of(authority().issue(common_name="example.test").certificate) == CertificateNames()


@pytest.mark.parametrize("kind", [SRV_NAME, XMPP_ADDR], ids=["SRVName", "XmppAddr"])
@pytest.mark.parametrize(
    "value",
    [
        b"\x04\x0cexample.test",  # an OCTET STRING
        b"\x13\x0cexample.test",  # a PrintableString
        b"\x0c\x0cexample.test\x00",  # a byte too many
        b"\x16\x18_xmpp-server.example.test",  # a byte too many, by its length
        b"\x0c\x0dexample.test",  # a byte too few
        b"\x0c\x02\xff\xfe",  # no UTF-8
        b"\x16\x02\xff\xfe",  # no ASCII
        b"\x30\x80" * 50,
    ],
    ids=lambda value: value[:8].hex(),
)
def test_other_name_that_is_not_what_its_kind_says_is_no_name(kind: x509.ObjectIdentifier, value: bytes) -> None:
    placeholder = b"\x04" + bytes([len(value) - 2]) + b"?" * (len(value) - 2)
    issued = authority().issue("other.test", x509.OtherName(kind, placeholder))
    der = issued.certificate.public_bytes(Encoding.DER).replace(placeholder, value)
    try:
        names = CertificateNames.of(x509.load_der_x509_certificate(der))
    except ValueError:
        return  # which a judge answers with UNREADABLE
    assert names == CertificateNames(dns=("other.test",))
    assert not names.prove(EXAMPLE)


def test_names_are_bounded_in_number_and_length() -> None:
    many = [f"{number}.test" for number in range(MOST_NAMES)]
    names = CertificateNames.of(authority().issue(*many, "example.test").certificate)
    assert len(names.dns) == MOST_NAMES
    assert not names.prove(EXAMPLE)
    long = authority().issue("a" * (LONGEST_NAME + 1), xmpp("b" * (LONGEST_NAME + 1)), common_name="")
    assert CertificateNames.of(long.certificate) == CertificateNames()


def test_names_are_shown_in_bounded_length() -> None:
    assert str(CertificateNames()) == "no name that XMPP knows"
    names = CertificateNames(dns=("a.test", "b.test"), services=("_xmpp-server.c.test",), xmpp_addresses=("d.test",))
    assert str(names) == "a.test, b.test, _xmpp-server.c.test, xmpp:d.test"
    assert str(CertificateNames(dns=("a.test",) * 7)) == "a.test, a.test, a.test, a.test, a.test and 2 more"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.test", "example.test"),
        ("bücher", "bücher"),
        ("a\0b\nc\x1b[31m", "a\\x00b\\nc\\x1b[31m"),
        ("right\u202eleft", "right\\u202eleft"),
        ("x" * 100, "x" * 80 + "..."),
    ],
)
def test_text_of_others_is_shown_without_what_terminals_obey(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_accounts_are_the_bare_addresses_of_one_domain_in_their_one_spelling() -> None:
    said = ["Juliet@Example.test", "romeo@example.test/garden", "mercutio@verona.test", "example.test", "@example.test"]
    names = CertificateNames.of(authority().issue(*map(xmpp, said)).certificate)
    assert names.accounts(EXAMPLE) == {"juliet@example.test"}
