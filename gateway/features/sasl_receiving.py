"""SASL, the receiving entity's side: mechanisms are offered, and one of them is run (RFC 6120 §6.4).

The mechanisms are a table, in order of preference; those without an `obstacle` may be used on a stream now. The
conditions of RFC 6120 §6.5 and their causes:

    aborted                 the client gave up
    encryption-required     a mechanism was tried before TLS
    incorrect-encoding      not base64                                 gateway.sasl.payload
    invalid-authzid         the client may not act as that identity    gateway.sasl, the mechanisms
    invalid-mechanism       a mechanism that is not offered
    malformed-request       out of order, or against the mechanism's syntax
    mechanism-too-weak      a mechanism that we know and never offer
    not-authorized          a wrong proof, or no such account: nobody can tell which
    temporary-auth-failure  the accounts cannot be read now

`account-disabled` and `credentials-expired` are for servers whose accounts have such states. Every refusal waits for a
pause of the same length, so that guessing is slow and the time reveals nothing. After several attempts the stream ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Generic

from gateway.features.sasl import (
    HANDLED,
    Compute,
    Computed,
    CredentialsFound,
    FindCredentials,
    Pause,
    Paused,
    failure_element,
    payload_element,
)
from gateway.sasl.keys import ScramKeys
from gateway.sasl.mechanism import Challenge, NeedCredentials, ServerMechanism, ServerStep, Success
from gateway.sasl.payload import decode_optional_payload, decode_payload, encode_optional_payload
from gateway.stream.events import Event, ProofFailed
from gateway.stream.facts import Exchange, Means, NegotiatedFacts, NegotiatedT
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, SaslCondition, SaslFailure, StreamCondition, StreamError
from gateway.xmpp.namespaces import SASL

MOST_TRIES = 4  # one, and some retries: between 2 and 5 of them (RFC 6120 §6.4.5)
TOO_WEAK = frozenset({"CRAM-MD5", "DIGEST-MD5", "LOGIN"})


@dataclass(frozen=True, kw_only=True)
class Accepted(Generic[NegotiatedT]):
    """A mechanism that we accept; `obstacle` is the failure that refuses it on this stream, if any."""

    name: str
    means: Means
    obstacle: Callable[[NegotiatedT], SaslFailure | None]
    begin: Callable[[NegotiatedT], ServerMechanism]


# Returns the facts after a success, and the events for the session, from the mechanism and the proved identity.
ReceivingProved = Callable[[NegotiatedT, Accepted[NegotiatedT], str], tuple[NegotiatedT, Sequence[Event]]]


class SaslReceiving(StreamFeature[NegotiatedT]):
    """Makes the other side prove its identity."""

    name = "sasl"
    handles = HANDLED
    answers = (CredentialsFound, Computed, Paused)

    def __init__(
        self,
        table: Sequence[Accepted[NegotiatedT]],
        *,
        is_done: Callable[[NegotiatedT], bool],
        proved: ReceivingProved[NegotiatedT],
        pauses: bool = False,
    ) -> None:
        """`is_done`: whether the stream is authenticated already; `pauses`: whether refusals wait for a pause."""
        self._table = {accepted.name: accepted for accepted in table}
        self._is_done = is_done
        self._proved = proved
        self._pauses = pauses

    def offer(self, facts: NegotiatedT) -> Element | None:
        """Offer the mechanisms that may be used on this stream now."""
        if self._is_done(facts):
            return None
        offered = [accepted.name for accepted in self._table.values() if accepted.obstacle(facts) is None]
        return _mechanisms(*offered) if offered else None

    def receive(self, facts: NegotiatedT, element: Element) -> Step:
        """Take `<auth/>`, `<response/>` or `<abort/>`."""
        exchange = _exchange(facts)
        if self._is_done(facts):
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "this stream is authenticated already")
        match element.name:
            case "auth":
                if exchange.failures >= MOST_TRIES:
                    raise StreamError(StreamCondition.POLICY_VIOLATION, "too many failed attempts to authenticate")
                return self._begin(facts, element, exchange)
            case "response" if exchange.running is not None:
                running = exchange.running
                return self._advance(facts, lambda: running.respond(decode_payload(element.text)))
            case "response":
                return self._refuse(facts, SaslFailure(SaslCondition.MALFORMED_REQUEST, "no response was expected"))
            case "abort":
                return self._refuse(facts, SaslFailure(SaslCondition.ABORTED))
        raise StreamError(
            StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/> may be sent only by the receiving entity"
        )

    def _begin(self, facts: NegotiatedT, element: Element, exchange: Exchange) -> Step:
        name = element.get("mechanism") or ""
        accepted = self._table.get(name)
        obstacle = accepted.obstacle(facts) if accepted is not None else _unknown(name)
        if exchange.running is not None:
            obstacle = SaslFailure(SaslCondition.MALFORMED_REQUEST, "another mechanism is under way")
        if accepted is None or obstacle is not None:
            return self._refuse(_having(facts, replace(exchange, name=name)), obstacle or _unknown(name))
        running = accepted.begin(facts)
        facts = _having(facts, replace(exchange, name=name, running=running))
        return self._advance(facts, lambda: running.begin(decode_optional_payload(element.text)))

    def _advance(self, facts: NegotiatedT, work: Callable[[], ServerStep]) -> Step:
        try:
            return self._go_on(facts, work())
        except SaslFailure as failure:
            return self._refuse(facts, failure)

    def _go_on(self, facts: NegotiatedT, step: ServerStep) -> Step:
        match step:
            case Challenge():
                return Step(facts=facts, outputs=[payload_element("challenge", step.payload)])
            case NeedCredentials():
                question = FindCredentials(account=step.account, hashes=step.hashes)
                return Step(facts=facts, outputs=[question], then=Then.SUSPEND)
            case Success():
                return self._succeed(facts, step)

    def _succeed(self, facts: NegotiatedT, success: Success) -> Step:
        accepted = self._table[_exchange(facts).name]
        facts, events = self._proved(replace(facts, conversation=None), accepted, success.identity)
        text = encode_optional_payload(success.payload)
        told = Element(SASL, "success", {}, [text] if text else [])
        return Step(facts=facts, outputs=[told, *events], then=Then.RESTART)

    def answered(self, facts: NegotiatedT, answer: CredentialsFound | Computed | Paused) -> Step:
        """Take the keys that were looked up, the result of the work, or the end of the pause."""
        exchange = _exchange(facts)
        match answer:
            case Paused() if exchange.refusal is not None:
                return self._tell_refusal(facts, exchange, exchange.refusal)
            case CredentialsFound(keys=SaslFailure() as failure) | Computed(outcome=SaslFailure() as failure):
                return self._refuse(facts, failure)
            case CredentialsFound(keys=ScramKeys() | None as keys) if exchange.running is not None:
                work = partial(exchange.running.supply, keys)
                return Step(facts=facts, outputs=[Compute(work=work)], then=Then.SUSPEND)
            case Computed(outcome=Challenge() | NeedCredentials() | Success() as step):
                return self._go_on(facts, step)
        raise Misuse(f"{answer!r} answers nothing that was asked")

    def _refuse(self, facts: NegotiatedT, refusal: SaslFailure) -> Step:
        exchange = replace(_exchange(facts), running=None, refusal=refusal)
        if self._pauses:
            return Step(facts=_having(facts, exchange), outputs=[Pause()], then=Then.SUSPEND)
        return self._tell_refusal(facts, exchange, refusal)

    def _tell_refusal(self, facts: NegotiatedT, exchange: Exchange, refusal: SaslFailure) -> Step:
        accepted = self._table.get(exchange.name)
        failed = ProofFailed(
            means=accepted.means if accepted is not None else Means.PASSWORD,
            condition=str(refusal.condition),
            text=refusal.reason,
        )
        facts = _having(facts, Exchange(failures=exchange.failures + 1))
        return Step(facts=facts, outputs=[failure_element(refusal), failed])


@lru_cache
def _mechanisms(*names: str) -> Element:
    return Element(SASL, "mechanisms", {}, [Element(SASL, "mechanism", {}, [name]) for name in names])


def _unknown(name: str) -> SaslFailure:
    if name in TOO_WEAK:
        return SaslFailure(SaslCondition.MECHANISM_TOO_WEAK)
    return SaslFailure(SaslCondition.INVALID_MECHANISM)


def _exchange(facts: NegotiatedFacts) -> Exchange:
    return facts.conversation if isinstance(facts.conversation, Exchange) else Exchange()


def _having(facts: NegotiatedT, exchange: Exchange) -> NegotiatedT:
    return replace(facts, conversation=exchange)
