"""Stanzas that the server makes itself, for clients and accounts: results, errors, and presence."""

from __future__ import annotations

from gateway.im.account import Account, Resource
from gateway.im.edits import attribute, to_recipient
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import (
    CONTENT,
    AddressedStanza,
    SentStanza,
    Stanza,
    bare_recipient,
    error_stanza,
    result_reply,
    stanza_error,
)

UNREACHED = StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "this account cannot be reached at the moment")
"""The error for an account that lives at no node, or at one that is out of reach."""


def request_element(sender: Address, recipient: Address, id_: str, payload: Element) -> Element:
    """Return an iq of type set from the account's server to a client of the account."""
    attributes = {"type": "set", "id": id_, "from": sender.full, "to": recipient.full}
    return Element(CONTENT, "iq", attributes, [payload])


def result_for(account: Account, stanza: SentStanza, payload: Element | None) -> AddressedStanza:
    """Return the result from the account's server; a request without 'to' was to the account (RFC 6120 §10.3.3)."""
    return result_reply(to_recipient(stanza, account.address), payload)


def refuse(resource: Resource, stanza: Stanza, error: StanzaError, *, detail: Element | None = None) -> None:
    """Answer a client's stanza with an error; errors and results are never answered (RFC 6120 §8.3.1).

    Unlike a bounce this answers presence of any type, so that the client learns of its mistake.
    """
    if stanza.is_response:
        return
    explanation = stanza_error(error)
    if detail is not None:
        explanation = explanation.replace(children=[*explanation.children, detail])
    sender = stanza.recipient or bare_recipient(stanza) or resource.account.address
    resource.send(error_stanza(stanza, explanation, to=resource.address, from_=sender))


def presence(type_: str | None, sender: Address) -> SentStanza:
    """Return presence with nothing but its type, and no recipient yet."""
    typed = f" type='{type_}'".encode() if type_ else b""
    return SentStanza("presence", b"<presence%b%b/>" % (attribute("from", sender), typed), None, sender, type_, None)


def presence_to(type_: str | None, sender: Address, recipient: Address) -> AddressedStanza:
    """Return presence with nothing but its type, to one address."""
    return to_recipient(presence(type_, sender), recipient)
