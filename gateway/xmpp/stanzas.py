"""Stanza: the common attributes of RFC 6120 §8.1 over bytes that pass untouched.

A stanza's bytes are *portable*: they stand in whatever content namespace the stream around them has, declare
every other namespace that they use, and so can be written to any stream as they are (RFC 6120 §4.8.3).
The codec sees to that for what comes in; `Stanza.from_element` for what we make ourselves.
The tree is built when somebody asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element, parse_element, quote_attribute, unescape
from gateway.xmpp.errors import MalformedAddress, StanzaError
from gateway.xmpp.faults import Fault
from gateway.xmpp.faults import stanza_error as error_of
from gateway.xmpp.markup import INSIDE_TAG
from gateway.xmpp.namespaces import CLIENT, STANZA_ERRORS, XML

# What a tree of a stanza is qualified by, whatever stream it came from: content is the same everywhere.
CONTENT = CLIENT
_ROOT = f"<root xmlns='{CONTENT}'>".encode()

NAMES = frozenset({"message", "presence", "iq"})

# What a client says in presence to a room that it joins, and a room in presence to its occupants (XEP-0045).
MUC = b"http://jabber.org/protocol/muc"
MUC_USER = MUC + b"#user"

# The values of 'type' that RFC 6121 §5.2.2, §4.7.1 and RFC 6120 §8.2.3 define.
TYPES = {
    "message": frozenset({"normal", "chat", "groupchat", "headline", "error"}),
    "presence": frozenset({"unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"}),
    "iq": frozenset({"get", "set", "result", "error"}),
}

_START_TAG_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"""[ \t\r\n]+([^\s=/>]+)[ \t\r\n]*=[ \t\r\n]*('[^']*'|"[^"]*")""")

# In what a parser has found well-formed. Groups: the mark of a closing tag, the mark of an empty element.
_TAG = re.compile(b"<(/?)" + INSIDE_TAG + b"(/?)>")
# The start of an iq that has content, up to the end of its first child's start tag, which has content too. Group: name.
_FIRST_CHILD = re.compile(b"<iq" + INSIDE_TAG + rb">\s*+<([^\s/>]++)" + INSIDE_TAG + b">")
_CDATA = re.compile(rb"<!\[CDATA\[.*?\]\]>", re.DOTALL)


# A new address heals a stanza whose old one was malformed.
_HEALED_BY = {Fault.FROM_MALFORMED: b"from", Fault.TO_MALFORMED: b"to"}


class Flaw(NamedTuple):
    """Why a stanza cannot be taken as it came.

    `sender` is what can be read of a malformed 'from'; `to` is the recipient of a stanza that has not been kept.
    """

    fault: Fault
    problem: str
    sender: Address | None = None
    to: Address | None = None


