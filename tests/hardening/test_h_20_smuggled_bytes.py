"""H-20: bytes smuggled behind `<starttls/>`, `<proceed/>` or SASL success end the stream and are never parsed
(class of CVE-2011-0411); nothing that was parsed before TLS reaches a handler.
"""

from __future__ import annotations

from itertools import product

import pytest

from gateway.stream.events import NegotiationCompleted, SecureTransport
from gateway.stream.facts import Role
from tests.support.talk import FEATURES, IN_CLEAR, Talk, header, message, secured, talk, under_tls

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
MECHANISMS = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
ASSERTED = "<db:result from='theirs.test' to='ours.test'>key</db:result>"


def behind_starttls(smuggled: str | bytes, *, bytewise: bool) -> Talk:
    return talk(bytewise=bytewise).hear(header(), joined(STARTTLS, smuggled))


def behind_proceed(smuggled: str | bytes, *, bytewise: bool) -> Talk:
    talking = talk(Role.INITIATING, bytewise=bytewise).open().hear(header(id_="1"))
    return talking.hear(f"<stream:features>{STARTTLS}</stream:features>", joined(PROCEED, smuggled))


def behind_auth(smuggled: str | bytes, *, bytewise: bool) -> Talk:
    return under_tls(bytewise=bytewise).hear(header(), joined(AUTH, smuggled))


def behind_success(smuggled: str | bytes, *, bytewise: bool) -> Talk:
    talking = under_tls(Role.INITIATING, bytewise=bytewise).open().hear(header(id_="1"))
    return talking.hear(f"<stream:features>{MECHANISMS}</stream:features>", joined(SUCCESS, smuggled))


def joined(element: str, smuggled: str | bytes) -> bytes:
    return element.encode() + (smuggled.encode() if isinstance(smuggled, str) else smuggled)


# Well-formed and not, whole and begun: whatever it is, it is not read.
SMUGGLED: list[str | bytes] = [
    "x", " x", "<", "<x", header(), ASSERTED, message(), FEATURES, "</stream:stream>", "<!-- -->", "</x>", "&",
    b"\0", b"\xff", b"\x16\x03\x01\x02\x00", STARTTLS, AUTH, "<" * 20_000, " " * 20_000 + "x",
]  # fmt: skip
PLACES = [behind_starttls, behind_proceed, behind_auth, behind_success]


@pytest.mark.parametrize(("place", "smuggled"), list(product(PLACES, SMUGGLED)))
def test_h_20_in_the_same_segment_it_ends_the_stream(place, smuggled: str | bytes) -> None:
    talking = place(smuggled, bytewise=False)
    assert talking.error == "policy-violation"
    assert talking.is_closed
    assert SecureTransport() not in talking.events
    assert SUCCESS.encode() not in talking.sent
    assert not talking.stream.facts.proofs


@pytest.mark.parametrize("smuggled", [each for each in SMUGGLED if each != b"\x16\x03\x01\x02\x00"])
@pytest.mark.parametrize("place", [behind_starttls, behind_proceed])
def test_h_20_in_a_later_segment_before_tls_is_up_too(place, smuggled: str | bytes) -> None:
    """TLS is the transport's from SecureTransport on; what a stream is still given was sent in clear."""
    talking = place("", bytewise=False).hear(smuggled).forget().answer(secured())
    assert talking.error == "policy-violation"
    assert not talking.stream.facts.encrypted
    assert not talking.stream.facts.proofs


@pytest.mark.parametrize("smuggled", [ASSERTED, message(), AUTH, FEATURES])
@pytest.mark.parametrize("place", PLACES)
def test_h_20_nothing_smuggled_is_handed_to_anybody(place, smuggled: str) -> None:
    for bytewise in (False, True):
        talking = place(smuggled, bytewise=bytewise)
        if talking.stream.is_open and place in (behind_starttls, behind_proceed):
            talking.answer(secured())
        assert message().encode() not in talking.said
        assert NegotiationCompleted() not in talking.events


def test_h_20_what_was_said_in_clear_is_said_in_vain() -> None:
    """Dialback where TLS is optional, then TLS: the pair has to be proved again."""
    talking = talk(terms=IN_CLEAR).hear(header(), ASSERTED, STARTTLS).answer(secured(None)).hear(header(), message())
    assert talking.error == "not-authorized"
