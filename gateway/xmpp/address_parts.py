"""The parts of an address, prepared: every spelling of a part becomes one string, compared with `==` (RFC 7622).

    domainpart    IDNA 2008 after the UTS 46 mapping, written as lower-case U-labels without a trailing dot (§3.2);
                  `192.0.2.1` and `[2001:db8::1]` in their canonical form
    localpart     Nodeprep (RFC 6122 §A) over UsernameCaseMapped, less the characters of RFC 7622 §3.3.1
    resourcepart  Resourceprep (RFC 6122 §B) over OpaqueString, case kept (§3.4)

RFC 7622 decides what is valid. Where a stringprep profile defines a result too, that is the prepared form, unless RFC
7622 would refuse or change it: deployed servers send it and answer with it, so `fußball` becomes `fussball`, and the
resource `①` becomes `1`. Domainparts follow IDNA 2008, which keeps the ß and ς that Nameprep folds: `straße.example`
and `strasse.example` can have different owners, and mapping would make them the same name.

Length is checked first: text that is longer than 1023 bytes, is not UTF-8 or has unassigned code points is refused
before any library sees it (CVE-2015-2058), and a result that grew beyond 1023 bytes is refused afterwards. Names with
A-labels or characters beyond ASCII, which take many times longer to prepare, are refused if they cannot fit into the
253 bytes of a name in DNS (docs/decisions/0032-long-domain-names.md). Resourceparts that others have chosen may have
unassigned code points, which bypass the libraries. Plain ASCII, nearly everything on the wire, is recognised by a
regular expression and needs no library either.

Three choices where the standards leave room or peers differ:
- Underscores are accepted in ASCII labels. They are not allowed in host names, but servers in containers use them.
- A name whose last label is a number must be an IPv4 address (RFC 1123 §2.1): `127.1` must not reach a resolver.
- Code points that Resourceprep drops (variation selectors, joiners: RFC 3454 B.1) are dropped from a resourcepart that
  OpaqueString would refuse because of them: emoji in room nicknames contain them, and stringprep-based peers send them.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import NewType

from gateway.xmpp.code_points import (
    check_code_points,
    fold_case,
    is_stringprep,
    keeps_bidi_rule,
    map_name,
    precis_kinds,
)
from gateway.xmpp.errors import MalformedAddress
from gateway.xmpp.precis import opaque_string, username
from gateway.xmpp.punycode import LABEL_BYTES, PREFIX, fits_label, from_a_label, to_a_label
from gateway.xmpp.stringprep_steps import normalised, visible

Domain = NewType("Domain", str)
"""A prepared domainpart; only `prepare_domain` makes one."""

MOST_LABELS = 4096  # cached labels: a name may have a hundred, and each takes tens of microseconds
PART_BYTES = 1023  # RFC 7622 §3.1, for each part
_NAME_BYTES = 253  # RFC 1035 §2.3.4, for a name as DNS spells it, without the final dot
_SURELY_SHORT = 83  # characters; at most every other one is a label, and a prefix makes that longer by four

# ASCII that only has to be lower-cased, or not even that. These are for speed: the slow path gives the same results.
LOCAL = r"[!#$%()*+,\-.0-9;=?A-Z\[\\\]^_`a-z{|}~]{1,1023}"
_LABEL = r"(?!..--)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
DOMAIN = rf"(?=[^/]{{1,1023}}(?:/|\Z))(?:{_LABEL}\.)*(?![0-9]+(?:/|\Z)){_LABEL}"
RESOURCE = r"[ -~]{1,1023}"
_PLAIN_LOCAL = re.compile(LOCAL).fullmatch
_PLAIN_DOMAIN = re.compile(DOMAIN).fullmatch
_PLAIN_RESOURCE = re.compile(RESOURCE).fullmatch

_ASCII_LABEL = re.compile(_LABEL).fullmatch
_FORBIDDEN_IN_LOCAL = re.compile(r"[\"&'/:<>@ ]").search  # RFC 7622 §3.3.1, and space

# Code points whose validity depends on all others in the label (RFC 8264): many of them would take quadratic time. They
# are the Arabic-Indic digits of both kinds and the katakana middle dot, also half-width.
_CONTEXTUAL = re.compile("[\u0660-\u0669\u06f0-\u06f9\u30fb\uff65]").findall
_MOST_CONTEXTUAL = 64
_MOST_CONTEXTUAL_IN_NAMES = 16

# Replaces an unassigned code point while the rest of a resourcepart is prepared; the code point itself is kept.
_STAND_IN = "\ufffd"


def prepare_domain(text: str) -> Domain:
    """Return the prepared domainpart; raise MalformedAddress if it is invalid (RFC 7622 §3.2)."""
    if _PLAIN_DOMAIN(text):
        return Domain(text.lower())
    _check_input("domainpart", text)
    domain = _prepare_ipv6(text) if text.startswith("[") else _prepare_name(text)
    return Domain(_check_length("domainpart", domain))


def prepare_local(text: str) -> str:
    """Return the prepared localpart; raise MalformedAddress if it is invalid (RFC 7622 §3.3, Nodeprep)."""
    if _PLAIN_LOCAL(text):
        return text.lower()
    return _prefer_stringprep(text, _enforce_local, _map_nodeprep)


def prepare_resource(text: str) -> str:
    """Return the prepared resourcepart; raise MalformedAddress if it is invalid (RFC 7622 §3.4, Resourceprep)."""
    if _PLAIN_RESOURCE(text):
        return text
    return _prefer_stringprep(text, _enforce_resource, normalised)


def prepare_foreign_resource(text: str) -> str:
    """Prepare a resourcepart that others have chosen, which may have code points that our tables do not know yet.

    These are kept unchanged: the server that accepted the name has newer tables
    (docs/decisions/0013-newer-characters.md).
    """
    if _PLAIN_RESOURCE(text):
        return text
    if len(text) > PART_BYTES or "u" not in precis_kinds(text):
        return prepare_resource(text)
    unknown = {each for each in text if _may_be_assigned(each)}
    stand_ins = dict.fromkeys(map(ord, unknown), _STAND_IN)
    prepared = prepare_resource(text.translate(stand_ins))
    written = (each for each in text if each in unknown or each == _STAND_IN)
    return _check_length("resourcepart", "".join(next(written) if each == _STAND_IN else each for each in prepared))


def _may_be_assigned(character: str) -> bool:
    """Return whether a code point is unassigned in our tables and may be assigned in newer ones."""
    return unicodedata.category(character) == "Cn" and not (
        "\ufdd0" <= character <= "\ufdef" or ord(character) & 0xFFFE == 0xFFFE
    )


def to_ascii(domain: Domain) -> str:
    """Return the domain as DNS, SNI and certificates spell it: with A-labels."""
    if domain.isascii():
        return domain
    return ".".join(label if label.isascii() else to_a_label(label) for label in domain.split("."))


def _prepare_name(text: str) -> str:
    """Prepare a name of labels, or an IPv4 address; both may be written in full-width characters."""
    try:
        _check_contextual(text)
        if len(text) > _NAME_BYTES:
            _check_name_length(unicodedata.normalize("NFC", text).removesuffix("."))
        mapped = map_name(text).removesuffix(".")
        labels = mapped.split(".")
        if labels[-1].isascii() and labels[-1].isdigit():
            return str(ipaddress.IPv4Address(".".join(labels)))
        if len(mapped) > _SURELY_SHORT:
            _check_name_length(".".join(label if label.isascii() else f"xn--{label}" for label in labels))
        prepared = ".".join(map(_prepare_label, labels))
        return _check_contextual(prepared) if PREFIX in mapped else prepared
    except ValueError as error:  # IDNAError is a subclass
        raise MalformedAddress(f"the domainpart {_quote(text)} is not a domain: {_plain(str(error))}") from error


def _check_contextual(name: str) -> str:
    """Refuse a name with many of the code points that are judged by all others."""
    if len(_CONTEXTUAL(name)) > _MOST_CONTEXTUAL_IN_NAMES:
        raise ValueError(f"it has more than {_MOST_CONTEXTUAL_IN_NAMES} digits or dots")
    return name


def _check_name_length(shortest: str) -> None:
    """Refuse a name by a text that is never longer than its DNS spelling: an A-label is longer than its U-label."""
    if len(shortest) > _NAME_BYTES:
        raise ValueError(f"it is longer than {_NAME_BYTES} bytes in its DNS form")


@lru_cache(MOST_LABELS)
def _prepare_label(label: str) -> str:
    """Return the U-label of a mapped label, or the ASCII label if it has no U-label."""
    if len(label) > LABEL_BYTES:  # An A-label is longer than its U-label, never shorter.
        raise ValueError(f"a label is longer than {LABEL_BYTES} bytes")
    if label.startswith(PREFIX):
        return _decode_label(label)
    if not label.isascii():
        _check_label(label)
        if not fits_label(label):
            raise ValueError(f"a label is longer than {LABEL_BYTES} bytes")
        return label
    if not _ASCII_LABEL(label):
        raise ValueError(f"{label!r} is not a label" if label else "a label is empty")
    return label


def _decode_label(a_label: str) -> str:
    """Return the U-label of an A-label; raise ValueError if it is not the one A-label of that (RFC 5891 §5.4)."""
    u_label = from_a_label(a_label)
    _check_label(u_label)
    return u_label


def _check_label(label: str) -> None:
    """Raise ValueError where a label with characters beyond ASCII is not a U-label (RFC 5891 §5.4)."""
    check_code_points(label)
    if label.startswith("-") or label.endswith("-") or label[2:4] == "--":
        raise ValueError("a label has hyphens at an end, or in third and fourth place")
    if unicodedata.category(label[0]).startswith("M"):
        raise ValueError("a label begins with a combining mark")
    if not unicodedata.is_normalized("NFC", label):
        raise ValueError("a label is not in Normalization Form C")
    if not keeps_bidi_rule(label):
        raise ValueError("a label breaks the Bidi Rule")


def _prepare_ipv6(text: str) -> str:
    """Return an address literal in its compressed, lower-case form (RFC 5952)."""
    try:
        address = ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise MalformedAddress(f"the domainpart {_quote(text)} is not an IPv6 address") from error
    if address.scope_id is not None or not text.endswith("]"):
        raise MalformedAddress(f"the domainpart {_quote(text)} is not an IPv6 address literal without a zone")
    mapped = address.ipv4_mapped  # Python 3.13 writes these with dots (RFC 5952 §5)
    return f"[::ffff:{mapped}]" if mapped else f"[{address.compressed}]"


def _enforce_local(text: str) -> str:
    """Apply RFC 7622 §3.3 to a localpart."""
    _check_input("localpart", text)
    try:
        local = username.enforce(text)
    except UnicodeEncodeError as error:
        raise _disallowed("localpart", text, error) from error
    if forbidden := _FORBIDDEN_IN_LOCAL(local):
        raise MalformedAddress(f"the localpart {_quote(text)} contains {forbidden.group()!r}")
    return _check_length("localpart", local)


def _enforce_resource(text: str) -> str:
    """Apply RFC 7622 §3.4 to a resourcepart."""
    _check_input("resourcepart", text)
    try:
        resource = _enforce_opaque_string(text)
    except UnicodeEncodeError as error:
        raise _disallowed("resourcepart", text, error) from error
    return _check_length("resourcepart", resource)


def _enforce_opaque_string(text: str) -> str:
    """Apply OpaqueString; if it refuses, apply it to the text without the code points that Resourceprep drops."""
    try:
        return opaque_string.enforce(text)
    except UnicodeEncodeError:
        seen = visible(text)
        if seen == text:
            raise
        return opaque_string.enforce(seen)


def _prefer_stringprep(text: str, enforce: Callable[[str], str], fold: Callable[[str], str]) -> str:
    """Return the stringprep form of a part if RFC 7622 leaves that form unchanged, else the form of RFC 7622."""
    prepared = enforce(text)
    folded = fold(text)
    if folded == prepared:  # to fold it again would change nothing
        return prepared
    for spelling in dict.fromkeys((folded, fold(prepared))):  # Unicode 3.2 has no ẞ, only the ß that it becomes
        if spelling != prepared and _keeps(enforce, spelling) and is_stringprep(spelling):
            return spelling
    return prepared


def _keeps(enforce: Callable[[str], str], text: str) -> bool:
    try:
        return enforce(text) == text
    except MalformedAddress:
        return False


def _map_nodeprep(text: str) -> str:
    """Fold case (B.2 of RFC 3454), drop and normalise (RFC 6122 §A.3, §A.4)."""
    return normalised(fold_case(text))


def _check_input(part: str, text: str) -> None:
    """Refuse, before any library sees it, text that is empty, huge, not Unicode, or unassigned; check length first."""
    if not text:
        raise MalformedAddress(f"the {part} is empty")
    _check_length(part, text)
    if "u" in precis_kinds(text):
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


def _disallowed(part: str, text: str, error: UnicodeEncodeError) -> MalformedAddress:
    rule = error.reason.removeprefix("DISALLOWED/").replace("_", " ")
    return MalformedAddress(f"the {part} {_quote(text)} is not allowed by RFC 8265: {rule}")


def _quote(text: str) -> str:
    """Return untrusted text for an error message, in bounded length and ASCII."""
    return ascii(text if len(text) <= 60 else text[:60] + "...")


def _plain(explanation: str) -> str:
    """Return a library's explanation, which may quote untrusted text of any length, in bounded length and ASCII."""
    return explanation[:120].encode("ascii", "backslashreplace").decode("ascii")