class Stanza:
    """A message, presence or iq: common attributes, and its bytes.

    `to` and `from_` are None when absent or malformed, and `to` is None where only the start tag was kept, too; `flaw`
    says so. A stanza with a flaw therefore never passes for one that is to be delivered.
    """

    __slots__ = ("_element", "_id", "flaw", "from_", "name", "raw", "to", "type")

    def __init__(
        self,
        name: str,
        raw: bytes,
        to: Address | None,
        from_: Address | None,
        type_: str | None,
        id_: str | bytes | None,
        flaw: Flaw | None = None,
    ) -> None:
        """`id_` may be an attribute value as it is on the wire, quotes included: few callers read it."""
        self.name = name
        self.raw = raw
        self.to = to
        self.from_ = from_
        self.type = type_
        self._id = id_
        self.flaw = flaw
        self._element: Element | None = None

    @classmethod
    def from_element(cls, element: Element) -> Stanza:
        """The stanza that this tree is, with its addresses as they are prepared."""
        addresses = {key: Address.parse(text) for key in ("to", "from") if (text := element.get(key)) is not None}
        if any(element.get(key) != address.full for key, address in addresses.items()):
            element = element.replace(attributes={key: address.full for key, address in addresses.items()})
        stanza = cls(
            element.name,
            element.serialize(CONTENT),
            addresses.get("to"),
            addresses.get("from"),
            element.get("type"),
            element.get("id"),
        )
        stanza._element = element
        return stanza

    @property
    def id(self) -> str | None:
        """The value of the attribute 'id'."""
        if isinstance(self._id, bytes):
            self._id = unescape(self._id[1:-1])
        return self._id

    @property
    def element(self) -> Element:
        """The tree, built on first use; its content is qualified by CONTENT."""
        if self._element is None:
            self._element = parse_element(self.raw, _ROOT)
        return self._element

    def head(self) -> bytes:
        """What an error about the stanza needs of its bytes: addresses and id, as they are written."""
        kept = [b" %b=%b" % each for each in _attributes(self.raw) if each[0] in (b"to", b"from", b"id")]
        return b"<%b%b/>" % (self.name.encode(), b"".join(kept))

    @property
    def sender(self) -> Address | None:
        """The address in 'from', or what can be read of one that is malformed."""
        return self.from_ if self.flaw is None or self.from_ is not None else self.flaw.sender

    @property
    def recipient(self) -> Address | None:
        """The address in 'to', also of a stanza that has not been kept."""
        return self.to if self.flaw is None or self.to is not None else self.flaw.to

    @property
    def is_request(self) -> bool:
        """Whether the sender must get exactly one answer: an iq of type get or set (RFC 6120 §8.2.3)."""
        return self.name == "iq" and self.type in ("get", "set")

    @property
    def is_response(self) -> bool:
        """Whether this answers something: an iq of type result, or any stanza of type error."""
        return self.type == "error" or (self.name == "iq" and self.type == "result")

    def __repr__(self) -> str:
        return f"<Stanza {self.name} type={self.type} from={self.from_} to={self.to} {len(self.raw)} bytes>"

    def rewritten(self, raw: bytes, *, to: Address | None = None, from_: Address | None = None) -> Stanza:
        """The same stanza in these bytes, which say so where it has another 'to' or 'from' in them."""
        return Stanza(self.name, raw, to or self.to, from_ or self.from_, self.type, self._id, self.flaw)

    def readdressed(self, *, to: Address | None = None, from_: Address | None = None) -> Stanza:
        """The same stanza with another 'to' or 'from'; only its start tag is rewritten."""
        changes: dict[bytes, str] = {}
        if to is not None:
            changes[b"to"] = to.full
        if from_ is not None:
            changes[b"from"] = from_.full
        return Stanza(
            self.name,
            with_attributes(self.raw, changes),
            to or self.to,
            from_ or self.from_,
            self.type,
            self.id,
            None if self.flaw is None or _HEALED_BY.get(self.flaw.fault) in changes else self.flaw,
        )


class DirectedPresence(Stanza):
    """Presence that a client of ours has sent to one address, and that must not end in silence."""

    __slots__ = ()

    @classmethod
    def of(cls, stanza: Stanza) -> DirectedPresence:
        """Return the same stanza as directed presence."""
        return cls(stanza.name, stanza.raw, stanza.to, stanza.from_, stanza.type, stanza.id, stanza.flaw)


def domains_of(stanza: Stanza) -> tuple[Domain, Domain] | None:
    """The domains a stanza is from and to, equal to their DomainPair; None when it lacks one of its addresses."""
    from_, to = stanza.from_, stanza.to
    return None if from_ is None or to is None else (from_.domain, to.domain)


def restored(name: str, raw: bytes) -> Stanza:
    """A stanza that was kept as bytes, with its attributes read again."""
    bare = Stanza(name, raw, None, None, None, None)
    element = bare.element
    to, from_ = element.get("to"), element.get("from")
    return Stanza(
        name,
        raw,
        Address.parse(to) if to is not None else None,
        Address.parse(from_) if from_ is not None else None,
        element.get("type"),
        element.get("id"),
    )


def with_attributes(raw: bytes, changes: dict[bytes, str]) -> bytes:
    """The bytes of an element with these unprefixed attributes set on its start tag."""
    named = _START_TAG_NAME.match(raw)
    assert named is not None
    position = named.end()
    kept = [named[0]]
    while attribute := _ATTRIBUTE.match(raw, position):
        if attribute[1] not in changes:
            kept.append(attribute[0])
        position = attribute.end()
    kept.extend(b" %b=%b" % (name, quote_attribute(value).encode()) for name, value in changes.items())
    kept.append(raw[position:])
    return b"".join(kept)


