"""XMPP addresses: parse, prepare, compare (RFC 7622; domain pairs: XEP-0220 §1.3).

An address is `local@domain/resource`. Each part is *prepared*, which gives all spellings of one part one string, so
that addresses are compared with `==` and nothing else:

domainpart    IDNA 2008 after the UTS 46 mapping, written as lower-case U-labels without a trailing dot (§3.2);
              `192.0.2.1` and `[2001:db8::1]` in their canonical form
localpart     Nodeprep (RFC 6122 §A) over UsernameCaseMapped, less the characters of RFC 7622 §3.3.1
resourcepart  Resourceprep (RFC 6122 §B) over OpaqueString, case kept (§3.4)

RFC 7622 decides what is a part. Where a stringprep profile defines a result too, that is the prepared form, unless RFC
7622 would refuse or change it: deployed servers send it and answer with it, so `fußball` is `fussball`, and resource
`①` is `1`. Domainparts stay IDNA 2008, which keeps the ß and ς that Nameprep folds: `straße.example` and
`strasse.example` can be registered by two owners, and mapping would make two names one.

Length comes first: what is longer than 1023 bytes, is no UTF-8 or holds unassigned code points is refused before any
library sees it (CVE-2015-2058), and what grew beyond 1023 bytes is refused after. Plain ASCII, nearly all there is on
the wire, is recognised by a regular expression and needs no library either.

Three choices where the documents leave room or peers differ:
- Underscores are accepted in ASCII labels. They are no host names, but servers in containers have such names.
- A name whose last label is a number is an IPv4 address or nothing (RFC 1123 §2.1): `127.1` must not reach a resolver.
- Code points that Resourceprep drops (variation selectors, joiners: RFC 3454 B.1) are dropped from a resourcepart that
  OpaqueString would refuse for them: emoji in room nicknames carry them, and peers of the stringprep age send them.
"""

from __future__ import annotations

import ipaddress
import re
import stringprep
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple, NewType, NoReturn

import idna
from precis_i18n import get_profile

from gateway.elements import unescape
from gateway.errors import MalformedAddress, Misuse
from gateway.preparation import normalised, visible

Domain = NewType("Domain", str)
"""A prepared domainpart; only `prepare_domain` makes one."""

PART_BYTES = 1023  # RFC 7622 §3.1, for each part
_ADDRESS_CHARACTERS = 3 * PART_BYTES + len("@/")
_QUOTED_BYTES = len("&#x10ffff;") * _ADDRESS_CHARACTERS + len("''")  # of an attribute value, however it is written
_LABEL_BYTES = 63

# ASCII whose preparation is lower-casing, or nothing. These decide speed only: the slow path gives the same answers.
_LOCAL = r"[!#$%()*+,\-.0-9;=?A-Z\[\\\]^_`a-z{|}~]{1,1023}"
_LABEL = r"(?!..--)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = rf"(?=[^/]{{1,1023}}(?:/|\Z))(?:{_LABEL}\.)*(?![0-9]+(?:/|\Z)){_LABEL}"
_RESOURCE = r"[ -~]{1,1023}"
_PLAIN_LOCAL = re.compile(_LOCAL).fullmatch
_PLAIN_DOMAIN = re.compile(_DOMAIN).fullmatch
_PLAIN_RESOURCE = re.compile(_RESOURCE).fullmatch
_PLAIN_ADDRESS = re.compile(rf"(?:({_LOCAL})@)?({_DOMAIN})(?:/({_RESOURCE}))?").fullmatch

_ASCII_LABEL = re.compile(_LABEL).fullmatch
_FORBIDDEN_IN_LOCAL = re.compile(r"[\"&'/:<>@ ]").search  # RFC 7622 §3.3.1, and space

# Code points that RFC 8264 judges by all the others beside them: many of them would take quadratic time.
# They are the Arabic-Indic digits of both kinds and the katakana middle dot, also half-width.
_CONTEXTUAL = re.compile("[\u0660-\u0669\u06f0-\u06f9\u30fb\uff65]").findall
_MOST_CONTEXTUAL = 64

_username = get_profile("UsernameCaseMapped")
_opaque_string = get_profile("OpaqueString")


