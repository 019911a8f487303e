"""Small edits of a stanza's bytes: insert an attribute, add a child, wrap the whole.

Stanzas between people are passed on as bytes (see `gateway.xmpp.stanzas`). No tree is built even for presence to two
hundred contacts, or a message that gets a stamp. Every edit relies on the bytes being one well-formed element in
portable form, which the codec has ensured.
"""

from __future__ import annotations

from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element, quote_attribute
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import AddressedStanza, SentStanza, Stanza
from gateway.xmpp.start_tags import with_attributes

_NAMESPACE = f" xmlns='{CLIENT}'".encode()


def attribute(name: str, address: Address) -> bytes:
    """Return an address as an attribute, ready to be put into a start tag."""
    return f" {name}={quote_attribute(address.full)}".encode()


def from_sender(stanza: Stanza, sender: Address, written: bytes) -> SentStanza:
    """Return the stanza with this 'from', in its prepared form; `written` is what `attribute` returns for it."""
    if stanza.from_ is not None:
        return stanza.sent_by(sender, with_attributes(stanza.raw, {b"from": sender.full}))
    return stanza.sent_by(sender, _put_in(stanza, written))


def to_recipient(stanza: SentStanza, recipient: Address) -> AddressedStanza:
    """Return the stanza with this 'to'."""
    if not isinstance(stanza, AddressedStanza):
        return stanza.sent_to(recipient, _put_in(stanza, attribute("to", recipient)))
    if stanza.to == recipient:
        return stanza
    return stanza.sent_to(recipient, with_attributes(stanza.raw, {b"to": recipient.full}))


def standing_alone(stanza: Stanza) -> bytes:
    """Return the bytes of a stanza with its content namespace declared, for use inside another element (XEP-0297)."""
    return _put_in(stanza, _NAMESPACE)


def with_child(stanza: Stanza, child: Element) -> bytes:
    """Return the bytes of a stanza with one more child, at the end."""
    raw, added = stanza.raw, child.serialize(CLIENT)
    if raw.endswith(b"/>"):
        return b"%b>%b</%b>" % (raw[:-2], added, stanza.name.encode())
    end = raw.rindex(b"</")
    return raw[:end] + added + raw[end:]


def _put_in(stanza: Stanza, written: bytes) -> bytes:
    behind_name = 1 + len(stanza.name)
    return stanza.raw[:behind_name] + written + stanza.raw[behind_name:]