def _attributes(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The attributes of an element's start tag with their values as they are written, in their quotes."""
    position = _START_TAG_NAME.match(raw).end()  # type: ignore[union-attr]
    while attribute := _ATTRIBUTE.match(raw, position):
        yield attribute[1], attribute[2]
        position = attribute.end()


def _count_children(iq: bytes) -> int:
    """How many elements stand directly in an iq, without building them: one is seen at a glance, others are counted."""
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


def stanza_error(error: StanzaError, *, by: str | None = None) -> Element:
    """The `<error/>` child for a condition (RFC 6120 §8.3.2)."""
    children = [Element(STANZA_ERRORS, str(error.condition))]
    if error.text:
        children.append(Element(STANZA_ERRORS, "text", {(XML, "lang"): "en"}, [error.text]))
    return Element(CONTENT, "error", {"type": error.error_type, "by": by}, children)


def error_reply(stanza: Stanza, error: StanzaError, *, from_: Address | None = None) -> Stanza | None:
    """The answer that tells the sender what became of its stanza, or None where no answer may be sent.

    It comes from the stanza's 'to', or from `from_` where that is absent or no address; it goes to the stanza's 'from',
    or to as much of that as is an address.

    Errors and results are never answered, nor is a stanza that names no sender (RFC 6120 §8.3.1), nor presence that
    only informs (see `_is_awaited`).
    The original payload is not repeated, and addresses and id are as they were written, so that a bounce is never much
    larger than its cause.
    """
    to = stanza.sender
    if stanza.is_response or to is None:
        return None
    if stanza.name == "presence" and not _is_awaited(stanza):
        return None
    sender = stanza.recipient or bare_recipient(stanza) or from_
    return error_stanza(stanza, stanza_error(error), to=to, from_=sender)


def error_stanza(stanza: Stanza, error: Element, *, to: Address, from_: Address | None) -> Stanza:
    """A stanza of type error about another one, for `to`; from `from_`, where there is somebody to say it."""
    written = dict(_attributes(stanza.raw)) if stanza.raw else {}
    name = stanza.name.encode()
    pieces = [b"<%b type='error'" % name]
    for attribute, address, echoed, source in (
        (b"from", from_, stanza.recipient, b"to"),
        (b"to", to, stanza.from_, b"from"),
    ):
        if address is not None:
            quoted = written.get(source) if address is echoed else None
            pieces.append(b" %b=%b" % (attribute, quoted or quote_attribute(address.full).encode()))
    if stanza.id is not None:
        pieces.append(b" id=%b" % (written.get(b"id") or quote_attribute(stanza.id).encode()))
    raw = b"%b>%b</%b>" % (b"".join(pieces), error.serialize(CONTENT), name)
    return Stanza(stanza.name, raw, to, from_, "error", stanza.id)


def _is_awaited(presence: Stanza) -> bool:
    """Return whether somebody waits for an answer to this presence: a request, or presence to one address.

    Whoever joins a room waits for it (RFC 6120 §10.4.3). Broadcasts, probes and goodbyes stay unanswered: nobody waits,
    and an error for every update would multiply traffic (RFC 6121 §4.3.1). Between servers the two kinds look alike;
    a broadcast goes to bare addresses, or comes from a room to its occupants.
    """
    if presence.type is not None or isinstance(presence, DirectedPresence):
        return presence.type not in ("unavailable", "probe")
    if MUC in presence.raw and presence.element.first(MUC.decode(), "x") is not None:
        return True
    if presence.recipient is None:
        return presence.flaw is not None  # the nickname is none
    return not presence.recipient.is_bare and MUC_USER not in presence.raw


def bare_recipient(stanza: Stanza) -> Address | None:
    """Return the bare address of a 'to' of which only the resource is at fault, as a nickname can be."""
    if stanza.flaw is None or stanza.flaw.fault is not Fault.TO_MALFORMED:
        return None
    try:
        return Address.parse((stanza.element.get("to") or "").partition("/")[0])
    except MalformedAddress:
        return None


def result_reply(stanza: Stanza, payload: Element | None = None) -> Stanza:
    """The result that answers an iq request, with at most one payload (RFC 6120 §8.2.3)."""
    return Stanza.from_element(
        Element(
            CONTENT,
            "iq",
            {
                "type": "result",
                "from": stanza.to.full if stanza.to else None,
                "to": stanza.from_.full if stanza.from_ else None,
                "id": stanza.id,
            },
            [payload] if payload is not None else [],
        )
    )


def check_iq(stanza: Stanza) -> StanzaError | None:
    """What RFC 6120 §8.2.3 finds wrong with an iq, as the answer it gets: id, type, number of payloads."""
    if stanza.id is None:
        return error_of(Fault.INVALID_IQ, "an iq must have an 'id'")
    if stanza.type not in TYPES["iq"]:
        return error_of(Fault.INVALID_IQ, "the 'type' of an iq must be get, set, result or error")
    children = _count_children(stanza.raw)
    if stanza.type in ("get", "set") and children != 1:
        return error_of(Fault.INVALID_IQ, "an iq of type get or set must have exactly one child")
    if stanza.type == "result" and children > 1:
        return error_of(Fault.INVALID_IQ, "an iq result has at most one child")
    if stanza.type == "error" and children not in (1, 2):
        return error_of(Fault.INVALID_IQ, "an iq error has an <error/>, and perhaps what was asked")
    return None
