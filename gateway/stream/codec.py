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
from gateway.elements import SEPARATOR, Element, Oversized, split_name, unescape
from gateway.errors import MalformedAddress, StreamCondition, StreamError
from gateway.namespaces import XML
from gateway.stanzas import NAMES, TYPES, Stanza
from gateway.stream.budget import Budget, UnderWay
from gateway.stream.expat import Judge
from gateway.stream.framing import INCOMPLETE, UNUSUAL, Count, search
from gateway.stream.scope import Scope


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
Malformed = tuple[str, str] | None


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
_TYPE = {f"{quote}{value}{quote}".encode(): value for values in TYPES.values() for value in values for quote in "'\""}
_NO_SCOPE = Scope(b"<root>", {}, None)
_MOST_DECLARATIONS = 20  # of namespaces in a stream header; real ones have three to five
_FORGET_AFTER = 1 << 20  # bytes


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
        self._content = content_aliases  # the namespaces of stanzas, once the root is known
        self._judge = Judge()
        self._fault: StreamError | None = None
        self._buffer: bytes | bytearray = b""  # from the start of the element under way
        self._offset = 0  # of the buffer's first byte in what the judge has been fed
        self._under_way: UnderWay | None = None
        self._scope = _NO_SCOPE
        self._rooted = False
        self._ended = False

    @property
    def has_more(self) -> bool:
        """Whether anything but white space was received beyond what has been handed out, well-formed or not."""
        return bool(self._buffer.strip()) or self._fault is not None

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire. What is wrong with them is raised by `take`, in its turn."""
        if self._fault is not None or self._ended:
            return
        try:
            if len(self._buffer) > self.budget.stanza_bytes:
                raise StreamError(StreamCondition.POLICY_VIOLATION, "too much was sent ahead of an answer")
            self._judge.most_attributes = self.budget.attributes
            self._append(data)
            self._judge.feed(data)
        except StreamError as error:
            fault = error
        else:
            return
        self._stop_at(fault)

    def _append(self, data: bytes) -> None:
        if not self._buffer:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            self._buffer = bytearray(self._buffer + data)

    def _stop_at(self, fault: StreamError) -> None:
        """Look at nothing from the fault on. It may be inside a token: a fresh judge says what before it is whole."""
        self._fault = fault
        self._drop_from_fault()
        try:
            self._renew_judge()
        except StreamError as earlier:
            self._fault = earlier
            self._drop_from_fault()

    def _drop_from_fault(self) -> None:
        self._buffer = bytes(self._buffer[: max(0, self._judge.passed - self._offset)])

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

    # -- the root ----------------------------------------------------------------------------------------------------

    def _take_root(self, items: list[Item]) -> None:
        if self._judge.root is None:
            self.budget.check_size(len(self._buffer))
            return
        offset, expat_name, attributes, declarations = self._judge.root
        buffer = bytes(self._buffer)
        tag = _ANY_TAG.match(buffer, offset)
        assert tag is not None
        self.budget.check_size(tag.end())
        if len(declarations) > _MOST_DECLARATIONS:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "the stream header declares too many namespaces")
        root = _root_tag(expat_name, tag[1].decode(), attributes, declarations)
        self._rooted = True
        self._ended = bool(tag[2])
        self._scope = Scope(tag[0], declarations, root.attributes.get((XML, "lang")))
        self._content = self._aliases | {self._scope.content_namespace}
        self._buffer = buffer[tag.end() :]
        self._offset = tag.end()
        items.append(root)
        if self._ended:
            items.append(STREAM_END)

    # -- its children ------------------------------------------------------------------------------------------------

    def _is_worth_a_look(self) -> bool:
        """Whether anything is there that was not at the last look, or the element then incomplete is complete now."""
        passed = self._judge.passed - self._offset
        if self._under_way is None:
            if passed <= 0:  # at most a tag that has not ended
                self.budget.check_size(len(self._buffer))
            return passed > 0
        if self._under_way.is_complete(self._buffer, passed, counts=self._judge.saw_cdata):
            self._under_way = None
            return True
        self._under_way.check(self._buffer, self.budget, passed)
        return False

    def _take_elements(self, items: list[Item], at_most: int) -> None:
        buffer = self._buffer = bytes(self._buffer)
        passed = self._judge.passed - self._offset
        counts = self._judge.saw_cdata
        may_borrow = self._scope.may_be_borrowed_from(buffer)
        harmless_bytes = self.budget.harmless_bytes
        position = 0
        try:
            while len(items) != at_most:
                if not buffer.startswith(b"<", position):
                    position = _WHITESPACE.match(buffer, position).end()  # type: ignore[union-attr]
                if position >= passed:
                    self.budget.check_size(len(buffer) - position)
                    break
                tag = _STANZA_TAG.match(buffer, position, passed)
                name = None
                if tag is None:
                    if _END_TAG.match(buffer, position, passed):
                        self._ended = True
                        items.append(STREAM_END)
                        break
                    _refuse_text(buffer, position)
                    end = UNUSUAL
                elif tag[8]:
                    end = tag.end()
                elif counts:
                    end = UNUSUAL
                else:
                    name = tag[1]
                    end = search(buffer, name, tag.end(), passed)
                if end == UNUSUAL:
                    name = None
                    end = Count().end(buffer, position, passed)
                if end == INCOMPLETE:
                    self._under_way = UnderWay(name, passed - position)
                    break
                raw = buffer[position:end]
                if end - position > harmless_bytes:
                    self.budget.check_whole(raw)
                position = end
                if tag is None or (tag[7] and b"xmlns" in tag[0]) or (may_borrow and self._scope.is_borrowed_from(raw)):
                    items.append(self._through_tree(raw))
                else:
                    items.append(self._stanza(raw, tag))
        finally:
            self._buffer = buffer[position:]
            self._offset += position
        self._look_ahead(passed - position)

    def _look_ahead(self, passed: int) -> None:
        """What is to be done between two looks: see what the rest has cost so far, forget what is behind."""
        if self._under_way is not None:
            self._under_way.check(self._buffer, self.budget, passed)
        elif not self._buffer:
            self._judge.saw_cdata = False
        if self._offset > _FORGET_AFTER and self._fault is None:
            # expat keeps every name that it has ever seen, so that a peer could fill our memory with names.
            self._renew_judge()

    def _renew_judge(self) -> None:
        start_tag = self._scope.start_tag if self._rooted else b""
        self._judge, self._offset = Judge(), len(start_tag)
        self._judge.most_attributes = self.budget.attributes
        for known in (start_tag, bytes(self._buffer)):
            self._judge.feed(known)

    def _stanza(self, raw: bytes, tag: re.Match[bytes]) -> Stanza:
        name, from_, to, type_, id_, lang, _, _ = tag.groups()
        if b"&" in raw and b"&" in tag[0]:
            from_address, to_address, malformed = self._addresses(from_, to)
        else:
            try:
                from_address = None if from_ is None else self._lookup(from_[1:-1])
                to_address = None if to is None else self._lookup(to[1:-1])
                malformed = None
            except MalformedAddress:
                from_address, to_address, malformed = self._addresses(from_, to)
        if lang is None:
            raw = self._scope.with_language(raw, 1 + len(name))
        return Stanza(
            _NAME[name],
            raw,
            to_address,
            from_address,
            None if type_ is None else _TYPE.get(type_) or unescape(type_[1:-1]),
            None if id_ is None else id_[1:-1],
            malformed,
        )

    def _addresses(self, from_: bytes | None, to: bytes | None) -> tuple[Address | None, Address | None, Malformed]:
        """The addresses whose text is not what stands there, or is no address: which of the two, and why."""
        found: list[Address | None] = []
        malformed = None
        for name, quoted in (("from", from_), ("to", to)):
            try:
                found.append(None if quoted is None else self._lookup(unescape(quoted[1:-1])))
            except MalformedAddress as error:
                found.append(None)
                malformed = malformed or (name, error.problem)
        return found[0], found[1], malformed

    def _through_tree(self, raw: bytes) -> Stanza | Element:
        """An element that is no stanza, or a stanza that cannot travel as it is, through its tree."""
        element = self._scope.parse(raw)
        if element.name not in NAMES or element.namespace not in self._content:
            return element
        try:
            # Content of its own namespace is written without it, down to where other content begins.
            raw = element.serialize(element.namespace, at_most=self.budget.stanza_bytes)
        except Oversized as error:
            raise StreamError(StreamCondition.POLICY_VIOLATION, str(error)) from error
        tag = _STANZA_TAG.match(raw)
        assert tag is not None
        return self._stanza(raw, tag)


def _root_tag(expat_name: str, written_name: str, attributes: dict[str, str], declarations: dict[str, str]) -> RootTag:
    namespace, name = split_name(expat_name)
    return RootTag(
        namespace=namespace,
        name=name,
        prefix=written_name.rpartition(":")[0],
        attributes={(split_name(key) if SEPARATOR in key else key): value for key, value in attributes.items()},
        declarations=declarations,
    )


def _refuse_text(buffer: bytes, position: int) -> None:
    if not buffer.startswith(b"<", position) or buffer.startswith(b"<![CDATA[", position):
        raise StreamError(StreamCondition.BAD_FORMAT, "text between stanzas is not allowed in a stream")
