"""Stream: codec, table of states and the loop over features, behind a few calls (RFC 6120 §4).

It has no socket and no clock: `received` bytes and `answer`s go in, events and orders come out, in order. The owner
carries out the orders. Every fault becomes one StreamError and leaves in one place: `_close`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import Any, cast

from gateway.stream.bare_errors import HeaderLacking
from gateway.stream.budget import Budget
from gateway.stream.codec import Codec, EndOfStream, Item
from gateway.stream.errors import ERROR, read_error, write_error
from gateway.stream.events import (
    CloseTransport,
    Event,
    NegotiationCompleted,
    Order,
    SecureTransport,
    Send,
    StanzasReceived,
    StreamClosed,
    StreamOpened,
)
from gateway.stream.facts import Facts, Role
from gateway.stream.header import StreamHeader, check_same, read_header, version_to_send, write_header
from gateway.stream.known import RootTag
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.profiles import Profile
from gateway.stream.records import replace
from gateway.stream.states import TRANSITIONS, Move, State
from gateway.stream.tools import Acceptor, StreamTools
from gateway.stream.writing import write_element, write_features
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.faults import Fault, stream_error
from gateway.xmpp.namespaces import STREAMS
from gateway.xmpp.stanzas import CONTENT, Stanza

Output = Event | Order
_CLOSING_TAG = b"</stream:stream>"
_TOGETHER = 4096  # bytes; appending to much more, again and again, would take quadratic time
_FEATURES = (STREAMS, "features")
# Errors for which the other side is not to blame: what it had already sent is accepted.
_NOBODYS_FAULT = frozenset({StreamCondition.SYSTEM_SHUTDOWN, StreamCondition.RESET, StreamCondition.CONNECTION_TIMEOUT})
_OPEN = frozenset({State.AWAITING_HEADER, State.NEGOTIATING, State.ESTABLISHED, State.ANSWERING})
# Looked up once, not with every read.
_AWAITING_HEADER, _NEGOTIATING, _ESTABLISHED = State.AWAITING_HEADER, State.NEGOTIATING, State.ESTABLISHED
_ANSWERING, _CLOSED = State.ANSWERING, State.CLOSED


class Stream:
    """One XML stream, in either role."""

    def __init__(self, profile: Profile, facts: Facts, accept: Acceptor, tools: StreamTools, budget: Budget) -> None:
        """`accept` checks every header of the other side; `budget`, with the size from the terms, is for stanzas."""
        self.facts = facts
        self.state = State.AWAITING_HEADER
        self.header: StreamHeader | None = None  # theirs
        self.their_error: StreamCondition | None = None  # the error with which they end the stream
        self.profile = profile
        self._accept = accept
        self._tools = tools
        self._budget = budget
        self._offered: Element | None = None
        self._out: list[Output] = []
        self._codec = self._new_codec()
        self._lacking = self._new_lacking()  # kept after their header only if that was lacking
        self._unread: list[Item] = []  # taken from the codec, but must wait
        self._header_sent = False
        self._suspended_by: StreamFeature[Any] | None = None
        self._due: list[Callable[[Any], Step]] = []  # until the stream is ready for them
        self.ends_later = False  # the owner calls `finish` once everything that the other side asked is answered

    # -- called by the owner -----------------------------------------------------------------------------------------

    def open(self) -> list[Output]:
        """Initiating entity: send the first header."""
        self._send_header(from_=self.facts.local, to=self.facts.remote)
        return self._drained()

    def received(self, data: bytes) -> list[Output]:
        """Take bytes from the wire."""
        state = self.state
        if state is _CLOSED or state is _ANSWERING:
            return []
        if self._lacking is not None:
            data = self._lacking.completed(data)
        self._codec.feed(data)
        self._read()
        return self._drained()

    def answer(self, answer: object) -> list[Output]:
        """Take the answer to a question that an earlier order asked."""
        feature = self.profile.answerers[type(answer)]
        if feature is not self._suspended_by:
            return self.perform(lambda facts: feature.answered(facts, answer))
        self._suspended_by = None
        self._guard(lambda: self._take(feature.answered(self.facts, answer), feature))
        self._read()
        return self._drained()

    def perform(self, step: Callable[[Any], Step]) -> list[Output]:
        """Have a feature act on its own initiative, at once or when the current negotiation step has ended."""
        if self.is_open:
            self._due.append(step)
            self._read()
        return self._drained()

    def close(self, error: StreamError | None = None) -> list[Output]:
        """Close the stream, with the error that says why, or because its work is done."""
        if self.is_open:
            self._close(error)
        return self._drained()

    def finish(self) -> list[Output]:
        """Close our side too, after the other side has closed its own and has got every answer."""
        if self.state is _ANSWERING:
            self._close(None)
        return self._drained()

    def rest(self) -> None:
        """Keep only what an idle established stream needs, because nothing has come for a while."""
        if self.is_established:
            self._codec.rest()

    @property
    def is_open(self) -> bool:
        """Return whether something may still be sent."""
        return self.state in _OPEN

    @property
    def is_established(self) -> bool:
        """Return whether stanzas may be sent and are expected."""
        return self.state is _ESTABLISHED or self.state is _ANSWERING

    @property
    def closed_by_them(self) -> bool:
        """Return whether nothing more can come: they have closed the stream, or broken it beyond reading."""
        return self.state is _CLOSED or self.state is _ANSWERING

    @property
    def offered(self) -> Element | None:
        """Initiating entity: the features that the other side has offered since the last restart."""
        return self._offered

    def write(self, element: Element) -> bytes:
        """Return a top-level element as bytes for this stream."""
        return write_element(element, self.profile.content_namespace)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        was_open = self.state in _OPEN
        self._guard(self._read_all)
        if was_open and self.state not in _OPEN:
            self._guard(self._read_all)  # their closing tag may already be here

    def _read_all(self) -> None:
        while self._suspended_by is None and (state := self.state) is not _CLOSED and state is not _ANSWERING:
            if self._due and self._is_ready:
                self._take(self._due.pop(0)(self.facts))
                continue
            flowing = state is not _AWAITING_HEADER and state is not _NEGOTIATING
            items, self._unread = self._unread or self._codec.take(-1 if flowing else 1), []
            if not items:
                return
            self._take_items(items)

    @property
    def _is_ready(self) -> bool:
        """Return whether a feature may act on its own initiative: never in the middle of a negotiation step."""
        negotiating = self.state is State.NEGOTIATING and self.facts.role is Role.RECEIVING
        return negotiating or self.state is State.ESTABLISHED

    def _take_items(self, items: list[Item]) -> None:
        """Take what `Codec.take` gives at once: perhaps a root, then stanzas, then perhaps something else."""
        position = 0
        try:
            while position < len(items) and self._suspended_by is None:
                item = items[position]
                if not isinstance(item, Stanza):
                    position += 1
                    self._item(item)
                    continue
                end = len(items) if isinstance(items[-1], Stanza) else -1
                stanzas = cast(list[Stanza], items[position:end])
                position += len(stanzas)
                self._deliver_stanzas(stanzas)
        finally:
            self._unread = items[position:]  # waits if an item asked a question, and is still read if one was refused

    def _deliver_stanzas(self, stanzas: list[Stanza]) -> None:
        if self.state is State.NEGOTIATING:  # then they come one by one
            self._negotiate(stanzas[0])
            return
        if Move.STANZA not in TRANSITIONS[self.state]:
            raise stream_error(Fault.TOO_EARLY, "stanzas are not allowed before negotiation is complete")
        if self.state is not State.DISCARDING:
            self._out.append(StanzasReceived(stanzas=stanzas))

    def _negotiate(self, stanza: Stanza) -> None:
        """Take a stanza in place of a feature's element, as in resource binding (RFC 6120 §7);
        any other is too early.
        """
        feature = self.profile.receivers.get((CONTENT, stanza.name))
        if feature is None:
            raise stream_error(Fault.TOO_EARLY, "stanzas are not allowed before negotiation is complete")
        self._move(Move.ELEMENT)
        self._take(feature.receive(self.facts, stanza.element), feature)

    def _item(self, item: Item) -> None:
        if isinstance(item, RootTag):
            self._move(Move.HEADER)
            if self.state is not State.DISCARDING:
                self._header_received(read_header(item, self.profile.content_namespace, self._tools.addresses.lookup))
        elif isinstance(item, EndOfStream):
            self._closed_by_other_side()
        elif isinstance(item, Element):
            self._move(Move.ELEMENT)
            if self.state is not State.DISCARDING:
                self._element_received(item)

    def _header_received(self, header: StreamHeader) -> None:
        if self._is_refused_at_once:
            return
        self._lacking = None
        if self.header is not None:
            check_same(self.header, header)
        self.header = header
        receiving = self.facts.role is Role.RECEIVING
        if receiving and header.to is not None and not header.to.is_domain:
            raise StreamError(StreamCondition.HOST_UNKNOWN, "'to' in the stream header must be a domain")
        stream_id = self._tools.new_id() if receiving else header.id or ""
        self.facts = self._accept(header, replace(self.facts, peer_version=header.version, stream_id=stream_id))
        self._out.append(StreamOpened(header=header))

        if receiving:
            self._send_header(from_=header.to or self.facts.local, to=header.from_)
        for feature in self.profile.openers:
            step = feature.opened(self.facts)
            if step is not None:
                self._take(step, feature)
                return
        self._begin()

    @property
    def _is_refused_at_once(self) -> bool:
        """Return whether an error came in place of their header."""
        return self._lacking is not None and self._lacking.is_lacking

    def _begin(self) -> None:
        """Begin with the features, once both headers are there."""
        assert self.header is not None
        negotiates = self.profile.negotiates and self.header.negotiates
        if self.facts.role is Role.RECEIVING:
            if negotiates:
                self._offer()
            self._complete_if_content()
        elif not negotiates:
            self._offered = Element(STREAMS, "features")
            self._begin_next()

    def _element_received(self, element: Element) -> None:
        key = (element.namespace, element.name)
        if key == ERROR:
            error = read_error(element)
            self.their_error = error.condition
            self._out.append(error)
            if self._is_refused_at_once:  # there is no header that we could have accepted, and no way to continue
                self._closed_by_other_side()
        elif key == _FEATURES and self.facts.role is Role.INITIATING:
            self._features_received(element)
        elif (feature := self.profile.receivers.get(key)) is not None:
            self._take(feature.receive(self.facts, element), feature)
        elif self.is_open:
            name, namespace = element.name[:100], element.namespace[:100]
            raise stream_error(Fault.UNKNOWN_ELEMENT, f"<{name}/> in {namespace!r} is not known here")
        else:  # the stream is closed: no error can be sent, and further elements are not understood either
            self._codec.discard()

    def _features_received(self, features: Element) -> None:
        if self.state is State.NEGOTIATING:
            if self._offered is not None:
                raise StreamError(
                    StreamCondition.BAD_FORMAT, "stream features may be sent only once, right after the header"
                )
            self._offered = features
            self._begin_next()

    def _closed_by_other_side(self) -> None:
        self._out.append(StreamClosed())
        if self.ends_later and self.is_established:
            self._move(Move.ANSWER)
            return
        if self.is_open:
            self._announce_closing()
            self._send_raw(_CLOSING_TAG)
            self._out.append(CloseTransport(error=None))
        self._move(Move.CLOSED)

    # -- negotiation -------------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        offers = [feature.offer(self.facts) for feature in self.profile.features]
        self._send_raw(write_features(self.profile.content_namespace, *filter(None, offers)))

    def _begin_next(self) -> None:
        """Initiating entity: start the first feature in our order of preference that applies to what is offered."""
        assert self._offered is not None
        for feature in self.profile.features:
            if feature.name not in self.facts.tried:
                step = feature.begin(self.facts, self._offered)
                if step is not None:
                    tried = step.facts.having_tried(feature.name)
                    self._take(Step(facts=tried, outputs=step.outputs, then=step.then), feature)
                    return
        self._complete_if_content()
        if self.state is State.NEGOTIATING:
            raise StreamError(
                StreamCondition.UNSUPPORTED_FEATURE,
                "none of the offered features can be used",
                reason="the other server offers no means of proof that we accept, or has refused them all",
            )

    def _take(self, step: Step, feature: StreamFeature[Any] | None = None) -> None:
        """Carry out a feature's step; after we have closed the stream only facts and events count."""
        then = step.then
        if then is Then.RESTART or (then is Then.SUSPEND and _secures(step)):
            self._check_restart()
        self.facts = step.facts
        for output in step.outputs:
            if isinstance(output, Event):
                self._out.append(output)
            elif self.state not in _OPEN:
                continue
            elif isinstance(output, Element):
                self._send(output)
            else:
                self._out.append(output)
        if self.state in _OPEN:
            self._follow(then, feature)

    def _follow(self, then: Then, feature: StreamFeature[Any] | None) -> None:
        if then is Then.SUSPEND:
            self._suspended_by = feature
        elif then is Then.BEGIN:
            self._begin()
        elif then is Then.RESTART:
            self._restart()
        elif then is Then.CLOSE:
            self._close(None)
        elif then is Then.CONTINUE:
            if self.facts.role is Role.INITIATING and self.state is State.NEGOTIATING:
                self._begin_next()
            else:
                self._complete_if_content()

    def _complete_if_content(self) -> None:
        if self.state is State.NEGOTIATING and all(map(methodcaller("is_complete", self.facts), self.profile.features)):
            self._move(Move.COMPLETE)
            self._codec.budget = self._budget.of_size(self.facts.terms.stanza_bytes)
            self._codec.may_skip = True
            self._out.append(NegotiationCompleted())

    def _restart(self) -> None:
        """Begin again under TLS or SASL: both sides send a new header (RFC 6120 §4.3.3, §5.4.3.3, §6.4.6)."""
        self._move(Move.RESTART)
        self._codec = self._new_codec()
        self._lacking = self._new_lacking()
        self._offered = None
        self._header_sent = False
        self.facts = replace(self.facts, stream_id="")
        if self.facts.role is Role.INITIATING:
            self._send_header(from_=self.facts.own_name, to=self.facts.remote)

    def _check_restart(self) -> None:
        if Move.RESTART not in TRANSITIONS[self.state]:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "it is too late for that on this stream")
        # Bytes behind <starttls/>, <proceed/>, <auth/> or <success/> were sent before TLS or SASL was complete, perhaps
        # by somebody in the middle; read later they would look protected (CVE-2011-0411). COMPAT go-sendxmpp 0.5: ends
        # what it sends with a line feed; white space means nothing and is dropped.
        if self._codec.has_more or self._unread:
            raise StreamError(
                StreamCondition.POLICY_VIOLATION,
                "data was sent before a negotiation step had ended",
                reason="data was sent before TLS or SASL was complete, which protect only what comes"
                " after that: a bug in the other side's program, or somebody in between who adds data",
            )

    # -- writing -----------------------------------------------------------------------------------------------------

    def _new_codec(self) -> Codec:
        return Codec(self._tools.negotiating, self._tools.addresses, content_aliases=self.profile.content_aliases)

    def _new_lacking(self) -> HeaderLacking | None:
        """Return a reader of errors without a header: only a server that we called may refuse us in this way."""
        return HeaderLacking(self.profile.content_namespace) if self.facts.role is Role.INITIATING else None

    def _send_header(self, *, from_: Address | str | None, to: Address | str | None) -> None:
        self._header_sent = True
        header = StreamHeader(
            content_namespace=self.profile.content_namespace,
            from_=self._tools.addresses.lookup(from_) if isinstance(from_, str) else from_,
            to=self._tools.addresses.lookup(to) if isinstance(to, str) else to,
            id=self.facts.stream_id if self.facts.role is Role.RECEIVING else None,
            version=version_to_send(self._their_version) if self.profile.negotiates else (0, 9),
            lang=self._tools.lang,
        )
        self._send_raw(write_header(header))

    @property
    def _their_version(self) -> tuple[int, int] | None:
        """The version of the header that ours answers, if it does."""
        answers = self.facts.role is Role.RECEIVING and self.header is not None
        return self.facts.peer_version if answers else None

    def _send(self, element: Element) -> None:
        self._send_raw(self.write(element))

    def _send_raw(self, data: bytes) -> None:
        last = self._out[-1] if self._out else None
        if isinstance(last, Send) and len(last.data) < _TOGETHER:  # header and features are sent together
            self._out[-1] = Send(data=last.data + data)
        else:
            self._out.append(Send(data=data))

    def _drained(self) -> list[Output]:
        out, self._out = self._out, []
        return out

    # -- the end -----------------------------------------------------------------------------------------------------

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
        except StreamError as error:
            error.__traceback__ = None  # its frames refer to us, and we would refer to it
            if self.is_open:
                self._close(error)
            else:  # they cannot be read to their closing tag
                self._move(Move.FAIL)
                self._out.append(StreamClosed())

    def _close(self, error: StreamError | None) -> None:
        """Send the header if there was none yet, the error, and the closing tag: the one way
        out (RFC 6120 §4.9.1.2).
        """
        if not self._header_sent:
            self._send_header_to_refuse(error)
        self._announce_closing()
        if error is not None:
            self._send(write_error(error))
        self._send_raw(_CLOSING_TAG)
        self._out.append(CloseTransport(error=error))
        self._suspended_by = None
        self._due.clear()
        self._move(Move.CLOSE if error is None or error.condition in _NOBODYS_FAULT else Move.FAIL)
        if self.state is State.DISCARDING:
            self._codec.discard()

    def _announce_closing(self) -> None:
        for feature in self.profile.features:
            self._out.extend(feature.closing(self.facts))

    def _send_header_to_refuse(self, error: StreamError | None) -> None:
        if self.facts.role is Role.RECEIVING and not self.facts.stream_id:
            self.facts = replace(self.facts, stream_id=self._tools.new_id())
        called, caller = (self.header.to, self.header.from_) if self.header is not None else (None, None)
        if error is not None and error.condition in (StreamCondition.HOST_UNKNOWN, StreamCondition.HOST_GONE):
            called = None  # we are not the host that they asked for (RFC 6120 §4.9.1.3)
        self._send_header(from_=self.facts.local or called, to=self.facts.remote or caller)

    def _move(self, move: Move) -> None:
        cells = TRANSITIONS[self.state]
        if move not in cells:
            raise StreamError(StreamCondition.BAD_FORMAT, f"{move.value} is not expected while {self.state.value}")
        self.state = cells[move]


def _secures(step: Step) -> bool:
    """Return whether a step that suspends the stream does so to start TLS."""
    return any(isinstance(output, SecureTransport) for output in step.outputs)
