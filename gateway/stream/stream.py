"""Stream: codec, table of states and the loop over features behind a few calls (RFC 6120 §4).

It has no socket and no clock: `received` bytes and `answer`s go in, events and orders come out, in order. The owner
carries out the orders. Whatever goes wrong becomes one StreamError and leaves in one place: `_fail`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway.addresses import Address
from gateway.elements import Element
from gateway.errors import StreamCondition, StreamError
from gateway.namespaces import STREAM_ERRORS, STREAMS, XML
from gateway.profiles import Profile
from gateway.stanzas import Stanza
from gateway.stream.codec import AddressLookup, Budget, Codec, Item, RootTag, StreamEnd
from gateway.stream.events import (
    CloseTransport,
    Event,
    NegotiationCompleted,
    Order,
    SecureTransport,
    Send,
    StanzasReceived,
    StreamClosed,
    StreamErrorReceived,
    StreamOpened,
)
from gateway.stream.facts import Facts, Role
from gateway.stream.header import PREFIXES, StreamHeader, read_header, write_header
from gateway.stream.negotiation import Step, Then
from gateway.stream.states import TRANSITIONS, Move, State

Output = Event | Order
_CLOSING_TAG = b"</stream:stream>"
_FEATURES = (STREAMS, "features")
_ERROR = (STREAMS, "error")


class Acceptor(Protocol):
    """The policy of a door: what a header makes of the facts; raises StreamError to refuse it."""

    def __call__(self, header: StreamHeader, facts: Facts) -> Facts: ...


@dataclass(frozen=True, kw_only=True)
class StreamTools:
    """What every stream of a process shares: prepared addresses, ids from a strong source, our language, budgets."""

    addresses: AddressLookup
    new_id: Callable[[], str]
    lang: str = "en"
    negotiating: Budget = field(default_factory=lambda: Budget(stanza_bytes=10000, elements=200, attributes=100))


class Stream:
    """One XML stream, in either role."""

    def __init__(self, profile: Profile, facts: Facts, accept: Acceptor, tools: StreamTools, budget: Budget) -> None:
        """`accept` judges every header of the other side; `budget` holds once established, with the size from the terms."""
        self.facts = facts
        self.state = State.AWAITING_HEADER
        self.header: StreamHeader | None = None  # theirs
        self._profile = profile
        self._accept = accept
        self._tools = tools
        self._budget = budget
        self._receivers = {key: feature for feature in profile.features for key in feature.handles}
        self._answerers = {kind: feature for feature in profile.features for kind in feature.answers}
        self._offered: Element | None = None
        self._out: list[Output] = []
        self._codec = self._new_codec()
        self._header_sent = False
        self._suspended = False

    # -- what the owner calls ----------------------------------------------------------------------------------------

    def open(self) -> list[Output]:
        """Initiating entity: send the first header."""
        self._send_header(from_=self.facts.local, to=self.facts.remote)
        return self._drained()

    def received(self, data: bytes) -> list[Output]:
        """Bytes came from the wire."""
        if self.state is State.CLOSED:
            return []
        self._codec.feed(data)
        self._read()
        return self._drained()

    def answer(self, answer: object) -> list[Output]:
        """The answer to a question that an earlier order asked."""
        if self.state in (State.CLOSING, State.CLOSED):
            return []
        feature = self._answerers[type(answer)]
        self._suspended = False
        self._guard(lambda: self._take(feature.answered(self.facts, answer)))
        self._read()
        return self._drained()

    def perform(self, step: Callable[[Facts], Step]) -> list[Output]:
        """Have a feature do something of its own accord, as when a further pair is to be proved."""
        if self.state not in (State.CLOSING, State.CLOSED):
            self._guard(lambda: self._take(step(self.facts)))
        return self._drained()

    def close(self, error: StreamError | None = None) -> list[Output]:
        """Close the stream, with the error that says why, or as one that has done its work."""
        if self.state in (State.CLOSING, State.CLOSED):
            return []
        self._fail(error)
        return self._drained()

    @property
    def is_established(self) -> bool:
        """Whether stanzas may be sent and are expected."""
        return self.state is State.ESTABLISHED

    @property
    def offered(self) -> Element | None:
        """Initiating entity: the features that the other side has offered on the stream as it is now."""
        return self._offered

    def write(self, element: Element) -> bytes:
        """A top-level element as bytes for this stream."""
        return element.serialize(self._profile.content_namespace, PREFIXES)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        self._guard(self._read_all)

    def _read_all(self) -> None:
        while not self._suspended and self.state is not State.CLOSED:
            flowing = self.state in (State.ESTABLISHED, State.CLOSING)
            items = self._codec.take(-1 if flowing else 1)
            if not items:
                return
            stanzas: list[Stanza] = []
            for item in items:
                if type(item) is Stanza:
                    stanzas.append(item)
                    continue
                self._flush(stanzas)
                stanzas = []
                self._item(item)
            self._flush(stanzas)

    def _flush(self, stanzas: list[Stanza]) -> None:
        if stanzas:
            if Move.STANZA not in TRANSITIONS[self.state]:
                raise StreamError(StreamCondition.NOT_AUTHORIZED, "no stanzas before negotiation is complete")
            self._out.append(StanzasReceived(stanzas=stanzas))

    def _item(self, item: Item) -> None:
        if isinstance(item, RootTag):
            self._move(Move.HEADER)
            self._header_received(read_header(item, self._profile.content_namespace))
        elif isinstance(item, StreamEnd):
            self._closed_by_other_side()
        elif isinstance(item, Element):
            self._move(Move.ELEMENT)
            self._element_received(item)

    def _header_received(self, header: StreamHeader) -> None:
        if header.to is not None and (header.to.local or header.to.resource):
            raise StreamError(StreamCondition.HOST_UNKNOWN, "'to' in the stream header must be a domain")
        if self.header is not None:
            _check_same(self.header, header)
        self.header = header
        self.facts = replace(self.facts, peer_version=header.version)
        if self.facts.role is Role.INITIATING:
            self.facts = replace(self.facts, stream_id=header.id or "")
        else:
            self.facts = replace(self.facts, stream_id=self._tools.new_id())
        self.facts = self._accept(header, self.facts)
        if self.facts.role is Role.RECEIVING:
            self._send_header(from_=header.to, to=header.from_)
        self._out.append(StreamOpened(header=header))
        negotiates = self._profile.negotiates and header.negotiates
        if self.facts.role is Role.RECEIVING:
            if negotiates:
                self._offer()
            self._complete_if_content()
        elif not negotiates:
            self._offered = Element(STREAMS, "features")
            self._begin_next()

    def _element_received(self, element: Element) -> None:
        key = (element.namespace, element.name)
        if key == _ERROR:
            self._error_received(element)
        elif key == _FEATURES and self.facts.role is Role.INITIATING:
            self._offered = element
            if self.state is State.NEGOTIATING:
                self._begin_next()
        elif (feature := self._receivers.get(key)) is not None:
            self._take(feature.receive(self.facts, element))
        elif self.state is not State.CLOSING:
            raise StreamError(
                StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/> in {element.namespace!r} is not known here"
            )

    def _error_received(self, error: Element) -> None:
        named = next((child.name for child in error.elements(STREAM_ERRORS) if child.name != "text"), "")
        text = error.first(STREAM_ERRORS, "text")
        known = named in list(StreamCondition)
        condition = StreamCondition(named) if known else StreamCondition.UNDEFINED_CONDITION
        self._out.append(StreamErrorReceived(condition=condition, text=text.text if text else ""))

    def _closed_by_other_side(self) -> None:
        self._out.append(StreamClosed())
        if self.state is not State.CLOSING:
            self._send_raw(_CLOSING_TAG)
            self._out.append(CloseTransport(error=None))
        self._move(Move.CLOSED)

    # -- negotiation -------------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        offers = [feature.offer(self.facts) for feature in self._profile.features]
        self._send(Element(STREAMS, "features", {}, [offer for offer in offers if offer is not None]))

    def _begin_next(self) -> None:
        """Initiating entity: the first feature in our order of preference that applies to what is offered."""
        assert self._offered is not None
        for feature in self._profile.features:
            if feature.name not in self.facts.tried:
                step = feature.begin(self.facts, self._offered)
                if step is not None:
                    self._take(replace(step, facts=step.facts.having_tried(feature.name)))
                    return
        self._complete_if_content()
        if self.state is State.NEGOTIATING:
            raise StreamError(
                StreamCondition.UNSUPPORTED_FEATURE,
                "no offered feature leads on",
                reason="the other server offers no means of proof that we accept, or it has refused them all",
            )

    def _take(self, step: Step) -> None:
        if step.then is Then.RESTART or any(isinstance(output, SecureTransport) for output in step.outputs):
            self._refuse_trailing()
        self.facts = step.facts
        for output in step.outputs:
            if isinstance(output, Element):
                self._send(output)
            else:
                self._out.append(output)
        if step.then is Then.SUSPEND:
            self._suspended = True
        elif step.then is Then.RESTART:
            self._restart()
        elif step.then is Then.CONTINUE:
            if self.facts.role is Role.INITIATING and self.state is State.NEGOTIATING:
                self._begin_next()
            else:
                self._complete_if_content()

    def _complete_if_content(self) -> None:
        if self.state is State.NEGOTIATING and all(
            feature.is_complete(self.facts) for feature in self._profile.features
        ):
            self._move(Move.COMPLETE)
            self._codec.budget = replace(self._budget, stanza_bytes=self.facts.terms.stanza_bytes)
            self._out.append(NegotiationCompleted())

    def _restart(self) -> None:
        self._move(Move.RESTART)
        self._codec = self._new_codec()
        self._offered = None
        self._header_sent = False
        if self.facts.role is Role.INITIATING:
            self._send_header(from_=self.facts.local, to=self.facts.remote)

    def _refuse_trailing(self) -> None:
        # Bytes behind <starttls/>, <proceed/>, <auth/> or <success/> were sent before what these bring was there, by
        # somebody in the middle perhaps; read later they would look protected (CVE-2011-0411).
        if self._codec.trailing:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "data was sent ahead of the end of a negotiation step")

    # -- writing -----------------------------------------------------------------------------------------------------

    def _new_codec(self) -> Codec:
        return Codec(self._tools.negotiating, self._tools.addresses, content_aliases=self._profile.content_aliases)

    def _send_header(self, *, from_: Address | str | None, to: Address | str | None) -> None:
        self._header_sent = True
        header = StreamHeader(
            content_namespace=self._profile.content_namespace,
            from_=Address.parse(from_) if isinstance(from_, str) else from_,
            to=Address.parse(to) if isinstance(to, str) else to,
            id=self.facts.stream_id if self.facts.role is Role.RECEIVING else None,
            version=(1, 0) if self._profile.negotiates else (0, 9),
            lang=self._tools.lang,
        )
        self._send_raw(write_header(header))

    def _send(self, element: Element) -> None:
        self._send_raw(self.write(element))

    def _send_raw(self, data: bytes) -> None:
        last = self._out[-1] if self._out else None
        if isinstance(last, Send):  # header and features leave together
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
            if self.state not in (State.CLOSING, State.CLOSED):
                self._fail(error)
            else:
                self.state = State.CLOSED

    def _fail(self, error: StreamError | None) -> None:
        """The one way out: header if there was none yet, the error, the closing tag (RFC 6120 §4.9.1.2)."""
        if not self._header_sent:
            if self.facts.role is Role.RECEIVING and not self.facts.stream_id:
                self.facts = replace(self.facts, stream_id=self._tools.new_id())
            theirs = self.header
            self._send_header(
                from_=self.facts.local or (theirs.to if theirs else None),
                to=self.facts.remote or (theirs.from_ if theirs else None),
            )
        if error is not None:
            self._send(_stream_error(error))
        self._send_raw(_CLOSING_TAG)
        self._out.append(CloseTransport(error=error))
        self._move(Move.CLOSE)

    def _move(self, move: Move) -> None:
        cells = TRANSITIONS[self.state]
        if move not in cells:
            raise StreamError(StreamCondition.BAD_FORMAT, f"{move.value} is not expected while {self.state.value}")
        self.state = cells[move]


def _check_same(before: StreamHeader, now: StreamHeader) -> None:
    """A header after a restart names whom the first one named, or nobody's rights would be clear."""
    if before.from_ is not None and now.from_ != before.from_:
        raise StreamError(StreamCondition.INVALID_FROM, "'from' is not what it was before the stream was restarted")
    if before.to is not None and now.to != before.to:
        raise StreamError(StreamCondition.HOST_UNKNOWN, "'to' is not what it was before the stream was restarted")


def _stream_error(error: StreamError) -> Element:
    """`<stream:error/>`: the condition first, then text, then what the application adds (RFC 6120 §4.9.2)."""
    children = [Element(STREAM_ERRORS, str(error.condition))]
    if error.text:
        children.append(Element(STREAM_ERRORS, "text", {(XML, "lang"): "en"}, [error.text]))
    if error.detail is not None:
        children.append(error.detail)
    return Element(STREAMS, "error", {}, children)
