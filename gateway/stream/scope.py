"""Scope: what a stanza inherits from the stream around it, and how it is made independent of the stream.

A stanza may use prefixes that only the stream header declares, name its content namespace explicitly, and
be in the stream's language (RFC 6120 §4.7.4, §4.8.3, §8.1.5). To stand on another stream it has to carry
these itself. Almost none borrows more than the language, so what could be borrowed is first searched for
in everything that one read brought.

The namespace of a stanza and of its children changes with the stream (RFC 6120 §4.8.3). Below an element of another
namespace it does not: a forwarded message (XEP-0297) is what it was on the stream where it was written. Below a
prefixed element that has to be written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from gateway.stream.framing import attributes, tags
from gateway.xmpp.elements import Element, escape_attribute, parse_element

Search = Callable[[bytes], re.Match[bytes] | None]

_MOST_KINDS = 256  # of stream headers that differ in what they declare
_MOST_FEATURES = 64  # that are remembered with what they mean
_LONGEST_FEATURES = 2048  # bytes
_PREFIXED_ELEMENT = re.compile(rb"<[^\s/><:=!]++:")
_LANGUAGE = re.compile("[A-Za-z0-9-]{1,64}")  # as much of RFC 5646 as keeps a peer from making every stanza large


class Scope:
    """The stream header as its children see it; `start_tag` is a shorter one that means the same to them."""

    def __init__(self, name: str, declarations: dict[str, str], lang: str | None) -> None:
        self.name = name
        self.content_namespace = declarations.get("", "")
        self.start_tag = _start_tag(name, *declarations.items())
        self.language = b" xml:lang='%b'" % lang.encode() if lang and _LANGUAGE.fullmatch(lang) else b""
        self._content = self.content_namespace.encode()
        self._lean, self._uses_prefix = _searches(self._content, *filter(None, declarations))

    def may_be_borrowed_from(self, data: bytes) -> bool:
        """Whether anything in `data` could lean on the stream header; False is certain."""
        return self._lean(data) is not None or (b"&" in data and b"&#" in data)

    def is_borrowed_from(self, raw: bytes) -> bool:
        """Whether this one stanza leans on the stream header, and must be rewritten."""
        if self._content and self._content in raw:
            return True
        if self._uses_prefix is not None and self._uses_prefix.search(raw):
            return True
        if b"xmlns:" in raw and _PREFIXED_ELEMENT.search(raw) and _has_content_below_prefix(raw):
            return True
        return b"&#" in raw and _hides_a_namespace(raw)

    def with_language(self, raw: bytes, name_end: int) -> bytes:
        """The bytes of a stanza that names no language, with the stream's, if it has one."""
        return raw[:name_end] + self.language + raw[name_end:]

    def parse(self, raw: bytes) -> Element:
        """Return the tree of an element in this scope."""
        if raw.startswith(b"<stream:features") and len(raw) <= _LONGEST_FEATURES:
            return _features(raw, self.start_tag)
        return parse_element(raw, self.start_tag)


@lru_cache(_MOST_KINDS)
def _start_tag(name: str, *declarations: tuple[str, str]) -> bytes:
    """Shared by the streams whose headers declare the same."""
    declared = [f" xmlns{':' if prefix else ''}{prefix}='{escape_attribute(uri)}'" for prefix, uri in declarations]
    return f"<{name}{''.join(declared)}>".encode()


@lru_cache(_MOST_FEATURES)
def _features(raw: bytes, start_tag: bytes) -> Element:
    """Most servers offer the same, on all their streams."""
    return parse_element(raw, start_tag)


@lru_cache(_MOST_KINDS)
def _searches(content_namespace: bytes, *prefixes: str) -> tuple[Search, re.Pattern[bytes] | None]:
    """What looks for anything that leans on a stream header, and for the use of one of its prefixes, if there are any.

    The headers of most streams declare the same.
    """
    escaped = [re.escape(prefix.encode()) for prefix in prefixes]
    uses_prefix = re.compile(rb"[<\s/](?:" + b"|".join(escaped) + rb"):") if escaped else None
    return _leaning(content_namespace, escaped), uses_prefix


def _leaning(content_namespace: bytes, prefixes: list[bytes]) -> Search:
    """Searches for what leans on a stream header: one of its prefixes, or its content namespace.

    And for prefixes of a stanza's own, below which content may stand. All of them hold a colon, and are found fastest
    by searching for that and looking at what stands around it.
    """
    before, colon, behind = map(re.escape, content_namespace.partition(b":"))
    if not colon:
        return re.compile(b"").search  # such a namespace is none of XMPP's; everything may lean on it
    around = [b"(?<=%b:)" % prefix for prefix in (*prefixes, b"xmlns")]
    return re.compile(b":(?:%b)" % b"|".join([*around, b"(?<=%b:)%b" % (before, behind)])).search


def _has_content_below_prefix(raw: bytes) -> bool:
    """Whether an element of the stream's content namespace stands somewhere below a prefixed one."""
    outside: list[tuple[bool, bool]] = []
    is_foreign, is_content = False, True  # below a prefixed element; where the stream's default namespace holds
    for tag in tags(raw):
        if tag.startswith(b"</"):
            is_foreign, is_content = outside.pop()
            continue
        is_prefixed = _PREFIXED_ELEMENT.match(tag) is not None
        holds = is_content and not any(name == b"xmlns" for name, _ in attributes(tag))
        if is_foreign and holds and not is_prefixed:
            return True
        if not tag.endswith(b"/>"):
            outside.append((is_foreign, is_content))
            is_foreign, is_content = is_foreign or is_prefixed, holds
    return False


def _hides_a_namespace(raw: bytes) -> bool:
    """Whether one is written with character references, so that only a parser can tell which it is."""
    declared = (value for tag in tags(raw) for name, value in attributes(tag) if name.startswith(b"xmlns"))
    return any(b"&#" in value for value in declared)
