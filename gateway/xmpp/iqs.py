"""Iqs: what every iq must have, wherever it is from: an id, a type, and as many children as the type allows (RFC 6120
§8.2.3). The router checks each iq that passes.
"""

from __future__ import annotations

import re

from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, StanzaError
from gateway.xmpp.faults import Fault, stanza_error
from gateway.xmpp.markup import INSIDE_TAG
from gateway.xmpp.stanzas import TYPES, Stanza

# For text that a parser has found well-formed. Groups: the mark of a closing tag, the mark of an empty element.
_TAG = re.compile(b"<(/?)" + INSIDE_TAG + b"(/?)>")
# The start of an iq with content, up to the end of its first child's start tag, if that has content too. Group: name.
_FIRST_CHILD = re.compile(b"<iq" + INSIDE_TAG + rb">\s*+<([^\s/>]++)" + INSIDE_TAG + b">")
_CDATA = re.compile(rb"<!\[CDATA\[.*?\]\]>", re.DOTALL)


def check_iq(stanza: Stanza) -> StanzaError | None:
    """Return the error for an iq that breaks RFC 6120 §8.2.3 (id, type, number of payloads), or None."""
    if stanza.id is None:
        return stanza_error(Fault.INVALID_IQ, "an iq must have an 'id'")
    if stanza.type not in TYPES["iq"]:
        return stanza_error(Fault.INVALID_IQ, "the 'type' of an iq must be get, set, result or error")
    children = _count_children(stanza.raw)
    if stanza.type in ("get", "set") and children != 1:
        return stanza_error(Fault.INVALID_IQ, "an iq of type get or set must have exactly one child")
    if stanza.type == "result" and children > 1:
        return stanza_error(Fault.INVALID_IQ, "an iq result has at most one child")
    if stanza.type == "error" and children not in (1, 2):
        return stanza_error(Fault.INVALID_IQ, "an iq error must have an <error/>, and may repeat the request")
    return None


def _count_children(iq: bytes) -> int:
    """Count the elements directly in an iq, without building them: a single one is recognised at once."""
    first = _FIRST_CHILD.match(iq)
    if first is not None:
        closing = b"</" + first[1]
        if iq.endswith(closing + b"></iq>") and iq.count(closing) == 1:
            return 1
    depth = count = 0
    for closes, empty in _TAG.findall(_CDATA.sub(b"", iq)):
        if closes:
            depth -= 1
        else:
            count += depth == 1
            depth += not empty
    return count


def payload_of(request: Stanza) -> Element:
    """Return the one child of a request that `check_iq` has passed."""
    payload = request.element.first()
    if payload is None:
        raise Misuse(f"{request} has no child")
    return payload
