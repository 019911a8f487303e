"""Budget: the limits of one top-level element, and their checks.

Bytes and tags are counted before anything is spent on them. The check of an unfinished element continues where it
stopped, and the element is refused as soon as it exceeds a limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from gateway.stream.framing import INCOMPLETE, UNUSUAL, Count, attributes, search, tags
from gateway.xmpp.errors import StreamError
from gateway.xmpp.faults import Fault, stream_error

_MOST_SIZES = 256  # different sizes granted to peers


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The limits of one top-level element; beyond them it is a `policy-violation`."""

    stanza_bytes: int = 524288
    depth: int = 100
    elements: int = 25000
    attributes: int = 1000  # in one tag

    @cached_property
    def harmless_bytes(self) -> int:
        """The largest size at which no whole element can be too deep, or have too many elements or attributes."""
        return min(self.stanza_bytes, self._deep_bytes, self._attributed_bytes)

    @lru_cache(_MOST_SIZES)  # noqa: B019  budgets are few, and live as long as the process
    def of_size(self, stanza_bytes: int) -> Budget:
        """Return the same budget for stanzas of another size."""
        return replace(self, stanza_bytes=stanza_bytes)

    def check_size(self, size: int, count: Count | None = None) -> None:
        """Refuse an element, whole or not, with this many bytes and these tags, if it is too much."""
        if size > self.stanza_bytes:
            raise OverBudget(Fault.TOO_LARGE, f"{self.stanza_bytes} bytes in one element")
        if count is not None and count.deepest > self.depth:
            raise OverBudget(Fault.TOO_DEEP, f"{self.depth} nested elements")
        if count is not None and count.elements > self.elements:
            raise OverBudget(Fault.TOO_MANY_ELEMENTS, f"{self.elements} elements in one")

    def check_whole(self, raw: bytes) -> None:
        """Refuse a whole element if it is too much, counting only what could be."""
        size, count = len(raw), None
        if size >= self._deep_bytes and raw.count(b"<") > min(self.depth, self.elements):
            count = Count()
            count.end(raw, 0, size)
        self.check_size(size, count)
        if size >= self._attributed_bytes and raw.count(b"=") > self.attributes:
            for tag in tags(raw):
                self.check_attributes(tag)

    def check_attributes(self, tag: bytes) -> None:
        """Refuse a tag with too many attributes, namespace declarations included."""
        if tag.count(b"=") > self.attributes and sum(1 for _ in attributes(tag)) > self.attributes:
            raise stream_error(Fault.TOO_MANY_ATTRIBUTES, f"more than {self.attributes} attributes in one tag")

    @cached_property
    def _deep_bytes(self) -> int:
        return min(len("<a></a>") * self.depth, len("<a/>") * self.elements)

    @cached_property
    def _attributed_bytes(self) -> int:
        return len(" a=''") * self.attributes


class OverBudget(StreamError):
    """An element exceeds its budget. If it is a stanza whose start tag is known, it can be skipped instead."""

    def __init__(self, fault: Fault, what: str) -> None:
        super().__init__(stream_error(Fault.ENDLESS, "").condition, f"more than {what}")
        self.fault = fault


class Skipping:
    """A stanza over budget, read to its end without being kept.

    Until then the parser keeps something for each level and each name, so skipping has its own limits.
    """

    _BYTES = 8  # as a multiple of the budget's
    _DEPTH = 100  # as a multiple of the budget's
    _NAMES = 100_000  # tags and attributes, as far as text shows them without a parser

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._count = Count()
        self._bytes = 0
        self._names = 0

    def end(self, buffer: bytes | bytearray, passed: int) -> int:
        """Return the offset behind its end, or INCOMPLETE; raise StreamError if it is too much even to be skipped."""
        end = self._count.end(buffer, 0, passed)
        read = passed if end == INCOMPLETE else end
        self._names += buffer.count(b"<", 0, read) + buffer.count(b"=", 0, read)
        self._bytes += read
        budget = self._budget
        if (
            self._bytes > self._BYTES * budget.stanza_bytes
            or self._names > self._NAMES
            or self._count.deepest > self._DEPTH * budget.depth
        ):
            raise stream_error(Fault.ENDLESS, "far more than one element may contain")
        return end

    def forget(self) -> int:
        """Return how many bytes at the start of the buffer have been read and need not be kept."""
        return self._count.forget()


class IncompleteElement:
    """The element that was incomplete when the buffer ended; reading continues where it stopped."""

    def __init__(self, name: bytes | None, resume: int) -> None:
        """`name` is that of a stanza whose end can be searched for from `resume` on; None: its tags must be counted."""
        self._name = name
        self._resume = resume
        self._count: Count | None = None
        self._tags = 0
        self._tags_to = 0

    def is_complete(self, buffer: bytes | bytearray, passed: int, *, counts: bool) -> bool:
        """Return whether its end is in the buffer, which begins with it; `counts`: a search
        for the end is not enough.
        """
        if self._name is not None and not counts:
            end = search(buffer, self._name, self._resume, passed)
            self._resume = passed
            if end != UNUSUAL:
                return end != INCOMPLETE
        self._name = None
        return self._counted(buffer, passed) != INCOMPLETE

    def _counted(self, buffer: bytes | bytearray, passed: int) -> int:
        if self._count is None:
            self._count = Count()
        return self._count.end(buffer, 0, passed)

    def check(self, buffer: bytes | bytearray, budget: Budget, passed: int) -> None:
        """Refuse it as soon as it exceeds a limit."""
        self._tags += buffer.count(b"<", self._tags_to)
        self._tags_to = len(buffer)
        if self._tags > budget.depth:
            self._name = None
            self._counted(buffer, passed)
        budget.check_size(len(buffer), self._count)
