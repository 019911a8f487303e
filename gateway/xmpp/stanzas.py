"""Stanza: the common attributes of RFC 6120 §8.1 over bytes that are passed on unchanged.

A stanza's bytes are *portable*: they use whatever content namespace the surrounding stream has and declare every other
namespace that they use, so they can be written to any stream as they are (RFC 6120 §4.8.3). The codec ensures this for
stanzas that come in, `Stanza.from_element` for those that we make ourselves. The tree is built on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.elements import Element, parse_element, quote_attribute, unescape
from gateway.xmpp.errors import MalformedAddress, Misuse, StanzaCondition, StanzaError
from gateway.xmpp.faults import Fault
from gateway.xmpp.namespaces import CLIENT, STANZA_ERRORS, XML
from gateway.xmpp.start_tags import attributes_of, with_attributes

# The namespace of a parsed stanza, the same for every kind of stream.
CONTENT = CLIENT
_ROOT = f"<root xmlns='{CONTENT}'>".encode()

MOST_MADE_BYTES = 4 << 20
"""The most bytes of a stanza that is made from a tree: one that a stranger sent may be written a hundred times larger,
because a namespace that was declared once is declared for every element and attribute."""

NAMES = frozenset({"message", "presence", "iq"})

# The namespaces of presence that joins a room, and of a room's presence for its occupants (XEP-0045).
MUC = b"http://jabber.org/protocol/muc"
MUC_USER = MUC + b"#user"

# The values of 'type' that RFC 6121 §5.2.2, §4.7.1 and RFC 6120 §8.2.3 define.
TYPES = {
    "message": frozenset({"normal", "chat", "groupchat", "headline", "error"}),
    "presence": frozenset({"unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"}),
    "iq": frozenset({"get", "set", "result", "error"}),
}

_CONDITIONS = frozenset(map(str, StanzaCondition))
_ERROR_TYPES = frozenset({"auth", "cancel", "continue", "modify", "wait"})  # RFC 6120 §8.3.2


class Flaw(NamedTuple):
    """Why a stanza cannot be accepted as it came.

    `sender` is the readable part of a malformed 'from'; `to` is the recipient of a stanza that was not kept.
    """

    fault: Fault
    problem: str
    sender: Address | None = None
    to: Address | None = None


class Stanza:
    """A message, presence or iq: its common attributes and its bytes.

    `to` and `from_` are None when absent or malformed; `to` is also None if only the start tag was kept. `flaw` says
    which. So a stanza with a flaw is never taken for one to deliver.

    What passes becomes an `AddressedStanza`; what a client sends is a `SentStanza` on the way there.
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
        """`id_` may be an attribute value as it is on the wire, quotes included, because few callers read it."""
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
        """Return a stanza made from a tree, with prepared addresses; raise Oversized above MOST_MADE_BYTES."""
        addresses = {key: Address.parse(text) for key in ("to", "from") if (text := element.get(key)) is not None}
        if any(element.get(key) != address.full for key, address in addresses.items()):
            element = element.replace(attributes={key: address.full for key, address in addresses.items()})
        stanza = new_stanza(
            element.name,
            element.serialize(CONTENT, at_most=MOST_MADE_BYTES),
            addresses.get("to"),
            addresses.get("from"),
            element.get("type"),
            element.get("id"),
        )
        stanza._element = element
        return stanza

    @property
    def id(self) -> str | None:
        """Return the value of the attribute 'id'."""
        if isinstance(self._id, bytes):
            self._id = unescape(self._id[1:-1])
        return self._id

    @property
    def element(self) -> Element:
        """The tree, built on first use; its content is in the namespace CONTENT."""
        if self._element is None:
            self._element = parse_element(self.raw, _ROOT)
        return self._element

    def head(self) -> bytes:
        """The bytes of the stanza that an error about it needs: addresses and id, as they are written."""
        kept = [b" %b=%b" % each for each in attributes_of(self.raw) if each[0] in (b"to", b"from", b"id")]
        return b"<%b%b/>" % (self.name.encode(), b"".join(kept))

    @property
    def sender(self) -> Address | None:
        """The address in 'from', or the readable part of a malformed one."""
        return self.from_ if self.flaw is None or self.from_ is not None else self.flaw.sender

    @property
    def recipient(self) -> Address | None:
        """The address in 'to', even of a stanza that was not kept."""
        return self.to if self.flaw is None or self.to is not None else self.flaw.to

    @property
    def is_request(self) -> bool:
        """Return whether the sender must get exactly one answer: an iq of type get or set (RFC 6120 §8.2.3)."""
        return self.name == "iq" and self.type in ("get", "set")

    @property
    def is_response(self) -> bool:
        """Return whether this answers something: an iq of type result, or any stanza of type error."""
        return self.type == "error" or (self.name == "iq" and self.type == "result")

    @property
    def body(self) -> str | None:
        """Return the text of a message (RFC 6121 §5.2.3), or None; of several bodies, the first."""
        body = self.element.first(CONTENT, "body")
        return None if body is None else body.text

    def reply(self, *children: Element, body: str | None = None) -> Stanza:
        """Return a message to the sender of this message, of the same type and in the same thread (RFC 6121 §5.2.5).

        The answer to a message from a room is for the room. Raise Misuse for a stanza that must not be answered so.
        """
        if self.name != "message" or self.type == "error" or self.from_ is None:
            raise Misuse(f"reply() answers messages that are not errors, not {self!r}")
        to = self.from_.bare if self.type == "groupchat" else self.from_.full
        thread = self.element.first(CONTENT, "thread")
        content = [*([] if body is None else [Element(CONTENT, "body", {}, [body])]), *children]
        return Stanza.from_element(
            Element(
                CONTENT,
                "message",
                {"type": self.type, "from": self.to.full if self.to else None, "to": to},
                content if thread is None else [*content, thread],
            )
        )

    def result(self, payload: Element | None = None) -> Stanza:
        """Return the result that answers this request; raise Misuse if this is not an iq of type get or set."""
        if not isinstance(self, AddressedStanza) or not self.is_request:
            raise Misuse(f"result() answers an iq of type get or set, not {self!r}")
        return result_reply(self, payload)

    def error(self, condition: str, text: str = "") -> Stanza | None:
        """Return the error that answers this stanza; None if it must not be answered (RFC 6120 §8.3.1).

        `condition` is one of RFC 6120 §8.3.3, such as `forbidden`; ValueError for any other.
        """
        return error_reply(self, StanzaError(StanzaCondition(condition), text))

    def __repr__(self) -> str:
        return f"<Stanza {self.name} type={self.type} from={self.from_} to={self.to} {len(self.raw)} bytes>"

    def sent_by(self, sender: Address, raw: bytes) -> SentStanza:
        """Return the same stanza in these bytes, which name this sender."""
        if self.to is None:
            return SentStanza(self.name, raw, None, sender, self.type, self._id)
        return AddressedStanza(self.name, raw, self.to, sender, self.type, self._id)

    def readdressed(self, *, to: Address, from_: Address) -> AddressedStanza:
        """Return the same stanza with these addresses; only its start tag is rewritten."""
        raw = with_attributes(self.raw, {b"to": to.full, b"from": from_.full})
        return AddressedStanza(self.name, raw, to, from_, self.type, self._id)


