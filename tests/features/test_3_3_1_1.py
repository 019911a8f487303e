"""Feature 3.3.1-1: our initial header has a 'from', on every stream and after every restart (RFC 6120 §4.7.1)."""

from __future__ import annotations

from gateway.stream.facts import Role
from tests.support.talk import header, secured, talk

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
OFFER = f"<stream:features>{STARTTLS}</stream:features>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def test_the_initial_header_says_who_calls() -> None:
    talking = talk(Role.INITIATING).open()
    assert b" from='ours.test' " in talking.sent
    talking.forget().hear(header(id_="1"), OFFER, PROCEED).answer(secured())
    assert b" from='ours.test' " in talking.sent


def test_a_server_that_does_not_say_who_calls_can_prove_nothing_by_certificate() -> None:
    sent = (
        talk()
        .hear(header(None), "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        .answer(secured())
        .hear(header(None))
        .sent
    )
    assert b"EXTERNAL" not in sent
