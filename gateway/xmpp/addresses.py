"""XMPP addresses: parse, prepare, compare (RFC 7622; domain pairs: XEP-0220 §1.3).

An address is `local@domain/resource`. Each part is prepared (see `gateway.xmpp.address_parts`), so addresses are
compared with `==` and nothing else. One regular expression recognises plain ASCII, nearly everything on the wire.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from gateway.xmpp.address_parts import (
    DOMAIN,
    LOCAL,
    PART_BYTES,
    RESOURCE,
    Domain,
    prepare_domain,
    prepare_foreign_resource,
    prepare_local,
    prepare_resource,
    to_ascii,
)
from gateway.xmpp.elements import unescape
from gateway.xmpp.errors import GatewayError, MalformedAddress, Misuse

__all__ = [
    "PART_BYTES",
    "Address",
    "AddressCache",
    "Domain",
    "DomainPair",
    "Respelled",
    "prepare_domain",
    "prepare_local",
    "prepare_resource",
    "readable_part",
    "to_ascii",
]

_ADDRESS_CHARACTERS = 3 * PART_BYTES + len("@/")
_QUOTED_BYTES = len("&#x10ffff;") * _ADDRESS_CHARACTERS + len("''")  # for an attribute value, however it is written
MOST_ADDRESSES, ODD_BYTES = 32_768, 2 << 20
_ODD_OVERHEAD = 512  # the bytes of an address besides its text

# As with the parts, this is only for speed.
_PLAIN_ADDRESS = re.compile(rf"(?:({LOCAL})@)?({DOMAIN})(?:/({RESOURCE}))?").fullmatch


class Address:
    """One prepared XMPP address, immutable; an absent part is the empty string, `bare` and `full` are its spellings."""

    __slots__ = ("bare", "domain", "full", "local", "resource")
    local: str
    domain: Domain
    resource: str
    bare: str
    full: str

    def __init__(self) -> None:
        raise Misuse("make addresses with Address.parse or Address.make")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Prepare an address as it was written; raise MalformedAddress if it is invalid."""
        if len(text) > _ADDRESS_CHARACTERS:
            raise MalformedAddress(f"an address of {len(text)} characters is too long")
        if plain := _PLAIN_ADDRESS(text):
            local, domain, resource = plain.groups("")
            return _assemble(local.lower(), Domain(domain.lower()), resource)
        return _assemble(*_prepare_parts(text))

    @classmethod
    def make(cls, local: str, domain: str, resource: str) -> Address:
        """Prepare our own address from its parts; an empty localpart or resourcepart means that it is absent."""
        return _assemble(
            prepare_local(local) if local else "",
            prepare_domain(domain),
            prepare_resource(resource) if resource else "",
        )

    @property
    def is_bare(self) -> bool:
        """Return whether there is no resourcepart."""
        return not self.resource

    @property
    def is_domain(self) -> bool:
        """Return whether there is only a domainpart."""
        return self.full == self.domain

    @property
    def bare_address(self) -> Address:
        """Return this address without its resourcepart."""
        return _assemble(self.local, self.domain, "") if self.resource else self

    def with_resource(self, resource: str) -> Address:
        """Return this address with another resourcepart, which is prepared as one of our own."""
        return _assemble(self.local, self.domain, prepare_resource(resource))

    def __str__(self) -> str:
        return self.full

    def __repr__(self) -> str:
        return f"<Address {self.full!r}>"

    def __eq__(self, other: object) -> bool:
        return self.full == other.full if isinstance(other, Address) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.full)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an address is immutable: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an address is immutable: {name} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return _parse, (self.full,)


def _parse(text: str) -> Address:
    # A function rather than the class method, because Twisted changes how methods are pickled.
    return Address.parse(text)


class Respelled(GatewayError):
    """The domain of an address is not spelled in its prepared form, for example with a trailing dot."""

    def __init__(self, address: Address) -> None:
        super().__init__(f"{address} is not spelled in its prepared form")
        self.address = address


class DomainPair(NamedTuple):
    """The sender domain and the target domain of a proof, in this direction only (XEP-0220 §1.3)."""

    sender: Domain
    target: Domain

    @classmethod
    def make(cls, sender: str, target: str) -> DomainPair:
        """Prepare both domains; raise MalformedAddress if one is invalid."""
        return cls(prepare_domain(sender), prepare_domain(target))

    def reversed(self) -> DomainPair:
        """Return the pair of the opposite direction, which needs its own proof."""
        return DomainPair(self.target, self.sender)


_Odd = Address | Respelled | str
"""A long address, one with an unusual spelling, or the reason why a text is invalid."""


