"""Start tags as bytes: reading and setting the attributes of an element without parsing it.

Everything here relies on the bytes being one well-formed element, which a parser has ensured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.xmpp.elements import quote_attribute
from gateway.xmpp.errors import Misuse

_START_TAG_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"""[ \t\r\n]+([^\s=/>]+)[ \t\r\n]*=[ \t\r\n]*('[^']*'|"[^"]*")""")


def with_attributes(raw: bytes, changes: dict[bytes, str]) -> bytes:
    """Return the bytes of an element with these unprefixed attributes set on its start tag."""
    position = _behind_name(raw)
    kept = [raw[:position]]
    while attribute := _ATTRIBUTE.match(raw, position):
        if attribute[1] not in changes:
            kept.append(attribute[0])
        position = attribute.end()
    kept.extend(b" %b=%b" % (name, quote_attribute(value).encode()) for name, value in changes.items())
    kept.append(raw[position:])
    return b"".join(kept)


def written_attribute(raw: bytes, name: bytes) -> bytes | None:
    """Return an unprefixed attribute of an element's start tag as it is written, quotes included; None without it."""
    return next((value for each, value in attributes_of(raw) if each == name), None)


def attributes_of(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the attributes of an element's start tag, with their values as written, in their quotes."""
    position = _behind_name(raw)
    while attribute := _ATTRIBUTE.match(raw, position):
        yield attribute[1], attribute[2]
        position = attribute.end()


def _behind_name(raw: bytes) -> int:
    """Return the position behind the name of an element."""
    name = _START_TAG_NAME.match(raw)
    if name is None:
        raise Misuse(f"no start tag: {raw[:20]!r}")
    return name.end()
