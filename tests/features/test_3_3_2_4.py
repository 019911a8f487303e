"""Feature 3.3.2-4: the 'id' is unique, also after every restart, and cannot be guessed (RFC 6120 §4.7.3).

Where ids come from is a tool that streams are given: the gateway's has 128 bits and more from `secrets`.
"""

from __future__ import annotations

import re

from tests.support.talk import Talk, header, secured, talk

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"


def ids(talking: Talk) -> list[bytes]:
    return re.findall(rb" id='([^']*)'", talking.sent)


def test_every_restart_has_a_new_id() -> None:
    talking = talk().hear(header(), STARTTLS).answer(secured()).hear(header(), AUTH, header())
    assert ids(talking) == [b"id-1", b"id-2", b"id-3"]


def test_also_a_restart_that_fails() -> None:
    talking = talk().hear(header(), STARTTLS).answer(secured()).hear("garbage ")
    assert ids(talking) == [b"id-1", b"id-2"]


def test_what_an_id_was_good_for_ends_with_its_stream() -> None:
    talking = talk().hear(header(), STARTTLS).answer(secured())
    assert talking.stream.facts.stream_id == ""
