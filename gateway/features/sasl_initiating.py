"""SASL, the initiating entity's side: the best offered mechanism is tried, then the next one (RFC 6120 §6.4).

If a mechanism requires the server to prove itself and it does not, we leave: with `<abort/>` in the middle of the
exchange, or by ending the stream if it claims success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.features.sasl import HANDLED, Compute, Computed, payload_element, read_failure
from gateway.sasl.mechanism import ClientMechanism
from gateway.sasl.payload import decode_optional_payload, decode_payload, encode_optional_payload
from gateway.stream.events import Event, ProofFailed
from gateway.stream.facts import Facts, Means
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import SaslCondition, SaslFailure, StreamCondition, StreamError
from gateway.xmpp.namespaces import SASL


@dataclass(frozen=True, kw_only=True)
class Usable:
    """A mechanism that we can use: its name on the wire, its name in logs, and the function that begins it."""

    name: str
    means: Means
    begin: Callable[[], ClientMechanism]


# Returns the mechanisms that we would use on this stream, best first, given the other side's offer.
Choose = Callable[[Facts, Element], Sequence[Usable]]
# Returns the facts after a success with a mechanism, and the events for the session.
InitiatingProved = Callable[[Facts, Usable], tuple[Facts, Sequence[Event]]]


@dataclass(frozen=True, kw_only=True)
class Trying:
    """The state of SASL on one stream, kept in the facts: the mechanism under way, and those to try after it."""

    by: Usable | None = None
    running: ClientMechanism | None = field(default=None, repr=False)
    refusal: SaslFailure | None = None  # our refusal of a message from the server
    untried: tuple[Usable, ...] = ()


class SaslInitiating(StreamFeature):
    """Proves our identity to the other side."""

    name = "sasl"
    handles = HANDLED
    answers = (Computed,)

    def __init__(self, choose: Choose, *, is_done: Callable[[Facts], bool], proved: InitiatingProved) -> None:
        self._choose = choose
        self._is_done = is_done
        self._proved = proved

    def begin(self, facts: Facts, offered: Element) -> Step | None:
        """Try the best of the offered mechanisms, if there is one that we would use."""
        if self._is_done(facts):
            return None
        names = offered_mechanisms(offered)
        usable = tuple(each for each in self._choose(facts, offered) if each.name in names)
        return self._try(facts, usable) if usable else None

    def _try(self, facts: Facts, usable: Sequence[Usable]) -> Step:
        first, *others = usable
        running = first.begin()
        initial = encode_optional_payload(running.begin())
        auth = Element(SASL, "auth", {"mechanism": first.name}, [initial] if initial else [])
        trying = Trying(by=first, running=running, untried=tuple(others))
        return Step(facts=_having(facts, trying), outputs=[auth])

    def receive(self, facts: Facts, element: Element) -> Step:
        """Take `<challenge/>`, `<success/>` or `<failure/>`."""
        trying = _trying(facts)
        expected = ("failure",) if trying.refusal is not None else ("challenge", "success", "failure")
        if trying.running is None or element.name not in expected:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/> is not expected here")
        if element.name == "failure":
            return self._failed(facts, read_failure(element))
        if element.name == "success":
            return self._succeeded(facts, trying, element)
        try:
            challenge = decode_payload(element.text)
        except SaslFailure as refusal:
            return self._abort(facts, refusal)
        work = partial(trying.running.respond, challenge)
        return Step(facts=facts, outputs=[Compute(work=work)], then=Then.SUSPEND)

    def answered(self, facts: Facts, answer: object) -> Step:
        """Send the computed response to a challenge, or refuse the challenge."""
        assert isinstance(answer, Computed)
        if isinstance(answer.outcome, SaslFailure):
            return self._abort(facts, answer.outcome)
        assert isinstance(answer.outcome, bytes)
        return Step(facts=facts, outputs=[payload_element("response", answer.outcome)])

    def _succeeded(self, facts: Facts, trying: Trying, element: Element) -> Step:
        assert trying.running is not None
        assert trying.by is not None
        try:
            trying.running.succeed(decode_optional_payload(element.text))
        except SaslFailure as refusal:
            raise StreamError(
                StreamCondition.NOT_AUTHORIZED, "the server has not proved itself", reason=refusal.reason
            ) from refusal
        facts, events = self._proved(replace(facts, conversation=None), trying.by)
        return Step(facts=facts, outputs=events, then=Then.RESTART)

    def _abort(self, facts: Facts, refusal: SaslFailure) -> Step:
        """Refuse the server's message; its answer will be a failure without further information (RFC 6120 §6.4.4)."""
        facts = _having(facts, replace(_trying(facts), refusal=refusal))
        return Step(facts=facts, outputs=[Element(SASL, "abort")])

    def _failed(self, facts: Facts, failure: SaslFailure) -> Step:
        trying = _trying(facts)
        assert trying.by is not None
        told = trying.refusal or failure
        failed = ProofFailed(means=trying.by.means, condition=str(told.condition), text=told.reason)
        if usable := _worth_trying(trying, failure):
            step = self._try(facts, usable)
            return replace(step, outputs=[failed, *step.outputs])
        return Step(facts=_having(facts, Trying()), outputs=[failed], then=Then.CONTINUE)


def _worth_trying(trying: Trying, failure: SaslFailure) -> Sequence[Usable]:
    """Return what may succeed after a failure: other means, or another mechanism if this one was the cause.

    After we have refused an answer, nothing is tried: somebody in the middle may want us to use something weaker.
    """
    if trying.refusal is not None or failure.condition in _NOT_NOW:
        return ()
    if failure.condition in _OUR_FAULT:
        return [usable for usable in trying.untried if trying.by is None or usable.means is not trying.by.means]
    return trying.untried


_NOT_NOW = frozenset({SaslCondition.TEMPORARY_AUTH_FAILURE, SaslCondition.ENCRYPTION_REQUIRED})
_OUR_FAULT = frozenset(
    {
        SaslCondition.NOT_AUTHORIZED,
        SaslCondition.ACCOUNT_DISABLED,
        SaslCondition.CREDENTIALS_EXPIRED,
        SaslCondition.INVALID_AUTHZID,
    }
)


def _trying(facts: Facts) -> Trying:
    return facts.conversation if isinstance(facts.conversation, Trying) else Trying()


def _having(facts: Facts, trying: Trying) -> Facts:
    return replace(facts, conversation=trying)


def offered_mechanisms(features: Element) -> frozenset[str]:
    """Return the names of the mechanisms that stream features offer."""
    mechanisms = features.first(SASL, "mechanisms")
    if mechanisms is None:
        return frozenset()
    return frozenset(each.text.strip() for each in mechanisms.elements(SASL, "mechanism"))
