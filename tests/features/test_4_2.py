"""Feature 4-2: no white space is sent between elements while TLS is negotiated, and nothing that they send behind it
is read as part of the protected stream (RFC 6120 §5.3.5, §5.4.3.3).
"""

from __future__ import annotations

import pytest

from gateway.stream.events import SecureTransport
from gateway.stream.facts import Role
from tests.support.talk import header, secured, talk

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
OFFER = f"<stream:features>{STARTTLS}</stream:features>"


def test_we_send_none() -> None:
    receiving = talk().hear(header(), STARTTLS).sent
    initiating = talk(Role.INITIATING).open().hear(header(), OFFER, PROCEED).sent
    for sent in (receiving, initiating):
        assert not any(space in sent for space in (b"> ", b">\n", b" <", b"\n<"))
    assert receiving.endswith(PROCEED.encode())
    assert initiating.endswith(STARTTLS.encode())


@pytest.mark.parametrize("behind", [" x", header(), "<db:result/>", "\x16\x03\x01"])
@pytest.mark.parametrize("role", Role)
def test_h_20_what_comes_behind_in_the_same_segment_ends_the_stream(role: Role, behind: str) -> None:
    if role is Role.RECEIVING:
        talking = talk().hear(header(), STARTTLS + behind)
    else:
        talking = talk(role).open().hear(header(), OFFER, PROCEED + behind)
    assert talking.error == "policy-violation"
    assert SecureTransport() not in talking.events


@pytest.mark.parametrize("behind", ["\nx", header(), "<db:result/>"])
def test_h_20_what_comes_before_tls_is_up_ends_the_stream(behind: str) -> None:
    talking = talk().hear(header(), STARTTLS, behind).forget().answer(secured())
    assert talking.error == "policy-violation"
    assert not talking.stream.facts.encrypted
    assert b"<stream:features" not in talking.sent


@pytest.mark.parametrize("behind", [" ", "\n", "\r\n\t "])
def test_white_space_behind_means_nothing_and_is_dropped(behind: str) -> None:
    talking = talk().hear(header(), STARTTLS + behind)
    assert SecureTransport() in talking.events
    assert talking.error is None
    assert talking.answer(secured()).hear(header()).stream.facts.encrypted


def test_white_space_before_is_harmless() -> None:
    assert SecureTransport() in talk().hear(header(), " \n", STARTTLS).events
