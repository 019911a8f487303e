"""Edits of bytes, compared with the same edits of trees."""

from __future__ import annotations

import pytest

from gateway.im.edits import attribute, from_sender, standing_alone, to_recipient, with_child
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element, parse_element
from gateway.xmpp.stanzas import AddressedStanza, restored
from tests.support.trees import stanza

TEXTS = [
    "<message type='chat' id='1'><body>Hi</body></message>",
    "<message  id = \"a'b\"  ><body xmlns:p='urn:p' p:q='&lt;'>&amp;</body><p:x xmlns:p='urn:p'/></message >",
    "<message/>",
    "<message id='1' />",
    "<presence><message xmlns='urn:x'/></presence>",
    "<iq type='get' id='&quot;'><query xmlns='urn:x'><iq xmlns='urn:y'></iq></query></iq>",
]
# Apostrophes, ampersands and signs of tags are all right in a resourcepart.
SENDER = Address.parse("alice@example.com/a'b<c>&\"d")


@pytest.mark.parametrize("text", TEXTS)
def test_sender_and_recipient_are_written_into_the_start_tag(text: str) -> None:
    before = stanza(text)
    after = to_recipient(from_sender(before, SENDER, attribute("from", SENDER)), SENDER)
    assert (after.from_, after.to, after.type, after.id) == (SENDER, SENDER, before.type, before.id)
    assert after.element == before.element.replace(attributes={"from": SENDER.full, "to": SENDER.full})


@pytest.mark.parametrize("written", ["Alice@Example.com/x", "alice@example.com", SENDER.full])
def test_sender_that_was_written_is_replaced(written: str) -> None:
    before = stanza("<message/>").element.replace(attributes={"from": written}).serialize("jabber:client").decode()
    assert from_sender(stanza(before), SENDER, b"").element.get("from") == SENDER.full


def test_recipient_that_was_written_otherwise_is_replaced() -> None:
    before = from_sender(stanza("<message to='bob@example.com/x'/>"), SENDER, attribute("from", SENDER))
    assert isinstance(before, AddressedStanza)
    assert to_recipient(before, before.to) is before
    assert to_recipient(before, SENDER).element.get("to") == SENDER.full


@pytest.mark.parametrize("text", TEXTS)
def test_stanza_stands_alone_in_its_own_namespace(text: str) -> None:
    before = stanza(text)
    assert parse_element(standing_alone(before)) == before.element


@pytest.mark.parametrize("text", TEXTS)
def test_child_is_added_behind_the_others(text: str) -> None:
    before, child = stanza(text), Element("urn:c", "c", {"a": "<"}, ["&"])
    after = with_child(before, child)
    whole = before.element.replace(children=[*before.element.children, child])
    assert parse_element(after, b"<root xmlns='jabber:client'>") == whole


@pytest.mark.parametrize("text", TEXTS)
def test_stanza_is_read_again(text: str) -> None:
    before = to_recipient(from_sender(stanza(text), SENDER, attribute("from", SENDER)), Address.parse("example.net"))
    after = restored(before.name, before.raw)
    for name in ("name", "raw", "to", "from_", "type", "id", "element"):
        assert getattr(after, name) == getattr(before, name)
