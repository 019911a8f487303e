"""Stream management (XEP-0198): enabling it, resuming a broken stream with it, and the elements of acknowledgement.

The feature knows the elements and their order. The session has the counters (see `stream.acknowledgements`): whatever
needs one is an event or an order to it.

    initiating entity                     receiving entity
    begin: <enable/>, or <resume/>        GrantManagement, answered by ManagementGranted: <enabled/>
    ManagementEnabled                     ResumeStream, answered by ResumptionDecided: <resumed/> or <failed/>
    StreamResumed, or ResumptionRefused   (after a refusal the initiating entity enables it again)
    AcknowledgementRequested, Acknowledged: on both sides, any time after

Stanzas may follow `<enable/>` at once, so it costs no round trip. Until `<resume/>` is answered the session sends none,
because it does not know which go first; the other side may. The same feature serves clients' streams: the facts under
which it is allowed are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.stream.acknowledgements import MODULUS
from gateway.stream.events import Event, Order
from gateway.stream.facts import Management, NegotiatedFacts, NegotiatedT, Role, ServerFacts
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.addresses import Address
from gateway.xmpp.digits import read_number
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StreamCondition, StreamError
from gateway.xmpp.namespaces import STANZA_ERRORS, STREAM_MANAGEMENT

REQUEST = f"<r xmlns='{STREAM_MANAGEMENT}'/>".encode()
"""The request for an acknowledgement, ready to be written behind a batch of stanzas."""


def acknowledgement(h: int) -> bytes:
    """Return the acknowledgement of all stanzas up to `h`."""
    return b"<a xmlns='%b' h='%d'/>" % (STREAM_MANAGEMENT.encode(), h)


@dataclass(frozen=True, kw_only=True)
class GrantManagement(Order):
    """The other side enables stream management, resumable if it may be. Answer: `ManagementGranted`."""

    resumable: bool


@dataclass(frozen=True, kw_only=True)
class ManagementGranted(Event):
    """The answer to `GrantManagement`: the id by which the stream can be resumed, if it can,
    and for how many seconds.
    """

    id: str | None = None
    seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class ResumeStream(Order):
    """The other side wants to resume a stream of which it has handled `h` stanzas. Answer: `ResumptionDecided`."""

    id: str
    h: int


@dataclass(frozen=True, kw_only=True)
class ResumptionDecided(Event):
    """The answer to `ResumeStream`: whether it is resumed, and how many stanzas were handled, if known."""

    id: str
    resumed: bool
    h: int | None = None
    client: Address | None = None  # the client whose stream it is: resuming replaces binding


@dataclass(frozen=True, kw_only=True)
class ManagementEnabled(Event):
    """The other side manages the stream; with an id it can be resumed, for this many seconds if given."""

    id: str | None = None
    seconds: int | None = None


@dataclass(frozen=True, kw_only=True)
class ManagementRefused(Event):
    """The other side offered stream management but did not enable it."""


@dataclass(frozen=True, kw_only=True)
class StreamResumed(Event):
    """The other side resumes the broken stream, of which it has handled `h` stanzas."""

    h: int


@dataclass(frozen=True, kw_only=True)
class ResumptionRefused(Event):
    """The other side does not resume the broken stream; it may know how many of its stanzas it has handled."""

    h: int | None = None


@dataclass(frozen=True, kw_only=True)
class AcknowledgementRequested(Event):
    """The other side asks how much we have handled."""


@dataclass(frozen=True, kw_only=True)
class LastAcknowledgement(Event):
    """The closing tag is about to be sent: this is the last chance to acknowledge what we have handled."""


@dataclass(frozen=True, kw_only=True)
class Acknowledged(Event):
    """The other side has handled the stanzas up to `h`."""

    h: int


_OFFER = Element(STREAM_MANAGEMENT, "sm")


class StreamManagement(StreamFeature[NegotiatedT]):
    """Enables acknowledgements, and resumes streams."""

    name = "stream-management"
    handles = frozenset(
        (STREAM_MANAGEMENT, name) for name in ("enable", "enabled", "resume", "resumed", "failed", "r", "a")
    )
    answers = (ManagementGranted, ResumptionDecided)

    def __init__(
        self,
        offers: Callable[[NegotiatedT], bool],
        may_enable: Callable[[NegotiatedT], bool],
        may_resume: Callable[[NegotiatedT], bool] | None = None,
    ) -> None:
        """The arguments say under which facts to offer, enable and resume it; for clients they differ."""
        self._offers = offers
        self._may_enable = may_enable
        self._may_resume = may_resume or may_enable

    def offer(self, facts: NegotiatedT) -> Element | None:
        """Offer `<sm/>` where it may follow without a further restart."""
        return _OFFER if self._offers(facts) else None

    def begin(self, facts: NegotiatedT, offered: Element) -> Step | None:
        """Resume a broken stream if there is one, else enable."""
        if offered.first(STREAM_MANAGEMENT, "sm") is None or not self._may_enable(facts):
            return None
        if facts.resuming is None:
            return _enabling(facts)
        resume = Element(
            STREAM_MANAGEMENT, "resume", {"h": str(facts.resuming.h % MODULUS), "previd": facts.resuming.id}
        )
        return Step(facts=replace(facts, management=Management.RESUMING), outputs=[resume], then=Then.CONTINUE)

    def receive(self, facts: NegotiatedT, element: Element) -> Step:
        """Take any element of stream management, if its role and time are right."""
        if element.name in ("r", "a"):
            return _acknowledging(facts, element)
        if facts.role is Role.RECEIVING and element.name in ("enable", "resume"):
            return self._asked(facts, element)
        if facts.role is Role.INITIATING and element.name in ("enabled", "resumed", "failed"):
            return _answered(facts, element)
        raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/> is not expected here")

    def _asked(self, facts: NegotiatedT, element: Element) -> Step:
        """Receiving entity: leave the decision to the session."""
        if facts.management is not Management.NONE:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "this stream is already managed")
        if element.name == "resume":
            if not self._may_resume(facts):
                return _failed(facts, StanzaCondition.UNEXPECTED_REQUEST)
            order: Order = ResumeStream(id=element.get("previd") or "", h=_count(element))
        else:
            if not self._may_enable(facts):
                return _failed(facts, StanzaCondition.UNEXPECTED_REQUEST)
            order = GrantManagement(resumable=element.get("resume") in ("true", "1"))
        return Step(facts=facts, outputs=[order], then=Then.SUSPEND)

    def answered(self, facts: NegotiatedT, answer: ManagementGranted | ResumptionDecided) -> Step:
        """Receiving entity: send the session's decision."""
        if isinstance(answer, ManagementGranted):
            granted = {"id": answer.id, "resume": "true", "max": str(answer.seconds)} if answer.id is not None else {}
            enabled = Element(STREAM_MANAGEMENT, "enabled", granted)
            return Step(facts=replace(facts, management=Management.ON), outputs=[enabled])
        if not answer.resumed:
            return _failed(facts, StanzaCondition.ITEM_NOT_FOUND, answer.h)
        resumed = Element(STREAM_MANAGEMENT, "resumed", {"h": str(answer.h), "previd": answer.id})
        return Step(facts=facts.resumed(answer.client), outputs=[resumed], then=Then.CONTINUE)

    def closing(self, facts: NegotiatedT) -> Sequence[Event]:
        """Acknowledge what was handled before the stream is closed, or it would be sent again (XEP-0198 §4)."""
        return [LastAcknowledgement()] if facts.management is Management.ON else []


