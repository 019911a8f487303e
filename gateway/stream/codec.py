"""Codec: from the bytes of one XML stream to its root tag, stanzas, other elements, and its end (RFC 6120 §4, §11).

expat checks the bytes (see `expat`), and regular expressions cut up what it has accepted: one search finds all usual
stanzas of a read; anything else is read one by one, and `framing` finds its end. A stanza that only passes costs no
call per element and no tree (see `stanza_reader`). Nothing is returned before expat has accepted its last byte. What a
stanza borrows from its stream (see `scope`) is written into it here, so that from here on its bytes can go anywhere.

The codec counts before it spends: bytes and tags of the unfinished element, its depth, and tokens that do not end. Once
stanzas may pass, one that is too much is returned as its start tag alone, with its flaw, and the rest of it is skipped.
A codec is used from one stream header to the next restart.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from gateway.stream.budget import Budget, IncompleteElement, OverBudget, Skipping
from gateway.stream.codec_states import TRANSITIONS, CodecMove, CodecState
from gateway.stream.expat import XMLChecker
from gateway.stream.framing import INCOMPLETE, UNUSUAL, ClosingTag, Count, search
from gateway.stream.known import Opening, RootTag, known_opening, known_word, read_opening
from gateway.stream.lives import after
from gateway.stream.scope import Scope
from gateway.stream.stanza_reader import AddressLookup, StanzaReader
from gateway.xmpp.elements import Element, Oversized, TreeReader
from gateway.xmpp.errors import StreamError
from gateway.xmpp.faults import Fault, stream_error
from gateway.xmpp.markup import NEVER, QUOTED, rounds
from gateway.xmpp.stanzas import NAMES, Flaw, Stanza


class EndOfStream:
    """The closing tag of the stream."""


STREAM_END = EndOfStream()
Item = RootTag | Stanza | Element | EndOfStream
_WS = rb"[ \t\r\n]"


def _start_tag(other_attributes: bytes) -> bytes:
    """Return the pattern of a stanza's start tag, up to its closing mark.

    Groups: name, from, to, type, id, xml:lang, with quotes.
    """
    equals = _WS + rb"*+=" + _WS + rb"*+"
    captured = [name + equals + b"(" + QUOTED + b")" for name in (b"from", b"to", b"type", b"id", b"xml:lang")]
    other = other_attributes + rb"[^\s=/>]++" + equals + b"(?:" + QUOTED + b")"
    # A failed round of this group may leave the white space behind it unread; white space may follow anyway (see
    # `rounds`).
    attributes = b"(?:" + _WS + b"++(?:" + b"|".join([*captured, other, NEVER]) + b"))*+"
    return b"<(message|presence|iq)" + attributes + _WS + b"*+"


_STANZA_TAG = re.compile(_start_tag(b"") + b"(/?+)>")
# A whole stanza without namespace declarations and without a stanza inside. Groups: all of it, those of its start tag,
# or, if there is no such stanza, the next byte. In that case all the rest is skipped in one step, once for each element
# that is not such a stanza.
_USUAL_STANZA = re.compile(
    b"(" + _start_tag(b"(?!xmlns)") + rb"(?:/>|>[^<]*+" + rounds(rb"<(?!/?(?:message|presence|iq))[^<]*+") + rb"</\2>))"
    rb"|(.).*+",
    re.DOTALL,
)
_END_TAG = re.compile(rb"</[^>]*+>")
_WHITESPACE = re.compile(_WS + rb"*+")
_NO_SCOPE = Scope("root", {}, None)
_ROOT, _CHILDREN = CodecState.ROOT, CodecState.CHILDREN  # looked up once, not with every read
_FORGET_AFTER = 1 << 20  # bytes


class Codec:
    """Reads one stream: `feed` it bytes, then `take` the complete items.

    A fault is raised as StreamError by the `take` that reaches it, after everything before it has been returned: items
    and fault are the same no matter how the bytes were split.
    """

    def __init__(
        self, budget: Budget, addresses: AddressLookup, *, content_aliases: frozenset[str] = frozenset()
    ) -> None:
        """`content_aliases` are further namespaces that peers are known to use for stanzas on such a stream."""
        self.budget = budget
        self.may_skip = False  # stanzas over budget; otherwise they end the stream
        self._addresses = addresses
        self._aliases = content_aliases
        self._content: Collection[str] = content_aliases  # the namespaces of stanzas, once the root is known
        self._checker = XMLChecker()
        self._fault: StreamError | None = None
        self._buffer: bytes | bytearray = b""  # with the unfinished element, if any, at its start
        self._offset = 0  # of the buffer's first byte in all that was fed to the checker
        self._position = 0  # in the buffer, up to which items have been taken
        self._looked_through: bytes | None = None  # the buffer when it was last searched for borrowing
        self._may_borrow = False
        self._trees: TreeReader | None = None  # for the buffer's content
        self._under_way: IncompleteElement | None = None
        self._skipping: Skipping | None = None  # instead of `_under_way`
        self._scope = _NO_SCOPE
        self._stanza = StanzaReader(addresses, _NO_SCOPE).read
        self._state = CodecState.ROOT
        self._known: RootTag | Element | None = None  # to be returned before anything else
        self._closing_tag = ClosingTag(b"stream:stream")

    @property
    def has_more(self) -> bool:
        """Return whether anything but white space was received and not yet returned, well-formed or not."""
        return bool(self._buffer[self._position :].strip()) or self._fault is not None or self._known is not None

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire. `take` raises their faults in their turn."""
        if self._fault is not None or (self._state is not _CHILDREN and self._state is not _ROOT):
            if self._state is not CodecState.ENDED:
                self._closing_tag.look_at(data)
            return
        if not (self._buffer or self._known or self._skipping) and self._is_known(data):
            return
        try:
            if len(self._buffer) - self._position > self.budget.stanza_bytes:
                raise stream_error(Fault.ENDLESS, "too much was sent before an answer")
            self._checker.most_attributes = self.budget.attributes
            self._append(data)
            self._checker.feed(data)
        except StreamError as error:
            fault = error
        else:
            return
        self._stop_at(fault)

    def _is_known(self, data: bytes) -> bool:
        """Return whether these bytes need no check, because they were read before, as a whole."""
        if self._state is _CHILDREN:
            self._known = known_word(data, self._scope.start_tag, self.budget)
        elif opening := known_opening(data, self.budget):
            self._begin(opening)
            self._checker.begin_with(self._scope.start_tag)
            self._offset = len(self._scope.start_tag)
        return self._known is not None

    def _append(self, data: bytes) -> None:
        if not self._buffer:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            self._buffer = bytearray(self._buffer + data)

    def _stop_at(self, fault: StreamError) -> None:
        """Read nothing beyond the fault. It may be inside a token: a new checker determines which bytes before it are
        whole.
        """
        self._fault = fault
        self._drop_from_fault()
        try:
            if self._skipping is not None and not self._has_skipped(self._skipping, len(self._buffer)):
                self._buffer = b""
                return
            self._renew_judge()
        except StreamError as earlier:
            self._fault = earlier
            self._drop_from_fault()

    def _drop_from_fault(self) -> None:
        good = max(0, self._checker.passed - self._offset)
        self._closing_tag.look_at(bytes(self._buffer[good:]))
        self._buffer = bytes(self._buffer[:good])

    def discard(self) -> None:
        """Return only the end of the stream from now on, and build and check nothing before it.

        A fault that has been raised stays, because behind it no closing tag can be recognised. One that has not been
        raised yet is dropped together with everything else.
        """
        self._move(CodecMove.DISCARD)
        if self._state is not CodecState.CLOSING_TAG:
            return
        ahead = ClosingTag(self._closing_tag.name)
        ahead.look_at(bytes(self._buffer[self._position :]))
        self._closing_tag.is_found |= ahead.is_found
        self._known = self._fault = self._under_way = self._trees = None
        self._buffer, self._position = b"", 0
        self._checker = XMLChecker()

    def take(self, at_most: int = -1) -> list[Item]:
        """Return complete items, in order, up to the first element that is not a stanza; [] if there are none.

        During negotiation they are taken one at a time, because each may change how the next is read.
        """
        items: list[Item] = []
        if self._state is not _CHILDREN and self._state is not _ROOT:
            return self._take_end()
        try:
            if self._state is _ROOT:
                self._look_for_root()
            if self._known is not None:
                items.append(self._known)
                self._known = None
                if self._state is CodecState.ENDED:
                    items.append(STREAM_END)
            if self._state is _CHILDREN and len(items) != at_most and self._is_worth_a_look():
                self._take_elements(items, at_most)
        except OverBudget as fault:
            self._skip(items, fault)
        except StreamError as fault:
            self._fault = fault
        if not items and self._fault is not None:
            self._move(CodecMove.RAISE)
            raise self._fault
        return items

    def _take_end(self) -> list[Item]:
        """Return the end of a stream of which nothing else is read, if it has come; raise the fault again, if any."""
        if self._state is CodecState.CLOSING_TAG and self._closing_tag.is_found:
            self._move(CodecMove.END)
            return [STREAM_END]
        if self._state is CodecState.FAULTY and self._fault is not None:
            raise self._fault
        return []

    def _move(self, move: CodecMove) -> None:
        self._state = after(TRANSITIONS, self._state, move)

    # -- the root ----------------------------------------------------------------------------------------------------

    def _look_for_root(self) -> None:
        buffer = bytes(self._buffer)
        opening = read_opening(self._checker, buffer, self.budget)
        if opening is None:
            self.budget.check_size(len(buffer))
        else:
            self._begin(opening)
            if opening.ends:
                self._move(CodecMove.END)
            self._buffer = buffer[opening.size :]
            self._offset = opening.size

    def _begin(self, opening: Opening) -> None:
        self._move(CodecMove.BEGIN)
        self._known = opening.root
        self._scope = opening.scope
        self._stanza = StanzaReader(self._addresses, opening.scope).read
        self._closing_tag.name = opening.scope.name.encode()
        self._content = (opening.scope.content_namespace, *self._aliases)

    # -- its children ------------------------------------------------------------------------------------------------

    def _is_worth_a_look(self) -> bool:
        """Return whether there is anything new since the last look, or the element that was incomplete then is
        complete.
        """
        passed = self._checker.passed - self._offset
        if self._skipping is not None:
            if not self._has_skipped(self._skipping, passed):
                return False
            passed = self._checker.passed - self._offset
        if self._under_way is None:
            if passed <= self._position:  # at most an unfinished tag
                self.budget.check_size(len(self._buffer) - self._position)
            return passed > self._position
        if self._under_way.is_complete(self._buffer, passed, counts=self._checker.saw_cdata):
            self._under_way = None
            return True
        self._under_way.check(self._buffer, self.budget, passed)
        return False

    def _take_elements(self, items: list[Item], at_most: int) -> None:
        buffer = self._buffer = bytes(self._buffer)
        passed = self._checker.passed - self._offset
        if self._looked_through is not buffer:
            self._looked_through = buffer
            self._may_borrow = self._scope.may_be_borrowed_from(buffer)
        may_borrow = self._may_borrow
        try:
            while len(items) != at_most and self._state is _CHILDREN:
                self._position = _WHITESPACE.match(buffer, self._position).end()  # type: ignore[union-attr]  # it always matches
                if self._position >= passed:
                    self.budget.check_size(len(buffer) - self._position)
                    break
                if (
                    at_most < 0
                    and not self._checker.saw_cdata
                    and self._take_usual_stanzas(items, buffer, passed, may_borrow)
                ):
                    continue
                if (item := self._next_element(buffer, passed, may_borrow)) is None:
                    break
                items.append(item)
                if type(item) is Element:  # it may change how everything behind it is treated
                    break
        finally:
            passed -= self._forget_taken(buffer)
        self._look_ahead(passed)

    def _forget_taken(self, buffer: bytes) -> int:
        """Drop what has been taken, and return how many bytes; if that is little of a large buffer, do it later.

        Copying the rest behind each item, where items are taken one by one, would take quadratic time.
        """
        taken = self._position
        if self._under_way is None and taken < len(buffer) // 2 and self._fault is None:
            return 0
        self._cut()
        if not self._buffer or self._under_way is not None:
            self._trees = None
        return taken

    def _cut(self) -> None:
        """Drop what has been taken."""
        self._buffer = self._buffer[self._position :]
        self._offset += self._position
        self._position = 0
        self._looked_through = None

    def _take_usual_stanzas(self, items: list[Item], buffer: bytes, passed: int, may_borrow: bool) -> bool:
        """Take all stanzas up to the first unusual one; nearly everything on the wire goes this way.

        Return whether there were any.
        """
        began = position = self._position
        harmless_bytes = self.budget.harmless_bytes
        try:
            for raw, name, from_, to, type_, id_, lang, other in _USUAL_STANZA.findall(buffer, position, passed):
                if other:
                    break
                if len(raw) > harmless_bytes and (flawed := self._over_budget(raw)) is not None:
                    items.append(flawed)
                elif may_borrow and self._scope.is_borrowed_from(raw):
                    items.append(self._through_tree(raw))
                else:
                    items.append(self._stanza(raw, name, from_, to, type_, id_, lang))
                position += len(raw)
        finally:
            self._position = position
        return position > began

    def _next_element(self, buffer: bytes, passed: int, may_borrow: bool) -> Item | None:
        """Return the next item, or None if it is incomplete."""
        position = self._position
        name = None
        tag = _STANZA_TAG.match(buffer, position, passed)
        if tag is None:
            if _END_TAG.match(buffer, position, passed):
                self._move(CodecMove.END)
                return STREAM_END
            _refuse_text(buffer, position)
            end = UNUSUAL
        elif tag[7]:
            end = tag.end()
        elif self._checker.saw_cdata:  # inside CDATA, text may look like tags
            end = UNUSUAL
        else:
            name = tag[1]
            end = search(buffer, name, tag.end(), passed)
        if end == UNUSUAL:
            name = None
            end = Count().end(buffer, position, passed)
        if end == INCOMPLETE:
            self._under_way = IncompleteElement(name, passed - position)
            return None
        raw = buffer[position:end]
        flawed = self._over_budget(raw)
        if flawed is not None:
            item: Item = flawed
        elif tag is None or b"xmlns" in tag[0] or (may_borrow and self._scope.is_borrowed_from(raw)):
            item = self._through_tree(raw)
        else:
            item = self._stanza(raw, *tag.groups(b"")[:6])
        self._position = end
        return item

    # -- over budget --------------------------------------------------------------------------------------------------

    def _over_budget(self, raw: bytes) -> Stanza | None:
        """Return the start tag of a whole element that is over budget, as a stanza."""
        try:
            self.budget.check_whole(raw)
        except OverBudget as fault:
            flawed = self._start_tag_alone(raw, len(raw), fault)
            if flawed is None:
                raise stream_error(Fault.ENDLESS, fault.text) from None
            Skipping(self.budget).end(raw, len(raw))
            return flawed
        return None

    def _skip(self, items: list[Item], fault: OverBudget) -> None:
        """Return only the start tag of an unfinished element that is over budget, and keep nothing of the rest."""
        self._cut()
        passed = self._checker.passed - self._offset
        flawed = self._start_tag_alone(bytes(self._buffer), passed, fault)
        if flawed is None:
            self._fault = fault
            return
        items.append(flawed)
        self._under_way = None
        self._skipping = skipping = Skipping(self.budget)
        try:
            self._has_skipped(skipping, passed)
        except StreamError as endless:
            self._fault = endless

    def _has_skipped(self, skipping: Skipping, passed: int) -> bool:
        """Return whether the end of the skipped element has come."""
        end = skipping.end(self._buffer, passed)
        behind = skipping.forget() if end == INCOMPLETE else end
        self._buffer = bytes(self._buffer[behind:])
        self._offset += behind
        if end != INCOMPLETE:
            self._skipping = None
        return end != INCOMPLETE

    def _start_tag_alone(self, buffer: bytes, passed: int, fault: OverBudget) -> Stanza | None:
        """Return the stanza that begins here, as its start tag and its flaw; None if no whole start tag does."""
        tag = _STANZA_TAG.match(buffer, 0, passed) if self.may_skip else None
        if tag is None or tag.end() > self.budget.stanza_bytes:
            return None
        raw = buffer[: tag.end() - 1].rstrip(b"/") + b"/>"
        if b"xmlns" in raw and self._scope.parse(raw).namespace not in self._content:
            return None
        stanza = self._stanza(raw, *tag.groups(b"")[:6])
        flaw = Flaw(fault.fault, fault.text, to=stanza.to)
        return Stanza(stanza.name, stanza.raw, None, stanza.from_, stanza.type, stanza._id, stanza.flaw or flaw)

    def _look_ahead(self, passed: int) -> None:
        """Between two looks, check what the rest has cost so far, and forget what has been read."""
        if self._under_way is not None:
            self._under_way.check(self._buffer, self.budget, passed)
        elif not self._buffer:
            self._checker.saw_cdata = False
        if self._offset > _FORGET_AFTER and self._fault is None:
            # expat keeps every name that it has ever seen, so a peer could fill our memory with names.
            self._renew_judge()

    def rest(self) -> None:
        """Drop the parser while the stream is idle, unless something is half read, which only this parser knows."""
        if self._state is _CHILDREN and not (self._buffer or self._fault or self._skipping):
            self._checker.rest(self._scope.start_tag)
            self._offset = len(self._scope.start_tag)

    def _renew_judge(self) -> None:
        start_tag = self._scope.start_tag if self._state is not _ROOT else b""
        self._checker, self._offset = XMLChecker(), len(start_tag)
        self._checker.most_attributes = self.budget.attributes
        for known in (start_tag, bytes(self._buffer)):
            self._checker.feed(known)

    def _through_tree(self, raw: bytes) -> Stanza | Element:
        """Read an element that is not a stanza, or a stanza that cannot be passed on as it is, through its tree."""
        element = self._tree(raw)
        if element.name not in NAMES or element.namespace not in self._content:
            return element
        try:
            # Content of its own namespace is written without a declaration, down to where other content begins.
            raw = element.serialize(element.namespace, at_most=self.budget.stanza_bytes)
        except Oversized as error:
            fault = OverBudget(Fault.TOO_LARGE, f"{self.budget.stanza_bytes} bytes in one element")
            flawed = self._start_tag_alone(raw, len(raw), fault)
            if flawed is None:
                raise fault from error
            return flawed
        tag = _STANZA_TAG.match(raw)
        assert tag is not None
        return self._stanza(raw, *tag.groups(b"")[:6])

    def _tree(self, raw: bytes) -> Element:
        if raw.startswith(b"<stream:features"):
            return self._scope.parse(raw)  # which may be cached
        if self._trees is None:
            self._trees = TreeReader(self._scope.start_tag)
        return self._trees.read(raw)


def _refuse_text(buffer: bytes, position: int) -> None:
    if not buffer.startswith(b"<", position) or buffer.startswith(b"<![CDATA[", position):
        raise stream_error(Fault.TEXT_BETWEEN_STANZAS, "text between stanzas is not allowed in a stream")
