"""Feature 4-4: a new initial header follows TLS, and all that was learned before is forgotten (RFC 6120 §5.4.3.3)."""

from __future__ import annotations

from gateway.stream.events import PairChecked
from gateway.stream.facts import Role
from gateway.stream.states import State
from tests.support.talk import IN_CLEAR, INBOUND, header, secured, talk

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
OFFER = f"<stream:features>{STARTTLS}</stream:features>"
ASSERTED = "<db:result from='theirs.test' to='ours.test'>key</db:result>"


def test_the_initiating_side_sends_a_new_header_at_once() -> None:
    talking = talk(Role.INITIATING).open().hear(header(id_="1"), OFFER, PROCEED).forget().answer(secured())
    assert talking.sent.startswith(b"<?xml version='1.0'?><stream:stream ")
    assert talking.stream.state is State.AWAITING_HEADER


def test_the_receiving_side_waits_for_it() -> None:
    talking = talk().hear(header(), STARTTLS).forget().answer(secured())
    assert talking.said == []
    assert b"<stream:features>" in talking.hear(header()).sent


def test_going_on_without_a_header_is_an_error() -> None:
    assert talk().hear(header(), STARTTLS).answer(secured()).hear(ASSERTED).error == "not-well-formed"


def test_what_was_asserted_in_clear_is_not_proved_under_tls() -> None:
    talking = talk(terms=IN_CLEAR).hear(header(), ASSERTED, STARTTLS).answer(secured(None))
    talking.answer(PairChecked(pair=INBOUND, valid=True)).hear(header())
    assert not talking.stream.facts.proofs
    assert talking.stream.state is State.NEGOTIATING


def test_features_offered_in_clear_count_no_longer() -> None:
    in_clear = (
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>"
        f"</mechanisms>{STARTTLS}</stream:features>"
    )
    talking = talk(Role.INITIATING).open().hear(header(id_="1"), in_clear, PROCEED).answer(secured())
    assert talking.stream.offered is None
    assert b"<auth" not in talking.hear(header(id_="2"), "<stream:features/>").sent