class AddressCache:
    """A cache of addresses by the text they were read from, so that a busy sender is prepared once.

    It has two generations: the young one is filled; when it is full it becomes the old one, and the old one is
    forgotten. Entries in use are carried over. The costliest to prepare are texts longer than `longest`, unusual
    spellings of a domain, and invalid addresses, and strangers can send the same one again and again. These have two
    their own generations, bounded in bytes.
    """

    def __init__(self, capacity: int = MOST_ADDRESSES, *, longest: int = 128, odd_bytes: int = ODD_BYTES) -> None:
        """`odd_bytes` is the approximate memory for long and refused texts, with their results."""
        self._generation_size = max(1, capacity // 2)
        self._longest = longest
        self._young: dict[bytes | str, Address] = {}
        self._old: dict[bytes | str, Address] = {}
        self._odd_young: dict[bytes | str, _Odd] = {}
        self._odd_old: dict[bytes | str, _Odd] = {}
        self._odd_size = 0  # of the young generation
        self._odd_bytes = odd_bytes // 2

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def lookup(self, text: str) -> Address:
        """Return Address.parse of this text; raise MalformedAddress if it is invalid."""
        return self._young.get(text) or self._recall(text)

    def read(self, quoted: bytes) -> Address:
        """Look up an attribute value as it is on the wire, quotes included."""
        try:
            return self.read_canonical(quoted)
        except Respelled as respelled:
            return respelled.address

    def read_canonical(self, quoted: bytes) -> Address:
        """Look up an attribute value; raise Respelled if its domain is not spelled in its prepared form.

        Such a spelling must not be passed on: the other side of a stream knows each domain by one spelling only.
        """
        return self._young.get(quoted) or self._recall(quoted)

    def _recall(self, raw: bytes | str) -> Address:
        address = self._old.pop(raw, None) or self._recall_odd(raw) or self._parse(raw)
        if len(raw) <= self._longest:
            if len(self._young) >= self._generation_size:
                self._young, self._old = {}, self._young
            self._young[raw] = address
        return address

    def _parse(self, raw: bytes | str) -> Address:
        text = raw if isinstance(raw, str) else _value(raw)
        try:
            address = Address.parse(text)
        except MalformedAddress as error:
            self._remember_odd(raw, error.problem)
            raise
        if isinstance(raw, bytes) and _written_domain(text) != address.domain:
            respelled = Respelled(address)
            self._remember_odd(raw, respelled)
            raise respelled
        if len(raw) > self._longest:
            self._remember_odd(raw, address)
        return address

    def _recall_odd(self, raw: bytes | str) -> Address | None:
        found = self._odd_young.get(raw)
        if found is None:
            found = self._odd_old.pop(raw, None)
            if found is None:
                return None
            self._remember_odd(raw, found)
        if isinstance(found, Respelled):
            raise Respelled(found.address)
        if isinstance(found, str):
            raise MalformedAddress(found)
        return found

    def _remember_odd(self, raw: bytes | str, found: _Odd) -> None:
        if len(raw) > _QUOTED_BYTES:
            return  # refusing it costs next to nothing
        size = _ODD_OVERHEAD + 8 * len(raw)  # text, prepared parts and their spellings, at most four bytes a character
        if self._odd_size + size > self._odd_bytes:
            self._odd_young, self._odd_old, self._odd_size = {}, self._odd_young, 0
        self._odd_young[raw] = found
        self._odd_size += size


def readable_part(text: str) -> Address | None:
    """Return the readable part of a text that is not an address: its bare address, its domain, or None.

    The domain is the text behind the last at-sign, so `a@b@example.com` is somebody of example.com.
    """
    bare, slash, _ = text.partition("/")
    local, _, written = bare.rpartition("@")
    if written == text:
        return None
    try:
        domain = prepare_domain(written)
    except MalformedAddress:
        return None
    if slash and local:
        with suppress(MalformedAddress):
            return _assemble(prepare_local(local), domain, "")
    return _assemble("", domain, "")


def with_domain(text: str, domain: Domain) -> str:
    """Return a written address with this domain, and its other parts unchanged."""
    bare, slash, resource = text.partition("/")
    local, at, _ = bare.rpartition("@")
    return f"{local}{at}{domain}{slash}{resource}"


def _written_domain(text: str) -> str:
    """Return the domainpart of an address as it is written."""
    return text.partition("/")[0].rpartition("@")[2]


def _assemble(local: str, domain: Domain, resource: str) -> Address:
    """Make an address of prepared parts."""
    address = object.__new__(Address)
    bare = f"{local}@{domain}" if local else domain
    fill = object.__setattr__
    fill(address, "local", local)
    fill(address, "domain", domain)
    fill(address, "resource", resource)
    fill(address, "bare", bare)
    fill(address, "full", f"{bare}/{resource}" if resource else bare)
    return address


def _prepare_parts(text: str) -> tuple[str, Domain, str]:
    """Split at the first slash, then at the first at-sign before it; a part that is present must not be empty."""
    bare, slash, resource = text.partition("/")
    local, at, domain = bare.partition("@") if "@" in bare else ("", "", bare)
    return (
        prepare_local(local) if at else "",
        prepare_domain(domain),
        prepare_foreign_resource(resource) if slash else "",
    )


def _value(quoted: bytes) -> str:
    if len(quoted) > _QUOTED_BYTES:
        raise MalformedAddress(f"an address of {len(quoted)} bytes is too long")
    try:
        return unescape(quoted[1:-1])
    except UnicodeDecodeError as error:
        raise MalformedAddress("an address is not UTF-8") from error
