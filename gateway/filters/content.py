"""Content: the parts of a stanza that conditions about content need, read once, without a tree.

Reading is linear in the stanza's bytes, and only the first 64 KiB of its text and its first 2,000 elements are looked
at. Nothing that a stanza refers to is ever fetched.
"""

from __future__ import annotations

import re
from pyexpat import ParserCreate
from typing import NamedTuple

from gateway.filters.rules import PayloadName
from gateway.xmpp.namespaces import CLIENT, XML

MOST_TEXT = 65536
"""The characters of text that are searched."""
MOST_ELEMENTS = 2000
"""The elements that are looked at, with their text."""
_SEPARATOR = "\n"  # cannot occur in a namespace or a name
_ROOT = f"<root xmlns='{CLIENT}'>".encode()
_LANG = f"{XML}{_SEPARATOR}lang"
_URL = re.compile(r"\b(?:https?|ftp|ftps|magnet|geo|xmpp):[^\s]|\bwww\.[^\s]", re.IGNORECASE)


class Content(NamedTuple):
    """The text of all elements, the names of the stanza's children, and its languages, in lower case."""

    text: str
    payloads: frozenset[PayloadName]
    languages: frozenset[str]

    @property
    def has_urls(self) -> bool:
        """Return whether the text contains a web address, or another one that clients turn into a link."""
        return _URL.search(self.text) is not None


def read_content(raw: bytes) -> Content:
    """Read a stanza's bytes, which are well-formed and portable."""
    text: list[str] = []
    kept = depth = elements = 0
    payloads: set[PayloadName] = set()
    languages: set[str] = set()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1
        if elements > MOST_ELEMENTS:
            parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
        if depth == 3:
            namespace, _, local = name.rpartition(_SEPARATOR)
            payloads.add(PayloadName(namespace, local))
        if 2 <= depth <= 3 and (language := attributes.get(_LANG)):
            languages.add(language.lower())

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1
        text.append(" ")

    def characters(data: str) -> None:
        nonlocal kept
        if kept < MOST_TEXT:
            text.append(data[: MOST_TEXT - kept])
            kept += len(data)

    parser = ParserCreate("utf-8", namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    parser.Parse(_ROOT)
    parser.Parse(raw)
    return Content("".join(text), frozenset(payloads), frozenset(languages))


def may_hold(raw: bytes, needle: bytes) -> bool:
    """Return whether bytes of a stanza may contain this text; a character reference may hide it."""
    return needle in raw or b"&#" in raw
