"""Codec: bytes of one XML stream -> its root tag, stanzas, other elements, its end (RFC 6120 §4, §11).

expat judges (see `expat`), `framing` finds the top-level elements in the bytes that expat has passed, and one
regular expression reads each start tag: a stanza that only passes costs no call per element and no tree. Nothing is
handed on before expat has passed its last byte. What a stanza borrows from its stream (see `scope`) is written into
it here, so that from here on its bytes can go anywhere.

The codec counts before it spends: bytes and tags of the element under way, its depth, and tokens that do not end.
One codec lives from one stream header to the next restart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from gateway.addresses import Address
from gateway.elements import SEPARATOR, Element, split_name, unescape
from gateway.errors import MalformedAddress, StreamCondition, StreamError
from gateway.namespaces import XML
from gateway.stanzas import CONTENT, NAMES, TYPES, Stanza
from gateway.stream.expat import Judge
from gateway.stream.framing import INCOMPLETE, UNUSUAL, Count, search
from gateway.stream.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one top-level element may cost; more is `policy-violation`."""

    stanza_bytes: int = 524288
    depth: int = 100
    elements: int = 25000
    attributes: int = 1000


@dataclass(frozen=True, kw_only=True)
class RootTag:
    """A stream's start tag as received: expanded name, prefix, attributes, namespaces declared by prefix."""

    namespace: str
    name: str
    prefix: str
    attributes: dict[str | tuple[str, str], str]
    declarations: dict[str, str]


class StreamEnd:
    """The closing tag of the stream."""


STREAM_END = StreamEnd()
Item = RootTag | Stanza | Element | StreamEnd


class AddressLookup(Protocol):
    """Prepared addresses by the text that was on the wire; raises MalformedAddress."""

    def lookup(self, raw: str | bytes) -> Address: ...


_WS = rb"[ \t\r\n]"


def _captured(name: bytes) -> bytes:
    return name + _WS + rb"*+=" + _WS + rb"""*+('[^']*+'|"[^"]*+")"""


# The start tag of a stanza. Groups: name, from, to, type, id, xml:lang, name of any other attribute, empty mark.
# Possessive throughout: nothing that a peer can write makes it go back and try again.
_STANZA_TAG = re.compile(
    rb"<(message|presence|iq)(?:" + _WS + rb"++(?>"
    + b"|".join(_captured(name) for name in (b"from", b"to", b"type", b"id", b"xml:lang"))
    + rb"|([^\s=/>]++)" + _WS + rb"*+=" + _WS + rb"*+(?:'[^']*+'|\"[^\"]*+\")))*+" + _WS + rb"*+(/?+)>"
)  # fmt: skip
_ANY_TAG = re.compile(rb"""<([^\s/>]++)(?:[^>'"/]++|'[^']*+'|"[^"]*+"|/(?!>))*+(/?+)>""")
_END_TAG = re.compile(rb"</[^>]*+>")
_WHITESPACE = re.compile(_WS + rb"*+")
_NAME = {name.encode(): name for name in NAMES}
_TYPE = {value.encode(): value for values in TYPES.values() for value in values}
_NO_SCOPE = Scope(b"<root>", {}, None)


