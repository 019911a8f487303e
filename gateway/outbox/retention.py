"""Retention rules: which stanzas an outbox keeps while they cannot be delivered, as a table.

A row is a stanza's name and type, with the reason. For a message with content it depends on the content: messages with
only hints of the sender (XEP-0334) or typing notices (XEP-0085) are not kept. Nearly every message is decided by its
first bytes; a tree is built only in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from hashlib import blake2b
from typing import NamedTuple

from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import CLIENT, HINTS
from gateway.xmpp.stanzas import AddressedStanza

CHAT_STATES = "http://jabber.org/protocol/chatstates"


class Keep(Enum):
    """The decision whether a stanza is kept."""

    NO = auto()  # it ends as it would without an outbox
    YES = auto()  # in order
    NEWEST = auto()  # in place of an older one with the same meaning for the same two people
    BY_CONTENT = auto()  # only in the table: YES or NO, depending on the message


class Rule(NamedTuple):
    """A row of the table."""

    keep: Keep
    reason: str


_NO, _YES, _NEWEST, _BY_CONTENT = Keep
_STALE = "it describes a state that will have changed by then"
_AGREE = "losing one leaves two rosters in permanent disagreement (RFC 6121 §3); only the last one counts"
_ANSWERED = "the asker gets an answer or an error soon (RFC 6120 §8.2.3), and does not wait for it later"

RULES: dict[str, dict[str | None, Rule]] = {
    "message": {
        "normal": Rule(_BY_CONTENT, "people read it later (RFC 6121 §5.2.2)"),
        "chat": Rule(_BY_CONTENT, "people read it later (RFC 6121 §5.2.2)"),
        "groupchat": Rule(_NO, "the occupant has left the room by then (XEP-0045 §7.4)"),
        "headline": Rule(_NO, "a headline is for now, and is not stored (RFC 6121 §5.2.2, §8.5.2.1.1)"),
        "error": Rule(_NO, "its receiver no longer waits for the answer (RFC 6120 §8.3.1)"),
    },
    "presence": {
        None: Rule(_NO, _STALE),
        "unavailable": Rule(_NO, _STALE),
        "probe": Rule(_NO, "the answer would be stale (RFC 6121 §4.3)"),
        "subscribe": Rule(_NEWEST, _AGREE),
        "subscribed": Rule(_NEWEST, _AGREE),
        "unsubscribe": Rule(_NEWEST, _AGREE),
        "unsubscribed": Rule(_NEWEST, _AGREE),
        "error": Rule(_NO, "its receiver no longer waits for the answer (RFC 6120 §8.3.1)"),
    },
    "iq": {
        "get": Rule(_NO, _ANSWERED),
        "set": Rule(_NO, _ANSWERED),
        "result": Rule(_NO, _ANSWERED),
        "error": Rule(_NO, _ANSWERED),
    },
}
# A message without a type, or with an unknown one, is a normal one (RFC 6121 §5.2.2); no other stanza is kept.
_UNKNOWN = {
    "message": RULES["message"]["normal"],
    "presence": Rule(_NO, "there is no such type"),
    "iq": Rule(_NO, "there is no such type"),
}

_KEEPS = {(name, type_): each.keep for name, types in RULES.items() for type_, each in types.items()}

# None is the type of a message without one.
_WITH_CONTENT = frozenset({None, *(type_ for type_, each in RULES["message"].items() if each.keep is _BY_CONTENT)})

# The subject of a presence of that type: a request for the receiver's presence, or an answer about the sender's.
_REQUEST, _ANSWER = b"request", b"answer"
_ABOUT = {"subscribe": _REQUEST, "unsubscribe": _REQUEST, "subscribed": _ANSWER, "unsubscribed": _ANSWER}

# The start of an element without a prefix. Groups: the namespace that it declares first, in either kind of quotes.
_CHILD = re.compile(rb"<(?!thread[\s/>])[^\s/>!?:]++(?:[ \t\r\n]++xmlns=(?:'([^'&]++)'|\"([^\"&]++)\"))?[\s/>]")
# A message whose first child is a body: no attribute can contain a "<".
_USUAL = re.compile(rb"<message[\s>][^<]*+<body>")
_NO_STORE = b"no-store"  # the name of an element has only one spelling
_SAYS_NOTHING = (HINTS.encode(), CHAT_STATES.encode())
_REFERENCE = b"&#"  # can spell a namespace differently


def rule(stanza: AddressedStanza) -> Rule:
    """Return the row of a stanza."""
    return RULES[stanza.name].get(stanza.type, _UNKNOWN[stanza.name])


def keeping(stanza: AddressedStanza) -> Keep:
    """Return whether a stanza is kept: NO, YES or NEWEST."""
    keep = _KEEPS.get((stanza.name, stanza.type), _NO if stanza.name != "message" else _BY_CONTENT)
    if keep is not _BY_CONTENT:
        return keep
    raw = stanza.raw
    at = raw.find(b"<", 1)  # of the first child, because no attribute can contain it
    if at > 0 and raw.startswith(b"<body>", at) and _NO_STORE not in raw:
        return _YES
    if at > 0 and _NO_STORE not in raw and (child := _CHILD.match(raw, at)):
        single, double = child.groups()
        if (namespace := single or double) and namespace not in _SAYS_NOTHING:
            return _YES
        if _REFERENCE not in raw and not any(each in raw for each in _SAYS_NOTHING):
            return _YES
    return _by_content(stanza.element)


def keeps_all(stanzas: Sequence[AddressedStanza]) -> bool:
    """Return whether `keeping` is YES for all of these; nearly always, a look at the first bytes of each is enough."""
    raws = [stanza.raw for stanza in stanzas]
    types = {stanza.type for stanza in stanzas}
    if types <= _WITH_CONTENT and all(map(_USUAL.match, raws)) and _NO_STORE not in b"".join(raws):
        return True
    return all(keeping(stanza) is _YES for stanza in stanzas)


def _by_content(message: Element) -> Keep:
    """Return YES if a message has any content worth reading later, else NO."""
    hints = {hint.name for hint in message.elements(HINTS)}
    if "no-store" in hints:
        return _NO
    if "store" in hints:
        return _YES
    for child in message.elements():
        if child.namespace not in (HINTS, CHAT_STATES) and (child.namespace, child.name) != (CLIENT, "thread"):
            return _YES
    return _NO


def key_of(presence: AddressedStanza) -> bytes:
    """Return the key by which a newer presence replaces an older one: the direction, and the two people.

    It is a digest, so that addresses stay as secret at rest as the stanzas.
    """
    about = _ABOUT[presence.type or ""]
    people = b"\0".join((about, presence.from_.bare.encode(), presence.to.bare.encode()))
    return blake2b(people, digest_size=16).digest()


def name_of(raw: bytes) -> str:
    """Return the name of a kept stanza by its first bytes: only messages and presence are kept."""
    return "presence" if raw.startswith(b"<presence") else "message"
