"""SASL, the initiating entity's side: the best offered mechanism is tried, then the next one (RFC 6120 §6.4).

If a mechanism requires the server to prove itself and it does not, we leave: with `<abort/>` in the middle of the
exchange, or by ending the stream if it claims success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gateway.features.sasl import HANDLED, Compute, Computed, payload_element, read_failure
from gateway.sasl.payload import decode_optional_payload, decode_payload, encode_optional_payload
from gateway.stream.events import Event, ProofFailed
from gateway.stream.facts import NegotiatedFacts, NegotiatedT, Trying, Usable
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, SaslCondition, SaslFailure, StreamCondition, StreamError
from gateway.xmpp.namespaces import SASL

# Returns the mechanisms that we would use on this stream, best first, given the other side's offer.
Choose = Callable[[NegotiatedT, Element], Sequence[Usable]]
# Returns the facts after a success with a mechanism, and the events for the session.
InitiatingProved = Callable[[NegotiatedT, Usable], tuple[NegotiatedT, Sequence[Event]]]


class SaslInitiating(StreamFeature[NegotiatedT]):
    """Proves our identity to the other side."""

    name = "sasl"
    handles = HANDLED
    answers = (Computed,)

    def __init__(
        self,
        choose: Choose[NegotiatedT],
        *,
        is_done: Callable[[NegotiatedT], bool],
        proved: InitiatingProved[NegotiatedT],
    ) -> None:
        self._choose = choose
        self._is_done = is_done
        self._proved = proved

    def begin(self, facts: NegotiatedT, offered: Element) -> Step | None:
        """Try the best of the offered mechanisms, if there is one that we would use."""
        if self._is_done(facts):
            return None
        names = offered_mechanisms(offered)
        usable = tuple(each for each in self._choose(facts, offered) if each.name in names)
        return self._try(facts, usable) if usable else None

    def _try(self, facts: NegotiatedT, usable: Sequence[Usable]) -> Step:
        first, *others = usable
        running = first.begin()
        initial = encode_optional_payload(running.begin())
        auth = Element(SASL, "auth", {"mechanism": first.name}, [initial] if initial else [])
        trying = Trying(by=first, running=running, untried=tuple(others))
        return Step(facts=_having(facts, trying), outputs=[auth])

    def receive(self, facts: NegotiatedT, element: Element) -> Step:
        """Take `<challenge/>`, `<success/>` or `<failure/>`."""
        trying = _trying(facts)
        if trying is None or element.name not in (_AFTER_REFUSAL if trying.refusal is not None else _EXPECTED):
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/> is not expected here")
        if element.name == "failure":
            return self._failed(facts, trying, read_failure(element))
        if element.name == "success":
            return self._succeeded(facts, trying, element)
        try:
            challenge = decode_payload(element.text)
        except SaslFailure as refusal:
            return self._abort(facts, trying, refusal)
        work = partial(trying.running.respond, challenge)
        return Step(facts=facts, outputs=[Compute(work=work)], then=Then.SUSPEND)

    def answered(self, facts: NegotiatedT, answer: Computed) -> Step:
        """Send the computed response to a challenge, or refuse the challenge."""
        trying = _trying(facts)
        match answer:
            case Computed(outcome=SaslFailure() as refusal) if trying is not None:
                return self._abort(facts, trying, refusal)
            case Computed(outcome=bytes() as response):
                return Step(facts=facts, outputs=[payload_element("response", response)])
        raise Misuse(f"{answer!r} answers nothing that was asked")

    def _succeeded(self, facts: NegotiatedT, trying: Trying, element: Element) -> Step:
        try:
            trying.running.succeed(decode_optional_payload(element.text))
        except SaslFailure as refusal:
            raise StreamError(
                StreamCondition.NOT_AUTHORIZED, "the server has not proved itself", reason=refusal.reason
            ) from refusal
        facts, events = self._proved(replace(facts, conversation=None), trying.by)
        return Step(facts=facts, outputs=events, then=Then.RESTART)

    def _abort(self, facts: NegotiatedT, trying: Trying, refusal: SaslFailure) -> Step:
        """Refuse the server's message; its answer will be a failure without further information (RFC 6120 §6.4.4)."""
        facts = _having(facts, replace(trying, refusal=refusal))
        return Step(facts=facts, outputs=[Element(SASL, "abort")])

    def _failed(self, facts: NegotiatedT, trying: Trying, failure: SaslFailure) -> Step:
        told = trying.refusal or failure
        failed = ProofFailed(means=trying.by.means, condition=str(told.condition), text=told.reason)
        if usable := _worth_trying(trying, failure):
            step = self._try(facts, usable)
            return replace(step, outputs=[failed, *step.outputs])
        return Step(facts=_having(facts, None), outputs=[failed], then=Then.CONTINUE)


def _worth_trying(trying: Trying, failure: SaslFailure) -> Sequence[Usable]:
    """Return what may succeed after a failure: other means, or another mechanism if this one was the cause.

    After we have refused an answer, nothing is tried: somebody in the middle may want us to use something weaker.
    """
    if trying.refusal is not None or failure.condition in _NOT_NOW:
        return ()
    if failure.condition in _OUR_FAULT:
        return [usable for usable in trying.untried if usable.means is not trying.by.means]
    return trying.untried


_EXPECTED, _AFTER_REFUSAL = ("challenge", "success", "failure"), ("failure",)
_NOT_NOW = frozenset({SaslCondition.TEMPORARY_AUTH_FAILURE, SaslCondition.ENCRYPTION_REQUIRED})
_OUR_FAULT = frozenset(
    {
        SaslCondition.NOT_AUTHORIZED,
        SaslCondition.ACCOUNT_DISABLED,
        SaslCondition.CREDENTIALS_EXPIRED,
        SaslCondition.INVALID_AUTHZID,
    }
)


def _trying(facts: NegotiatedFacts) -> Trying | None:
    return facts.conversation if isinstance(facts.conversation, Trying) else None


def _having(facts: NegotiatedT, trying: Trying | None) -> NegotiatedT:
    return replace(facts, conversation=trying)


def offered_mechanisms(features: Element) -> frozenset[str]:
    """Return the names of the mechanisms that stream features offer."""
    mechanisms = features.first(SASL, "mechanisms")
    if mechanisms is None:
        return frozenset()
    return frozenset(each.text.strip() for each in mechanisms.elements(SASL, "mechanism"))