class SentStanza(Stanza):
    """A stanza of a known sender, without a flaw: what a client has sent, with the address that the client is bound to.

    Without 'to' it is for the client's account.
    """

    __slots__ = ()
    from_: Address

    def sent_to(self, recipient: Address, raw: bytes) -> AddressedStanza:
        """Return the same stanza in these bytes, which name this recipient."""
        return AddressedStanza(self.name, raw, recipient, self.from_, self.type, self._id)


class AddressedStanza(SentStanza):
    """A stanza with both addresses, and without a flaw: all that routes take.

    The codec and what we say ourselves make them. Statically the codec makes plain stanzas, and one that came from
    outside is an AddressedStanza only after `routing.policy` has admitted it.
    """

    __slots__ = ()
    to: Address

    if TYPE_CHECKING:  # the same constructor, which need not be called through another one for each stanza that passes

        def __init__(
            self, name: str, raw: bytes, to: Address, from_: Address, type_: str | None, id_: str | bytes | None
        ) -> None: ...

    @classmethod
    def from_element(cls, element: Element) -> AddressedStanza:
        """As `Stanza.from_element`; raise Misuse for a tree that lacks an address."""
        stanza = Stanza.from_element(element)
        if not isinstance(stanza, AddressedStanza):
            raise Misuse(f"{stanza} lacks an address")
        return stanza

    @property
    def pair(self) -> DomainPair:
        """The domains that it is from and to."""
        return DomainPair(self.from_.domain, self.to.domain)


class DirectedPresence(AddressedStanza):
    """Presence that one of our clients has sent to one address, and that must not be dropped silently."""

    __slots__ = ()

    @classmethod
    def of(cls, stanza: AddressedStanza) -> DirectedPresence:
        """Return the same stanza as directed presence."""
        return cls(stanza.name, stanza.raw, stanza.to, stanza.from_, stanza.type, stanza.id)


def message_type(message: Stanza) -> str:
    """Return the type as which a message counts: without one, or with an unknown one, `normal` (RFC 6121 §5.2.2)."""
    return message.type if message.type in TYPES["message"] else "normal"


def new_stanza(
    name: str,
    raw: bytes,
    to: Address | None,
    from_: Address | None,
    type_: str | None,
    id_: str | bytes | None,
    flaw: Flaw | None = None,
) -> Stanza:
    """Return a stanza of the type that its addresses make it."""
    if to is None or from_ is None or flaw is not None:
        return Stanza(name, raw, to, from_, type_, id_, flaw)
    return AddressedStanza(name, raw, to, from_, type_, id_)


def domains_of(stanza: Stanza) -> tuple[Domain, Domain] | None:
    """Return the domains that a stanza is from and to, equal to their DomainPair; None if it lacks an address."""
    from_, to = stanza.from_, stanza.to
    return None if from_ is None or to is None else (from_.domain, to.domain)