class Address:
    """One prepared XMPP address, immutable; an absent part is the empty string, `bare` and `full` are its spellings."""

    __slots__ = ("bare", "domain", "full", "local", "resource")
    local: str
    domain: Domain
    resource: str
    bare: str
    full: str

    def __init__(self) -> None:
        raise Misuse("an address is made by Address.parse or Address.make")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Prepare an address as it is written; raise MalformedAddress where it is none."""
        if len(text) > _ADDRESS_CHARACTERS:
            raise MalformedAddress(f"an address of {len(text)} characters is too long")
        if plain := _PLAIN_ADDRESS(text):
            local, domain, resource = plain.groups("")
            return _assemble(local.lower(), Domain(domain.lower()), resource)
        return _assemble(*_prepare_parts(text))

    @classmethod
    def make(cls, local: str, domain: str, resource: str) -> Address:
        """Prepare an address from its parts; an empty localpart or resourcepart is an absent one."""
        return _assemble(
            prepare_local(local) if local else "",
            prepare_domain(domain),
            prepare_resource(resource) if resource else "",
        )

    @property
    def is_bare(self) -> bool:
        """Whether there is no resourcepart."""
        return not self.resource

    @property
    def is_domain(self) -> bool:
        """Whether there is only a domainpart."""
        return self.full == self.domain

    @property
    def bare_address(self) -> Address:
        """This address without its resourcepart."""
        return _assemble(self.local, self.domain, "") if self.resource else self

    def with_resource(self, resource: str) -> Address:
        """This address with another resourcepart, which is prepared."""
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
    # Not the class method itself: Twisted changes how methods are pickled.
    return Address.parse(text)


class DomainPair(NamedTuple):
    """The sender domain and the target domain that a proof holds for, in this direction only (XEP-0220 §1.3)."""

    sender: Domain
    target: Domain

    @classmethod
    def make(cls, sender: str, target: str) -> DomainPair:
        """Prepare both domains; raise MalformedAddress where one is none."""
        return cls(prepare_domain(sender), prepare_domain(target))

    def reversed(self) -> DomainPair:
        """The pair of the opposite direction, which needs a proof of its own."""
        return DomainPair(self.target, self.sender)


class AddressCache:
    """Addresses by the text they were read from, so that a busy sender is prepared once.

    Two generations: the young one is filled; when it is full it becomes the old one, and the old one is forgotten.
    What is used is carried over. Refused and long texts are not kept, so memory is bounded in bytes too.
    """

    def __init__(self, capacity: int = 8192, *, longest: int = 512) -> None:
        self._generation_size = max(1, capacity // 2)
        self._longest = longest
        self._young: dict[bytes | str, Address] = {}
        self._old: dict[bytes | str, Address] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def lookup(self, text: str) -> Address:
        """Address.parse of this text; raise MalformedAddress where it is none."""
        return self._young.get(text) or self._recall(text)

    def read(self, quoted: bytes) -> Address:
        """The same for the text in an attribute value as it stands on the wire, in its quotes."""
        return self._young.get(quoted) or self._recall(quoted)

    def _recall(self, raw: bytes | str) -> Address:
        address = self._old.pop(raw, None) or Address.parse(raw if isinstance(raw, str) else _value(raw))
        if len(raw) <= self._longest:
            if len(self._young) >= self._generation_size:
                self._young, self._old = {}, self._young
            self._young[raw] = address
        return address


def prepare_domain(text: str) -> Domain:
    """The one spelling of a domainpart; raise MalformedAddress where it is none (RFC 7622 §3.2)."""
    if _PLAIN_DOMAIN(text):
        return Domain(text.lower())
    _check_input("domainpart", text)
    domain = _prepare_ipv6(text) if text.startswith("[") else _prepare_name(text)
    return Domain(_check_length("domainpart", domain))


def prepare_local(text: str) -> str:
    """The one spelling of a localpart; raise MalformedAddress where it is none (RFC 7622 §3.3, Nodeprep)."""
    if _PLAIN_LOCAL(text):
        return text.lower()
    return _prefer_stringprep(text, _enforce_local, _map_nodeprep)


def prepare_resource(text: str) -> str:
    """The one spelling of a resourcepart; raise MalformedAddress where it is none (RFC 7622 §3.4, Resourceprep)."""
    if _PLAIN_RESOURCE(text):
        return text
    return _prefer_stringprep(text, _enforce_resource, normalised)


def to_ascii(domain: Domain) -> str:
    """The domain as DNS, SNI and certificates spell it: with A-labels."""
    if domain.isascii():
        return domain
    return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in domain.split("."))


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
    """Split at the first slash, then at the first at-sign before it; a part that is there is not empty."""
    bare, slash, resource = text.partition("/")
    local, at, domain = bare.partition("@") if "@" in bare else ("", "", bare)
    return (
        prepare_local(local) if at else "",
        prepare_domain(domain),
        prepare_resource(resource) if slash else "",
    )


def _prepare_name(text: str) -> str:
    """A name of labels, or an IPv4 address: both may come in full-width characters."""
    try:
        labels = idna.uts46_remap(text, std3_rules=False).removesuffix(".").split(".")
        if labels[-1].isascii() and labels[-1].isdigit():
            return str(ipaddress.IPv4Address(".".join(labels)))
        return ".".join(map(_prepare_label, labels))
    except ValueError as error:  # of which IDNAError is one
        raise MalformedAddress(f"the domainpart {_quote(text)} is no domain: {_plain(str(error))}") from error


def _prepare_label(label: str) -> str:
    """The U-label of a mapped label, or the ASCII label that has none."""
    if len(label) > _LABEL_BYTES:  # An A-label is longer than its U-label, never shorter.
        raise ValueError(f"a label is longer than {_LABEL_BYTES} bytes")
    if label.startswith("xn--"):
        return idna.ulabel(label)
    if not label.isascii():
        idna.alabel(label)  # checks the label, and the length of its A-label
        return label
    if not _ASCII_LABEL(label):
        raise ValueError(f"{label!r} is no label" if label else "a label is empty")
    return label


def _prepare_ipv6(text: str) -> str:
    """An address literal in its compressed, lower-case form (RFC 5952)."""
    try:
        address = ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise MalformedAddress(f"the domainpart {_quote(text)} is no IPv6 address") from error
    if address.scope_id is not None or not text.endswith("]"):
        raise MalformedAddress(f"the domainpart {_quote(text)} is no IPv6 address literal without a zone")
    mapped = address.ipv4_mapped  # Python 3.13 began to write these with dots (RFC 5952 §5)
    return f"[::ffff:{mapped}]" if mapped else f"[{address.compressed}]"


def _enforce_local(text: str) -> str:
    """What RFC 7622 §3.3 makes of a localpart."""
    _check_input("localpart", text)
    try:
        local = _username.enforce(text)
    except UnicodeEncodeError as error:
        raise _disallowed("localpart", text, error) from error
    if forbidden := _FORBIDDEN_IN_LOCAL(local):
        raise MalformedAddress(f"the localpart {_quote(text)} contains {forbidden.group()!r}")
    return _check_length("localpart", local)


def _enforce_resource(text: str) -> str:
    """What RFC 7622 §3.4 makes of a resourcepart."""
    _check_input("resourcepart", text)
    try:
        resource = _enforce_opaque_string(text)
    except UnicodeEncodeError as error:
        raise _disallowed("resourcepart", text, error) from error
    return _check_length("resourcepart", resource)


def _enforce_opaque_string(text: str) -> str:
    """OpaqueString; where that refuses, OpaqueString of what Resourceprep would not have dropped."""
    try:
        return _opaque_string.enforce(text)
    except UnicodeEncodeError:
        seen = visible(text)
        if seen == text:
            raise
        return _opaque_string.enforce(seen)


def _prefer_stringprep(text: str, enforce: Callable[[str], str], fold: Callable[[str], str]) -> str:
    """What stringprep makes of a part, where RFC 7622 leaves that as it is; otherwise what RFC 7622 makes of it."""
    prepared = enforce(text)
    for spelling in dict.fromkeys((text, prepared)):  # Unicode 3.2 has no ẞ, but the ß that RFC 7622 makes of it.
        folded = fold(spelling)
        if folded != prepared and _keeps(enforce, folded) and _is_stringprep(folded):
            return folded
    return prepared


def _keeps(enforce: Callable[[str], str], text: str) -> bool:
    try:
        return enforce(text) == text
    except MalformedAddress:
        return False


def _map_nodeprep(text: str) -> str:
    """Fold case (B.2 of RFC 3454), drop and normalise (RFC 6122 §A.3, §A.4)."""
    return normalised("".join(map(stringprep.map_table_b2, text)))


def _is_stringprep(text: str) -> bool:
    """Whether stringprep allows what it mapped; RFC 7622 keeps nothing of its other prohibited tables."""
    if any(stringprep.in_table_a1(c) or stringprep.in_table_c6(c) or stringprep.in_table_c7(c) for c in text):
        return False
    if not any(map(stringprep.in_table_d1, text)):  # else it runs from right to left (RFC 3454 §6)
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(map(stringprep.in_table_d2, text))


def _check_input(part: str, text: str) -> None:
    """Keep from the libraries what is empty, huge, no Unicode text, or unassigned: length first."""
    if not text:
        raise MalformedAddress(f"the {part} is empty")
    _check_length(part, text)
    if any(unicodedata.category(character) == "Cn" for character in text):
        raise MalformedAddress(f"the {part} {_quote(text)} contains an unassigned code point")
    if len(_CONTEXTUAL(text)) > _MOST_CONTEXTUAL:
        raise MalformedAddress(f"the {part} {_quote(text)} has more than {_MOST_CONTEXTUAL} digits or dots")


def _check_length(part: str, text: str) -> str:
    if len(text) > PART_BYTES or len(_encode(text)) > PART_BYTES:
        raise MalformedAddress(f"the {part} {_quote(text)} is longer than {PART_BYTES} bytes")
    return text


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise MalformedAddress(f"{_quote(text)} contains half a surrogate pair") from error


def _value(quoted: bytes) -> str:
    if len(quoted) > _QUOTED_BYTES:
        raise MalformedAddress(f"an address of {len(quoted)} bytes is too long")
    try:
        return unescape(quoted[1:-1])
    except UnicodeDecodeError as error:
        raise MalformedAddress("an address is no UTF-8") from error


def _disallowed(part: str, text: str, error: UnicodeEncodeError) -> MalformedAddress:
    rule = error.reason.removeprefix("DISALLOWED/").replace("_", " ")
    return MalformedAddress(f"the {part} {_quote(text)} is not allowed by RFC 8265: {rule}")


def _quote(text: str) -> str:
    """Untrusted text for an error message, in bounded length and ASCII."""
    return ascii(text if len(text) <= 60 else text[:60] + "...")


def _plain(explanation: str) -> str:
    """What a library says about untrusted text, which it may quote at any length."""
    return explanation[:120].encode("ascii", "backslashreplace").decode("ascii")
