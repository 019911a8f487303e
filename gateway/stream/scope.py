"""Scope: what a stanza inherits from the stream around it, and how it is made independent of the stream.

A stanza may use prefixes that only the stream header declares, name its content namespace explicitly, and be in the
stream's language (RFC 6120 §4.7.4, §4.8.3, §8.1.5). To be valid on another stream it must carry these itself. Almost no
stanza borrows more than the language, so everything that one read brought is first searched for possible borrowing.

The namespace of a stanza and of its children changes with the stream (RFC 6120 §4.8.3). Below an element of another
namespace it does not: a forwarded message (XEP-0297) keeps the namespace of the stream on which it was written. Below a
prefixed element that must be written explicitly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from gateway.stream.framing import attributes, tags
from gateway.xmpp.elements import Element, escape_attribute, parse_element

Search = Callable[[bytes], re.Match[bytes] | None]

_MOST_KINDS = 256  # cached headers with different declarations
_MOST_FEATURES = 64  # cached, with their meaning
_LONGEST_FEATURES = 2048  # bytes
_PREFIXED_ELEMENT = re.compile(rb"<[^\s/><:=!]++:")
_LANGUAGE = re.compile("[A-Za-z0-9-]{1,64}")  # enough of RFC 5646, but too little for a peer to make every stanza large


class Scope:
    """The stream header as its children see it; `start_tag` is a shorter one with the same meaning."""

    def __init__(self, name: str, declarations: dict[str, str], lang: str | None) -> None:
        self.name = name
        self.content_namespace = declarations.get("", "")
        self.start_tag = _start_tag(name, *declarations.items())
        self.language = b" xml:lang='%b'" % lang.encode() if lang and _LANGUAGE.fullmatch(lang) else b""
        self._content = self.content_namespace.encode()
        self._lean, self._uses_prefix = _searches(self._content, *filter(None, declarations))

    def may_be_borrowed_from(self, data: bytes) -> bool:
        """Return whether anything in `data` could depend on the stream header; False is certain."""
        return self._lean(data) is not None or (b"&" in data and b"&#" in data)

    def is_borrowed_from(self, raw: bytes) -> bool:
        """Return whether this stanza depends on the stream header, and must be rewritten."""
        if self._content and self._content in raw:
            return True
        if self._uses_prefix is not None and self._uses_prefix.search(raw):
            return True
        if b"xmlns:" in raw and _PREFIXED_ELEMENT.search(raw) and _has_content_below_prefix(raw):
            return True
        return b"&#" in raw and _hides_a_namespace(raw)

    def with_language(self, raw: bytes, name_end: int) -> bytes:
        """Return the bytes of a stanza without a language, with the stream's, if it has one."""
        return raw[:name_end] + self.language + raw[name_end:]

    def parse(self, raw: bytes) -> Element:
        """Return the tree of an element in this scope."""
        if raw.startswith(b"<stream:features") and len(raw) <= _LONGEST_FEATURES:
            return _features(raw, self.start_tag)
        return parse_element(raw, self.start_tag)


@lru_cache(_MOST_KINDS)
def _start_tag(name: str, *declarations: tuple[str, str]) -> bytes:
    """Return a start tag, shared by the streams whose headers declare the same."""
    declared = [f" xmlns{':' if prefix else ''}{prefix}='{escape_attribute(uri)}'" for prefix, uri in declarations]
    return f"<{name}{''.join(declared)}>".encode()


@lru_cache(_MOST_FEATURES)
def _features(raw: bytes, start_tag: bytes) -> Element:
    """Return features as a tree; most servers offer the same on all their streams."""
    return parse_element(raw, start_tag)


@lru_cache(_MOST_KINDS)
def _searches(content_namespace: bytes, *prefixes: str) -> tuple[Search, re.Pattern[bytes] | None]:
    """Return a search for anything that depends on a stream header, and a pattern for its prefixes, if it has any.

    The headers of most streams declare the same.
    """
    escaped = [re.escape(prefix.encode()) for prefix in prefixes]
    uses_prefix = re.compile(rb"[<\s/](?:" + b"|".join(escaped) + rb"):") if escaped else None
    return _leaning(content_namespace, escaped), uses_prefix


def _leaning(content_namespace: bytes, prefixes: list[bytes]) -> Search:
    """Return a search for what depends on a stream header: one of its prefixes, or its content namespace.

    It also finds prefixes of a stanza's own, below which content may occur. All of these contain a colon, so the
    fastest way is to search for colons and examine their surroundings.
    """
    before, colon, behind = map(re.escape, content_namespace.partition(b":"))
    if not colon:
        return re.compile(b"").search  # no namespace of XMPP looks like this; anything may depend on it
    around = [b"(?<=%b:)" % prefix for prefix in (*prefixes, b"xmlns")]
    return re.compile(b":(?:%b)" % b"|".join([*around, b"(?<=%b:)%b" % (before, behind)])).search


def _has_content_below_prefix(raw: bytes) -> bool:
    """Return whether an element of the stream's content namespace occurs below a prefixed one."""
    outside: list[tuple[bool, bool]] = []
    is_foreign, is_content = False, True  # below a prefixed element; where the stream's default namespace applies
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
    """Return whether a namespace is written with character references, so that only a parser can read it."""
    declared = (value for tag in tags(raw) for name, value in attributes(tag) if name.startswith(b"xmlns"))
    return any(b"&#" in value for value in declared)
