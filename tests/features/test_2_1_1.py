# ruff: noqa: RUF001  characters that resemble others are the point here
"""2.1-1: every spelling of a domainpart is prepared to one string (RFC 7622 §3.2; Nameprep where both define one)."""

from __future__ import annotations

import stringprep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.words.protocols.jabber.xmpp_stringprep import nameprep

from gateway.xmpp.addresses import prepare_domain, to_ascii
from gateway.xmpp.errors import MalformedAddress
from tests.support.addresses import other_spellings, put_into

# Nameprep folds two letters that IDNA 2008 keeps apart, and keeps invisible letters that UTS 46 ignores.
DIFFERS_FROM_NAMEPREP = set("ßς\u115f\u1160\u17b4\u17b5\u3164")

SPELLINGS = [
    ("EXAMPLE.COM", "example.com"),
    ("Example.Com.", "example.com"),
    ("example.com\u3002", "example.com"),
    ("example\u3002com", "example.com"),
    ("example\uff0ecom\uff61", "example.com"),
    ("ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"),
    ("ＥＸＡＭＰＬＥ.com", "example.com"),
    ("exam\u00adple.com", "example.com"),
    ("\u212aelvin.example", "kelvin.example"),
    ("xn--bcher-kva.example", "bücher.example"),
    ("XN--BCHER-KVA.EXAMPLE.", "bücher.example"),
    ("ｘｎ－－bcher-kva.example", "bücher.example"),
    ("BÜCHER.example", "bücher.example"),
    ("bu\u0308cher.example", "bücher.example"),
    ("straße.example", "straße.example"),
    ("xn--strae-oqa.example", "straße.example"),
    ("STRAẞE.example", "straße.example"),
    ("ΣΊΣΥΦΟΣ.example", "σίσυφοσ.example"),
    ("σίσυφος.example", "σίσυφος.example"),
    ("ﬁrma.example", "firma.example"),
    ("例え.テスト", "例え.テスト"),
    ("xn--r8jz45g.xn--zckzah", "例え.テスト"),
    ("xn--mgbh0fb.example", "مثال.example"),
    ("localhost", "localhost"),
    ("SM", "sm"),
    ("my_service", "my_service"),
    ("_xmpp.example", "_xmpp.example"),
    ("3com.example", "3com.example"),
    ("1.2.3.example", "1.2.3.example"),
    ("a" * 63 + ".example", "a" * 63 + ".example"),
    ("192.0.2.1", "192.0.2.1"),
    ("192.0.2.1.", "192.0.2.1"),
    ("１９２．０．２．１", "192.0.2.1"),
    ("[2001:DB8::1]", "[2001:db8::1]"),
    ("[2001:0db8:0000:0:0:0:0:0001]", "[2001:db8::1]"),
    ("[::FFFF:192.0.2.1]", "[::ffff:192.0.2.1]"),
    ("[::ffff:c000:201]", "[::ffff:192.0.2.1]"),
    ("[::]", "[::]"),
]

REFUSED = [
    "",
    ".",
    "..",
    ".example.com",
    "example..com",
    "example.com..",
    "example.com\u3002.",
    "\u00ad",
    "exa mple.com",
    " example.com",
    "example.com\t",
    "example.com\x00",
    "exa@mple.com",
    "exa/mple.com",
    "example.com:5269",
    "exam*ple.com",
    "*.example.com",
    "-example.com",
    "example-.com",
    "ex--ample.com",
    "-",
    "a" * 64 + ".example",
    "ü" * 60 + ".example",  # its A-label is longer than 63 bytes
    "bü_cher.example",
    "xn--",
    "xn--a",
    "xn--example-.com",
    "xn---bbk.example",  # not the spelling that Punycode gives this label
    "xn--\u00fc.example",
    "exam\u2044ple.com",
    "℀.example",  # UTS 46 makes this a/c
    "\u0301example.com",
    "a\u200db.example",
    "♚.example",
    "אa.example",
    "٠۱.example",
    "\ufffdexample.com",
    "\ue000example.com",
    "192.0.2",
    "192.0.2.256",
    "192.0.2.01",
    "127.1",
    "2130706433",
    "1.2.3.4.5",
    "example.1",
    "2001:db8::1",
    "[192.0.2.1]",
    "[2001:db8::1",
    "2001:db8::1]",
    "[2001:db8::1]]",
    "[[2001:db8::1]]",
    "[2001:db8::1].",
    "[2001:db8::1]:5269",
    "[fe80::1%eth0]",
    "[fe80::1%25eth0]",
    "[]",
    "[v1.x]",
    "[2001:db8::g]",
]


@pytest.mark.parametrize(("text", "domain"), SPELLINGS)
def test_spelling_is_prepared(text: str, domain: str) -> None:
    assert prepare_domain(text) == domain


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(MalformedAddress):
        prepare_domain(text)


@pytest.mark.parametrize("text", ["example.com", "bücher.example", "straße.example", "σίσυφος.example", "例え.テスト"])
def test_all_spellings_are_one_domain(text: str) -> None:
    domain = prepare_domain(text)
    spellings = other_spellings(domain)
    assert len(spellings) >= 7
    assert {prepare_domain(spelling) for spelling in spellings} == {domain}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße.example", "strasse.example"),
        ("σίσυφος.example", "σίσυφοσ.example"),
        ("example.com", "exаmple.com"),  # the second one with a Cyrillic a
        ("192.0.2.1", "[::ffff:192.0.2.1]"),
        ("bücher.example", "bucher.example"),
    ],
)
def test_domains_that_only_look_alike_stay_two(one: str, other: str) -> None:
    assert prepare_domain(one) != prepare_domain(other)


@pytest.mark.parametrize(
    ("text", "ascii_form"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("EXAMPLE.com", "example.com"),
        ("my_service", "my_service"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ],
)
def test_ascii_form_is_what_dns_and_certificates_spell(text: str, ascii_form: str) -> None:
    assert to_ascii(prepare_domain(text)) == ascii_form


def agrees_with_nameprep(text: str) -> bool:
    """Return whether both define the same domain, or at least one of them (in Unicode 3.2, for Nameprep) none."""
    try:
        expected = nameprep.prepare(text).removesuffix(".")
        domain = prepare_domain(text)
    except (UnicodeError, IndexError, MalformedAddress):  # IndexError: Twisted's, for a label that vanished
        return True
    return domain == expected or any(map(stringprep.in_table_a1, expected))


def is_comparable(text: str) -> bool:
    """Return whether Unicode 3.2 has these characters, all before those for private use."""
    return not any(stringprep.in_table_a1(character) or character >= "\ue000" for character in text)


@pytest.mark.parametrize("pattern", ["{}", "a{}a"])
def test_every_character_agrees_with_nameprep(pattern: str) -> None:
    texts = [text for text in put_into(pattern) if is_comparable(text)]
    differing = {text.strip("a") for text in texts if not agrees_with_nameprep(text)}
    assert differing <= DIFFERS_FROM_NAMEPREP
    assert set("ßς") <= differing


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("aB1-.ÀéÉΣΩωЖжàאבＡａ１。．ﬁ漢字アァ각\u0301\u00ad\u2060"), min_size=1, max_size=12))
def test_names_agree_with_nameprep(text: str) -> None:
    assert agrees_with_nameprep(text)
