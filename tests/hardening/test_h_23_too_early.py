"""H-23: stanzas before negotiation has ended get `not-authorized`, and the stream is closed; none of them passes."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest

from gateway.features.handshake import ComponentAttached, Handshake
from gateway.stream.events import PairChecked
from gateway.stream.facts import Role
from gateway.stream.profiles import component_profile
from tests.support.talk import FEATURES, IN_CLEAR, INBOUND, Talk, header, message, secured, talk, under_tls

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
MECHANISMS = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
BAD_AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>!</auth>"
ASSERTED = "<db:result from='theirs.test' to='ours.test'>key</db:result>"
STANZAS = [
    message(),
    "<presence from='a@theirs.test' to='b@ours.test'/>",
    "<iq from='a@theirs.test' to='b@ours.test' id='1' type='get'><q xmlns='q'/></iq>",
    "<s:message xmlns:s='jabber:server' from='a@theirs.test' to='b@ours.test'/>",
    "<message/>",
]

MOMENTS = {
    "after the header": lambda: talk().hear(header()),
    "where TLS is optional": lambda: talk(terms=IN_CLEAR).hear(header()),
    "under TLS": lambda: under_tls().hear(header()),
    "after a failed proof": lambda: under_tls().hear(header(), BAD_AUTH),
    "while a key is checked": lambda: under_tls(certificate=None).hear(header(), ASSERTED),
    "from a server before its features": lambda: talk(Role.INITIATING).open().hear(header(id_="1")),
    "from a server that proceeds": lambda: (
        talk(Role.INITIATING).open().hear(header(id_="1"), f"<stream:features>{STARTTLS}</stream:features>")
    ),
    "from a server whose verdict waits": lambda: (
        under_tls(Role.INITIATING, certificate=None).open().hear(header(id_="1"), FEATURES)
    ),
    "from a component": lambda: component(),
}


def component() -> Talk:
    profile = component_profile(Handshake(lambda domain: "secret"))
    return talk(profile=profile).hear(header(None, version=None, namespace="jabber:component:accept"))


@pytest.mark.parametrize(("moment", "early"), list(product(MOMENTS, STANZAS)))
def test_h_23_a_stanza_ends_the_stream(moment: str, early: str) -> None:
    talking = MOMENTS[moment]()
    if moment == "from a component":
        early = early.replace("jabber:server", "jabber:component:accept")
    talking.hear(early)
    assert talking.error == "not-authorized"
    assert talking.is_closed
    later = talking.forget().hear(message(), message()).said
    assert not any(isinstance(word, bytes) for word in later)


@pytest.mark.parametrize("early", STANZAS)
def test_h_23_a_stanza_after_a_wrong_key_finds_the_stream_closed(early: str) -> None:
    talking = under_tls(certificate=None).hear(header(), ASSERTED).answer(PairChecked(pair=INBOUND, valid=False))
    later = talking.forget().hear(early, message()).said
    assert not any(isinstance(word, bytes) for word in later)
    assert not talking.stream.is_open


def test_h_23_stanzas_behind_the_header_of_a_new_stream_are_no_earlier() -> None:
    talking = talk().hear(header(), STARTTLS).answer(secured()).hear(header() + message())
    assert talking.error == "not-authorized"


def test_h_23_a_component_that_is_not_yet_attached_waits() -> None:
    digest = hashlib.sha1(b"id-1secret").hexdigest()
    talking = component().hear(f"<handshake>{digest}</handshake>", message())
    assert message().encode() not in talking.said
    assert message().encode() in talking.answer(ComponentAttached(accepted=True)).said
    refused = component().hear(f"<handshake>{digest}</handshake>", message())
    assert refused.answer(ComponentAttached(accepted=False)).error == "conflict"
    assert message().encode() not in refused.said
