"""The end of a top-level element, found in bytes that expat has already accepted.

In well-formed XML without comments, processing instructions and DTD (the codec refuses those), a `<` is markup or part
of a CDATA section. So the end of an element can be found by search, and exactly:

- `search`: the first `</message>` behind `<message` closes it, unless a stanza begins in between.
- `Count`: every tag is read and depth is counted. This is for CDATA, for a stanza nested in a stanza, and for elements
  that are not stanzas.

Both stop at the end of what expat has accepted and continue from there later. expat accepts a tag as a whole, so no tag
ever straddles that point, and an element in many small pieces costs no more than one that comes whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.xmpp.markup import INSIDE_TAG, QUOTED

INCOMPLETE = -1
UNUSUAL = -2

# One tag, or the start of a CDATA section. Groups: CDATA, closing mark, mark of an empty element.
_TAG = re.compile(b"<(?:(!)|(/?)" + INSIDE_TAG + b"(/?)>)")
_CDATA_START, _CDATA_END = b"<![CDATA[", b"]]>"
_TAG_NAME = re.compile(rb"<[^\s=/>]*+")
_ATTRIBUTE = re.compile(rb"\s*+([^\s=/>]++)\s*+=\s*+(" + QUOTED + b")")

# The start or end of a stanza, or of an element with a longer name; and the usual end of a stanza.
_EDGE = re.compile(rb"</?(?:message|presence|iq)>?")
_SPACED_END = re.compile(rb"[ \t\r\n]++>")
_END_OF_TAG = re.compile(rb"[ \t\r\n]{0,256}+>")
_LONGEST_CLOSING_TAG = 512  # of a stream; it may be split across reads
_CLOSING_TAG = {name: b"</" + name + b">" for name in (b"message", b"presence", b"iq")}


def search(buffer: bytes | bytearray, name: bytes, resume: int, passed: int) -> int:
    """Return the offset behind the element `name` that opened before `resume`, INCOMPLETE, or
    UNUSUAL (count instead).
    """
    edge = _EDGE.search(buffer, resume, passed)
    if edge is None:
        return INCOMPLETE
    closing = _CLOSING_TAG[name]
    if edge[0] == closing:
        return edge.end()
    if edge[0] == closing[:-1] and (rest := _SPACED_END.match(buffer, edge.end(), passed)) is not None:
        return rest.end()
    return UNUSUAL  # a stanza inside the stanza, or a longer name


class Count:
    """Counts tags from the start of one element to its end, over a buffer that may still grow."""

    __slots__ = ("_depth", "_in_cdata", "_resume", "deepest", "elements")

    def __init__(self) -> None:
        self._resume = 0
        self._depth = 0
        self._in_cdata = False
        self.deepest = 0
        self.elements = 0

    def end(self, buffer: bytes | bytearray, start: int, passed: int) -> int:
        """Return the offset behind the element that starts at `start`, or INCOMPLETE."""
        position = start + self._resume
        while True:
            if self._in_cdata:
                closing = buffer.find(_CDATA_END, position, passed)
                if closing < 0:
                    self._resume = max(position, passed - 2) - start  # expat may have accepted a part of "]]>"
                    return INCOMPLETE
                self._in_cdata = False
                position = closing + len(_CDATA_END)
            tag = _TAG.search(buffer, position, passed)
            if tag is None:
                self._resume = passed - start
                return INCOMPLETE
            position = tag.end()
            if tag[1]:
                self._in_cdata = True
                position = tag.start() + len(_CDATA_START)
            elif self._ends_with(closing=bool(tag[2]), empty=bool(tag[3])):
                return position

    def forget(self) -> int:
        """Return how many bytes of the element have been read; the buffer may continue without them."""
        read, self._resume = self._resume, 0
        return read

    def _ends_with(self, *, closing: bool, empty: bool) -> bool:
        if not closing:
            self.elements += 1
            self._depth += 1
            self.deepest = max(self.deepest, self._depth)
        if closing or empty:
            self._depth -= 1
        return self._depth == 0


def tags(raw: bytes) -> Iterator[bytes]:
    """Yield every tag in a whole element, in order."""
    position = 0
    while tag := _TAG.search(raw, position):
        if tag[1]:
            position = raw.index(_CDATA_END, tag.start()) + len(_CDATA_END)
        else:
            yield tag[0]
            position = tag.end()


def attributes(tag: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the attributes of a start tag, names and values as written; stop early if it is not well-formed."""
    position = _TAG_NAME.match(tag).end()  # type: ignore[union-attr]  # it always matches
    while attribute := _ATTRIBUTE.match(tag, position):
        yield attribute[1], attribute[2][1:-1]
        position = attribute.end()


class ClosingTag:
    """The closing tag of a stream, searched for in bytes of which nothing else matters.

    They have not been parsed, so anything that looks like the tag is taken for it.
    """

    __slots__ = ("_last", "is_found", "name")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.is_found = False
        self._last = b""

    def look_at(self, data: bytes) -> None:
        """Search the bytes that follow those before; the work is linear in their number."""
        data = self._last + data
        start = b"</" + self.name
        position = -1
        while not self.is_found and (position := data.find(start, position + 1)) >= 0:
            self.is_found = _END_OF_TAG.match(data, position + len(start)) is not None
        self._last = data[-_LONGEST_CLOSING_TAG:]