def between_servers() -> StreamManagement[ServerFacts]:
    """Return the feature for streams between servers: once the stream's pair is proved, if our terms allow it.

    It is already offered beside dialback, because no further features are sent after that.
    """
    return StreamManagement(_offered_to_servers, _is_proved)


def _offered_to_servers(facts: ServerFacts) -> bool:
    terms = facts.terms
    if not terms.managed or (terms.require_tls and not facts.encrypted):
        return False
    restarts = not facts.proofs and facts.remote is not None and facts.proof_by_certificate(facts.remote, terms)
    return not restarts


def _is_proved(facts: ServerFacts) -> bool:
    return facts.terms.managed and facts.remote is not None and facts.proves(facts.pair)


def _enabling(facts: NegotiatedFacts) -> Step:
    enable = Element(STREAM_MANAGEMENT, "enable", {"resume": "true"})
    return Step(facts=replace(facts, management=Management.ON), outputs=[enable], then=Then.CONTINUE)


def _answered(facts: NegotiatedFacts, element: Element) -> Step:
    """Initiating entity: take the other side's decision."""
    if element.name == "enabled" and facts.management is Management.ON:
        resumable = element.get("resume") in ("true", "1")
        enabled = ManagementEnabled(
            id=element.get("id") if resumable else None, seconds=read_number(element.get("max"), MODULUS - 1)
        )
        return Step(facts=facts, outputs=[enabled])
    if facts.management is Management.RESUMING and facts.resuming is not None:
        if element.name == "resumed" and element.get("previd") == facts.resuming.id:
            on = replace(facts, management=Management.ON)
            return Step(facts=on, outputs=[StreamResumed(h=_count(element))], then=Then.CONTINUE)
        if element.name == "failed":
            refused = ResumptionRefused(h=_count(element) if element.get("h") is not None else None)
            step = _enabling(facts)
            # After a refusal the stanzas in doubt are sent again, and must be counted: so after <enable/>.
            return replace(step, outputs=[*step.outputs, refused])
    if element.name == "failed" and facts.management is Management.ON:
        return Step(facts=replace(facts, management=Management.NONE), outputs=[ManagementRefused()])
    raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/> is not expected here")


def _acknowledging(facts: NegotiatedFacts, element: Element) -> Step:
    if facts.management is not Management.ON:
        return Step(facts=facts)  # there is nothing that it could be about
    event = AcknowledgementRequested() if element.name == "r" else Acknowledged(h=_count(element))
    return Step(facts=facts, outputs=[event])


def _failed(facts: NegotiatedFacts, condition: StanzaCondition, h: int | None = None) -> Step:
    counted = {"h": str(h)} if h is not None else {}
    failed = Element(STREAM_MANAGEMENT, "failed", counted, [Element(STANZA_ERRORS, str(condition))])
    return Step(facts=facts, outputs=[failed])


def _count(element: Element) -> int:
    """Return the value of 'h', an xs:unsignedInt."""
    h = read_number(element.get("h"), MODULUS - 1)
    if h is None:
        raise StreamError(StreamCondition.INVALID_XML, f"<{element.name}/> needs an 'h' from 0 to {MODULUS - 1}")
    return h
