"""Feature 5-3: a new initial header follows SASL success (RFC 6120 §6.4.6)."""

from __future__ import annotations

from gateway.stream.events import NegotiationCompleted
from gateway.stream.facts import Role
from gateway.stream.states import State
from tests.support.talk import header, message, under_tls

OFFER = (
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
    "</stream:features>"
)
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>dGhlaXJzLnRlc3Q=</auth>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"


def test_the_initiating_side_sends_it_at_once_and_without_closing_the_old_stream() -> None:
    talking = under_tls(Role.INITIATING).open().hear(header(id_="1"), OFFER).forget().hear(SUCCESS)
    assert talking.sent.startswith(b"<?xml version='1.0'?><stream:stream ")
    assert b"</stream:stream>" not in talking.sent


def test_the_receiving_side_answers_it_with_a_new_id_and_features() -> None:
    talking = under_tls().hear(header(), AUTH).forget().hear(header())
    assert b" id='id-2' " in talking.sent
    assert b"<stream:features>" in talking.sent
    assert b"mechanisms" not in talking.sent
    assert NegotiationCompleted() in talking.events


def test_stanzas_wait_for_it() -> None:
    talking = under_tls().hear(header(), AUTH)
    assert talking.stream.state is State.AWAITING_HEADER
    assert talking.forget().hear(message()).error == "invalid-namespace"


def test_it_must_name_the_same_domains() -> None:
    assert under_tls().hear(header(), AUTH, header("evil.test")).error == "invalid-from"
    assert under_tls().hear(header(), AUTH, header(to="other.test")).error == "host-unknown"
