"""Feature 10.5-2: errors keep the id of what they answer [stanza-error-id] (RFC 6120 §8.3.1)."""

from __future__ import annotations

from hypothesis import given

from gateway.xmpp.elements import Element, escape_attribute
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import error_reply
from tests.support.elements import xml_text
from tests.support.trees import stanza

ERROR = StanzaError(StanzaCondition.ITEM_NOT_FOUND)


@given(xml_text)
def test_the_id_is_the_same_whatever_it_is(id_: str) -> None:
    for name, type_ in (("message", "chat"), ("iq", "set"), ("presence", "subscribe")):
        attributes = f"from='a@theirs.test' to='b@ours.test' type='{type_}' id='{escape_attribute(id_)}'"
        reply = error_reply(stanza(f"<{name} {attributes}><q xmlns='q'/></{name}>"), ERROR)
        assert reply is not None
        assert reply.id == id_
        assert stanza(reply.raw.decode()).id == id_


def test_what_has_no_id_is_answered_with_none() -> None:
    reply = error_reply(stanza("<message from='a@theirs.test' to='b@ours.test'/>"), ERROR)
    assert reply is not None
    assert isinstance(reply.element, Element)
    assert "id" not in reply.element.attributes
