"""StanzaReader: from a stanza's bytes and its attributes as they are written, to the stanza (RFC 6120 §8.1).

Each spelling of an address is prepared once. A malformed address becomes the flaw of its stanza; a domain that is not
written in its prepared form is put into that form. A stanza without a language takes over that of its stream, which is
written into its start tag (§8.1.5).
"""

from __future__ import annotations

from typing import Protocol

from gateway.stream.scope import Scope
from gateway.xmpp.addresses import Address, Respelled, readable_part, with_domain
from gateway.xmpp.elements import unescape
from gateway.xmpp.errors import MalformedAddress
from gateway.xmpp.faults import Fault
from gateway.xmpp.stanzas import NAMES, TYPES, AddressedStanza, Flaw, Stanza, new_stanza
from gateway.xmpp.start_tags import with_attributes

_ReadAddress = Address | Respelled | MalformedAddress | None
_NAME = {name.encode(): name for name in NAMES}
_TYPE: dict[bytes, str | None] = {
    f"{quote}{value}{quote}".encode(): value for values in TYPES.values() for value in values for quote in "'\""
}
_TYPE[b""] = None


class AddressLookup(Protocol):
    """Looks up prepared addresses, each prepared once; raises MalformedAddress."""

    def lookup(self, text: str) -> Address:
        """Return the address with this spelling."""

    def read_canonical(self, quoted: bytes) -> Address:
        """Return the address in an attribute value as it is on the wire, quotes included; may also raise Respelled."""


class StanzaReader:
    """Makes the stanzas of one stream."""

    __slots__ = ("_read_address", "_scope")

    def __init__(self, addresses: AddressLookup, scope: Scope) -> None:
        """`scope` is that of the stream's root."""
        self._read_address = addresses.read_canonical
        self._scope = scope

    def read(self, raw: bytes, name: bytes, from_: bytes, to: bytes, type_: bytes, id_: bytes, lang: bytes) -> Stanza:
        """Make a stanza from its bytes and its attributes as written, in their quotes; b"" is an absent one."""
        from_address = to_address = None
        try:
            from_address = self._read_address(from_) if from_ else None
            to_address = self._read_address(to) if to else None
        except (MalformedAddress, Respelled) as odd:
            found = (from_address, odd) if from_address or not from_ else (odd, self._odd_address(to))
            return self._odd_stanza(raw, name, (from_, to), found, type_, id_, lang)
        kind: type[Stanza] = AddressedStanza if from_ and to else Stanza
        return kind(
            _NAME[name],
            raw if lang or not self._scope.language else self._scope.with_language(raw, 1 + len(name)),
            to_address,
            from_address,
            _TYPE[type_] if type_ in _TYPE else unescape(type_[1:-1]),
            id_ or None,
        )

    def _odd_stanza(
        self,
        raw: bytes,
        name: bytes,
        written: tuple[bytes, bytes],
        found: tuple[_ReadAddress, _ReadAddress],
        type_: bytes,
        id_: bytes,
        lang: bytes,
    ) -> Stanza:
        """Make a stanza with a malformed address, or one whose domain is not spelled in its prepared form.

        `written` are 'from' and 'to' in their quotes, `found` is what they are.
        """
        from_address, to_address = found
        flaw = None
        if isinstance(from_address, MalformedAddress):
            flaw = Flaw(Fault.FROM_MALFORMED, from_address.problem, readable_part(unescape(written[0][1:-1])))
        elif isinstance(to_address, MalformedAddress):
            flaw = Flaw(Fault.TO_MALFORMED, to_address.problem)
        respelled = {
            attribute: with_domain(unescape(quoted[1:-1]), each.address.domain)
            for attribute, quoted, each in zip((b"from", b"to"), written, found, strict=True)
            if isinstance(each, Respelled)
        }
        if respelled:
            raw = with_attributes(raw, respelled)
        return new_stanza(
            _NAME[name],
            raw if lang or not self._scope.language else self._scope.with_language(raw, 1 + len(name)),
            _address(to_address),
            _address(from_address),
            unescape(type_[1:-1]) if type_ else None,
            id_ or None,
            flaw,
        )

    def _odd_address(self, quoted: bytes) -> _ReadAddress:
        try:
            return self._read_address(quoted) if quoted else None
        except (MalformedAddress, Respelled) as odd:
            return odd


def _address(found: _ReadAddress) -> Address | None:
    if isinstance(found, Respelled):
        return found.address
    return found if isinstance(found, Address) else None