def restored(name: str, raw: bytes) -> AddressedStanza:
    """Return a stanza that was stored as bytes, with its attributes read again; MalformedAddress where it lacks one."""
    element = Stanza(name, raw, None, None, None, None).element
    to, from_ = (Address.parse(element.get(each) or "") for each in ("to", "from"))
    return AddressedStanza(name, raw, to, from_, element.get("type"), element.get("id"))


def stanza_error(error: StanzaError, *, by: str | None = None) -> Element:
    """Return the `<error/>` child for a condition (RFC 6120 §8.3.2)."""
    children = [Element(STANZA_ERRORS, str(error.condition))]
    if error.text:
        children.append(Element(STANZA_ERRORS, "text", {(XML, "lang"): "en"}, [error.text]))
    return Element(CONTENT, "error", {"type": error.error_type, "by": by}, children)


def error_of_reply(stanza: Stanza) -> StanzaError:
    """Return the error in a stanza of type error; `undefined-condition` if it names none that is known."""
    error = stanza.element.first(CONTENT, "error")
    condition, text = StanzaCondition.UNDEFINED_CONDITION, ""
    for child in error.elements(STANZA_ERRORS) if error is not None else ():
        if child.name == "text":
            text = child.text
        elif child.name in _CONDITIONS:
            condition = StanzaCondition(child.name)
    said = error.get("type") if error is not None else None
    return StanzaError(condition, text, error_type=said if said in _ERROR_TYPES else None)


def error_reply(stanza: Stanza, error: StanzaError, *, from_: Address | None = None) -> AddressedStanza | None:
    """Return the error that answers a stanza, or None if it must not be answered.

    The answer comes from the stanza's 'to', or from `from_` if that is absent or invalid; it goes to the stanza's
    'from', or to the valid part of it.

    Errors and results are never answered, nor is a stanza without a sender (RFC 6120 §8.3.1), nor broadcast presence
    (see `_is_awaited`). The original payload is not repeated, and addresses and id are as they were written, so that a
    bounce is never much larger than its cause.
    """
    to = stanza.sender
    if stanza.is_response or to is None:
        return None
    if stanza.name == "presence" and not _is_awaited(stanza):
        return None
    sender = stanza.recipient or bare_recipient(stanza) or from_
    if sender is None:
        return None
    return error_stanza(stanza, stanza_error(error), to=to, from_=sender)


def error_stanza(stanza: Stanza, error: Element, *, to: Address, from_: Address) -> AddressedStanza:
    """Return a stanza of type error about another one."""
    written = dict(attributes_of(stanza.raw)) if stanza.raw else {}
    name = stanza.name.encode()
    pieces = [b"<%b type='error'" % name]
    for attribute, address, echoed, source in (
        (b"from", from_, stanza.recipient, b"to"),
        (b"to", to, stanza.from_, b"from"),
    ):
        quoted = written.get(source) if address is echoed else None
        pieces.append(b" %b=%b" % (attribute, quoted or quote_attribute(address.full).encode()))
    if stanza.id is not None:
        pieces.append(b" id=%b" % (written.get(b"id") or quote_attribute(stanza.id).encode()))
    raw = b"%b>%b</%b>" % (b"".join(pieces), error.serialize(CONTENT), name)
    return AddressedStanza(stanza.name, raw, to, from_, "error", stanza.id)


def _is_awaited(presence: Stanza) -> bool:
    """Return whether somebody waits for an answer to this presence: a request, or presence to one address.

    A client that joins a room waits for it (RFC 6120 §10.4.3). Broadcasts, probes and unavailable presence are not
    answered: nobody waits, and an error for every update would multiply traffic (RFC 6121 §4.3.1). Between servers the
    two kinds look alike; a broadcast goes to bare addresses, or comes from a room to its occupants.
    """
    if presence.type is not None or isinstance(presence, DirectedPresence):
        return presence.type not in ("unavailable", "probe")
    if MUC in presence.raw and presence.element.first(MUC.decode(), "x") is not None:
        return True
    if presence.recipient is None:
        return presence.flaw is not None  # the nickname is invalid
    return not presence.recipient.is_bare and MUC_USER not in presence.raw


def bare_recipient(stanza: Stanza) -> Address | None:
    """Return the bare address of a 'to' of which only the resource is invalid, as a nickname can be."""
    if stanza.flaw is None or stanza.flaw.fault is not Fault.TO_MALFORMED:
        return None
    try:
        return Address.parse((stanza.element.get("to") or "").partition("/")[0])
    except MalformedAddress:
        return None


def result_reply(stanza: AddressedStanza, payload: Element | None = None) -> AddressedStanza:
    """Return the result that answers an iq request, with at most one payload (RFC 6120 §8.2.3)."""
    attributes = {"type": "result", "from": stanza.to.full, "to": stanza.from_.full, "id": stanza.id}
    return AddressedStanza.from_element(Element(CONTENT, "iq", attributes, [payload] if payload is not None else []))