class Codec:
    """Reads one stream: `feed` it bytes, then `take` what is complete.

    A fault is raised as StreamError by the `take` that reaches it, after everything before it has been handed out:
    items and fault are the same however the bytes were cut.
    """

    def __init__(
        self, budget: Budget, addresses: AddressLookup, *, content_aliases: frozenset[str] = frozenset()
    ) -> None:
        """`content_aliases` are further namespaces in which peers are known to put stanzas on such a stream."""
        self.budget = budget
        self._lookup = addresses.lookup
        self._aliases = content_aliases
        self._judge = Judge()
        self._fault: StreamError | None = None
        self._buffer: bytes | bytearray = b""  # from the start of the element under way
        self._offset = 0  # of the buffer's first byte in the stream
        self._under_way: _UnderWay | None = None
        self._scope = _NO_SCOPE
        self._rooted = False
        self._ended = False

    @property
    def trailing(self) -> bytes:
        """What was received and not handed out: after a restart of the stream, bytes that must not be there."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire. What is wrong with them is raised by `take`, in its turn."""
        if self._fault is not None or self._ended:
            return
        if not self._buffer:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            self._buffer = bytearray(self._buffer + data)
        try:
            self._judge.feed(data)
        except StreamError as fault:
            self._fault = fault

    def take(self, at_most: int = -1) -> list[Item]:
        """The complete items, in order; while negotiating one at a time, since each may change how the next is read."""
        items: list[Item] = []
        if self._ended:
            return items
        try:
            if not self._rooted:
                self._take_root(items)
            if self._rooted and len(items) != at_most and self._is_worth_a_look():
                self._take_elements(items, at_most)
        except StreamError as fault:
            self._fault = fault
        if not items and self._fault is not None:
            raise self._fault
        return items

    def _take_root(self, items: list[Item]) -> None:
        if self._judge.root is None:
            if len(self._buffer) > self.budget.stanza_bytes:
                raise StreamError(StreamCondition.POLICY_VIOLATION, "the stream header is too large")
            return
        offset, expat_name, attributes, declarations = self._judge.root
        buffer = bytes(self._buffer)
        tag = _ANY_TAG.match(buffer, offset)
        assert tag is not None
        prefix, colon, _ = tag[1].decode().rpartition(":")
        namespace, name = split_name(expat_name)
        root = RootTag(
            namespace=namespace,
            name=name,
            prefix=prefix if colon else "",
            attributes={(split_name(key) if SEPARATOR in key else key): value for key, value in attributes.items()},
            declarations=declarations,
        )
        self._rooted = True
        self._ended = bool(tag[2])
        self._scope = Scope(tag[0], declarations, root.attributes.get((XML, "lang")))
        self._content = self._aliases | {self._scope.content_namespace}
        self._buffer = buffer[tag.end() :]
        self._offset = tag.end()
        items.append(root)
        if self._ended:
            items.append(STREAM_END)

    def _is_worth_a_look(self) -> bool:
        """Whether the element that was incomplete at the last look, if any, is complete now."""
        if self._under_way is None:
            return True
        passed = self._judge.passed - self._offset
        if self._under_way.is_complete(self._buffer, passed, counts=self._judge.saw_cdata):
            self._under_way = None
            return True
        self._under_way.check(self._buffer, self.budget, passed)
        return False

    def _take_elements(self, items: list[Item], at_most: int) -> None:
        buffer = self._buffer = bytes(self._buffer)
        passed = self._judge.passed - self._offset
        counts_always = self._judge.saw_cdata
        may_borrow = self._scope.may_be_borrowed_from(buffer)
        position = 0
        try:
            while len(items) != at_most:
                position = _WHITESPACE.match(buffer, position).end()  # type: ignore[union-attr]
                if position >= passed:
                    _check(self.budget, len(buffer) - position, None)
                    break
                tag = _STANZA_TAG.match(buffer, position, passed)
                if tag is None:
                    if _END_TAG.match(buffer, position, passed):
                        self._ended = True
                        items.append(STREAM_END)
                        break
                    end = self._end_of_other(buffer, position, passed)
                elif tag[8]:
                    end = tag.end()
                else:
                    end = UNUSUAL if counts_always else search(buffer, tag[1], tag.end(), passed)
                    if end == UNUSUAL:
                        end = Count().end(buffer, position, passed)
                if end == INCOMPLETE:
                    self._under_way = _UnderWay(None if tag is None or counts_always else tag[1], passed - position)
                    break
                raw = buffer[position:end]
                if len(raw) > self.budget.stanza_bytes or raw.count(b"<") > self.budget.depth or raw.count(b"=") > 64:
                    self._check_cost(raw)
                position = end
                if tag is None or self._borrows(raw, tag, may_borrow):
                    items.append(self._through_tree(raw))
                else:
                    items.append(self._stanza(raw, tag))
        finally:
            self._buffer = buffer[position:]
            self._offset += position
        if self._under_way is not None:
            self._under_way.check(self._buffer, self.budget, passed - position)
        elif not self._buffer:
            self._judge.saw_cdata = False

    @staticmethod
    def _end_of_other(buffer: bytes, position: int, passed: int) -> int:
        if buffer[position] != 0x3C or buffer.startswith(b"<![CDATA[", position, passed):
            raise StreamError(StreamCondition.BAD_FORMAT, "text between stanzas is not allowed in a stream")
        return Count().end(buffer, position, passed)

    def _check_cost(self, raw: bytes) -> None:
        """What an element that looks expensive really costs."""
        count = Count()
        count.end(raw, 0, len(raw))
        _check(self.budget, len(raw), count)
        if any(tag[0].count(b"=") > self.budget.attributes for tag in _ANY_TAG.finditer(raw)):
            raise StreamError(StreamCondition.POLICY_VIOLATION, f"more than {self.budget.attributes} attributes")

    def _borrows(self, raw: bytes, tag: re.Match[bytes], may_borrow: bool) -> bool:
        return (tag[7] is not None and b"xmlns" in tag[0]) or (may_borrow and self._scope.is_borrowed_from(raw))

    def _stanza(self, raw: bytes, tag: re.Match[bytes]) -> Stanza:
        name, from_, to, type_, id_, lang, _, _ = tag.groups()
        if lang is None:
            raw = self._scope.with_language(raw, 1 + len(name))
        malformed = None
        to_address = from_address = None
        try:
            if from_ is not None:
                from_address = self._address(from_)
        except MalformedAddress as error:
            malformed = ("from", error.problem)
        try:
            if to is not None:
                to_address = self._address(to)
        except MalformedAddress as error:
            malformed = malformed or ("to", error.problem)
        return Stanza(
            _NAME[name],
            raw,
            to_address,
            from_address,
            None if type_ is None else _TYPE.get(type_[1:-1]) or unescape(type_[1:-1]),
            None if id_ is None else unescape(id_[1:-1]),
            malformed,
        )

    def _address(self, quoted: bytes) -> Address:
        value = quoted[1:-1]
        return self._lookup(unescape(value) if b"&" in value else value)

    def _through_tree(self, raw: bytes) -> Stanza | Element:
        """An element that is no stanza, or a stanza that cannot travel as it is, through its tree."""
        element = self._scope.parse(raw)
        if element.name not in NAMES or element.namespace not in self._content:
            return element
        if element.namespace != self._scope.content_namespace:  # an alias
            independent = Element(CONTENT, element.name, element.attributes, element.children)
        else:
            independent = self._scope.independent(element)
        raw = independent.serialize(CONTENT)
        tag = _STANZA_TAG.match(raw)
        assert tag is not None
        return self._stanza(raw, tag)


class _UnderWay:
    """The element that was incomplete when the buffer ended; it is read on from where reading stopped."""

    def __init__(self, name: bytes | None, resume: int) -> None:
        self._name = name  # None: its tags are counted
        self._resume = resume
        self._count: Count | None = None
        self._tags = 0
        self._tags_to = 0

    def is_complete(self, buffer: bytes | bytearray, passed: int, *, counts: bool) -> bool:
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
        """Refuse it as soon as what is there is too much."""
        self._tags += buffer.count(b"<", self._tags_to)
        self._tags_to = len(buffer)
        if self._tags > budget.depth:
            self._name = None
            self._counted(buffer, passed)
        _check(budget, len(buffer), self._count)


def _check(budget: Budget, size: int, count: Count | None) -> None:
    if size > budget.stanza_bytes:
        problem = f"more than {budget.stanza_bytes} bytes in one element"
    elif count is not None and count.deepest > budget.depth:
        problem = f"elements nested more than {budget.depth} deep"
    elif count is not None and count.elements > budget.elements:
        problem = f"more than {budget.elements} elements in one"
    else:
        return
    raise StreamError(StreamCondition.POLICY_VIOLATION, problem)
