"""Dialback as a stream feature: the three roles of `dialback.exchange` on one stream (XEP-0220 §2).

Initiating server: the pair of the stream is asserted if nothing better has proved it; further pairs at any time.
Receiving server: an assertion is answered from the certificate if that proves the domain (XEP-0344 §2), else after the
authoritative server has been asked. Each pair is independent: refusing one does not affect the others, and a stream has
a bounded number (`DialbackBounds`). Authoritative server: a question about a key is answered on any stream, at once,
without remembering anything. In each role an answer that nobody has asked for changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.dialback.exchange import (
    RESULT,
    VERIFY,
    Assertion,
    KeyQuestion,
    KeyVerdict,
    read_result,
    read_verify,
    result_answer,
    result_request,
    verify_answer,
    verify_request,
)
from gateway.dialback.keys import KeyMaker
from gateway.stream.events import (
    INVALID,
    KeyAnswered,
    PairChecked,
    PairRefused,
    PairVerified,
    VerificationAnswered,
    VerifyPair,
)
from gateway.stream.facts import Means, Role, ServerFacts, Terms
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StreamCondition, StreamError, TLSRequired
from gateway.xmpp.namespaces import DIALBACK_FEATURE

# Decides on an asserted pair: the condition that refuses it, or the terms for its sender.
PairPolicy = Callable[[DomainPair], "Terms | StanzaCondition"]

_OFFER = Element(DIALBACK_FEATURE, "dialback", {}, [Element(DIALBACK_FEATURE, "errors")])


@dataclass(frozen=True, kw_only=True)
class DialbackBounds:
    """The limits of several pairs on one stream (§2.6); each check may open a stream to a server of their choice."""

    pairs: int = 1000  # proved or being checked
    checks: int = 100  # at a time


class Dialback(StreamFeature[ServerFacts]):
    """Proves domain pairs by asking the server that DNS names."""

    name = "dialback"
    handles = frozenset({RESULT, VERIFY})
    answers = (PairChecked,)

    def __init__(
        self,
        keys: KeyMaker,
        speaks_for: Callable[[Domain], bool],
        terms_for: PairPolicy,
        bounds: DialbackBounds = DialbackBounds(),
    ) -> None:
        """`speaks_for`: the domains whose keys we make; `terms_for`: the terms for an asserted pair."""
        self._keys = keys
        self._speaks_for = speaks_for
        self._terms_for = terms_for
        self._bounds = bounds

    def offer(self, facts: ServerFacts) -> Element | None:
        """Offer it, with errors, on every stream on which we would accept it (XEP-0220 §2.4)."""
        if facts.terms.require_tls and not facts.encrypted:
            return None
        if not (facts.terms.allow(Means.DIALBACK) or facts.proofs):
            return None
        return _OFFER

    def begin(self, facts: ServerFacts, offered: Element) -> Step | None:
        """Assert the pair of the stream, even if dialback is not offered: many servers accept it anyway."""
        feature = offered.first(DIALBACK_FEATURE, "dialback")
        errors = feature is not None and feature.first(DIALBACK_FEATURE, "errors") is not None
        facts = replace(facts, peer_dialback_errors=errors)
        pair = facts.pair
        if facts.proves(pair):
            return Step(facts=facts, then=Then.CONTINUE)
        if not facts.terms.allow(Means.DIALBACK):
            return None
        return self.assert_pair(facts, pair)

    def assert_pair(self, facts: ServerFacts, pair: DomainPair) -> Step:
        """Initiating server, step 1 (XEP-0220 §2.1.1)."""
        _require_protection(facts)
        if not facts.stream_id:
            raise StreamError(StreamCondition.BAD_FORMAT, "the stream header has no 'id', which dialback needs")
        key = self._keys.key(pair, facts.stream_id)
        asserting = replace(facts, asserted=facts.asserted | {pair})
        return Step(facts=asserting, outputs=[result_request(pair, key)])

    def ask(self, facts: ServerFacts, pair: DomainPair, stream_id: str, key: str) -> Step:
        """Receiving server, step 2: ask on this stream, which leads to the authoritative server (XEP-0220 §2.1.2)."""
        _require_protection(facts)
        asking = replace(facts, asked=facts.asked | {(pair, stream_id)})
        return Step(facts=asking, outputs=[verify_request(pair, stream_id, key)])

    def receive(self, facts: ServerFacts, element: Element) -> Step:
        """Take any dialback element, and read it for the role that it concerns."""
        _require_protection(facts)
        message = read_result(element) if (element.namespace, element.name) == RESULT else read_verify(element)
        if isinstance(message, KeyQuestion):
            return self._answer_question(facts, message)
        if isinstance(message, Assertion):
            if facts.role is Role.INITIATING and facts.bidirectional:
                # The other side may try (XEP-0288 §2.2), and then opens its own stream.
                return _refused(facts, message.pair, StanzaCondition.NOT_ACCEPTABLE, "not on this stream")
            if facts.role is Role.INITIATING:
                raise StreamError(
                    StreamCondition.NOT_AUTHORIZED, "only the server that opened the stream may assert domains"
                )
            return self._check_assertion(facts, message)
        if facts.role is Role.RECEIVING:
            return Step(facts=facts)  # an unsolicited answer changes nothing
        return self._take_answer(facts, message) if message.stream_id else self._take_verdict(facts, message)

    def _answer_question(self, facts: ServerFacts, question: KeyQuestion) -> Step:
        """Authoritative server, step 3 (XEP-0220 §2.2.2)."""
        known = self._speaks_for(question.pair.sender)
        valid = known and self._keys.is_key(question.pair, question.stream_id, question.key)
        answer = verify_answer(question, valid if known else StanzaCondition.ITEM_NOT_FOUND)
        return Step(facts=facts, outputs=[answer, KeyAnswered(pair=question.pair, known=known, valid=valid)])

    def _check_assertion(self, facts: ServerFacts, assertion: Assertion) -> Step:
        """Receiving server, step 1: accept or refuse the pair, or ask about its key (XEP-0220 §2.2.1, §2.5)."""
        pair = assertion.pair
        terms = self._terms_for(pair)
        if isinstance(terms, StanzaCondition):
            return _refused(facts, pair, terms, "this server does not accept that pair of domains")
        if terms.require_tls and not facts.encrypted:
            raise TLSRequired("TLS is required here before dialback")
        if facts.proves(pair):
            return Step(facts=facts, outputs=[result_answer(pair, True)])
        if pair in facts.checking:
            return Step(facts=facts)  # one answer is enough
        if self._is_too_much(facts):
            return _refused(facts, pair, StanzaCondition.RESOURCE_CONSTRAINT, "too many domain pairs on this stream")
        if not facts.is_pinned(terms):
            return _refused(facts, pair, StanzaCondition.NOT_AUTHORIZED, "this stream has another key")
        if facts.proof_by_certificate(pair.sender, terms) is not None:
            return _accepted(facts, pair, Means.CERTIFICATE)
        if terms.required is not None:
            return _refused(facts, pair, StanzaCondition.NOT_AUTHORIZED, f"proof by {terms.required} is required here")
        if not terms.allow(Means.DIALBACK):
            return _refused(facts, pair, StanzaCondition.NOT_AUTHORIZED, "a valid certificate is required here")
        question = VerifyPair(pair=pair, stream_id=facts.stream_id, key=assertion.key)
        return Step(facts=replace(facts, checking=facts.checking | {pair}), outputs=[question])

    def _is_too_much(self, facts: ServerFacts) -> bool:
        checks = len(facts.checking)
        return checks >= self._bounds.checks or len(facts.proofs) + checks >= self._bounds.pairs

    def answered(self, facts: ServerFacts, answer: PairChecked) -> Step:
        """Receiving server, step 4: pass on the authoritative server's answer (XEP-0220 §2.2.1)."""
        if answer.pair not in facts.checking:
            return Step(facts=facts)  # asserted before TLS was started, and forgotten with everything else
        facts = replace(facts, checking=facts.checking - {answer.pair})
        if answer.valid:
            return _accepted(facts, answer.pair, Means.DIALBACK)
        if answer.valid is None:
            return _refused(facts, answer.pair, StanzaCondition(answer.condition), answer.text)
        refused = PairRefused(
            pair=answer.pair, condition=INVALID, text="the authoritative server did not make this key"
        )
        # Other pairs keep the stream open; without any it must be closed (XEP-0220 §2.2.1).
        then = Then.AWAIT if facts.proofs or facts.checking else Then.CLOSE
        return Step(facts=facts, outputs=[result_answer(answer.pair, False), refused], then=then)

    def _take_answer(self, facts: ServerFacts, verdict: KeyVerdict) -> Step:
        """Receiving server, step 3: take the authoritative server's answer to a question sent on this stream."""
        question = (verdict.pair, verdict.stream_id)
        if question not in facts.asked:
            return Step(facts=facts)  # nobody asked (CVE-2012-3525)
        return Step(facts=replace(facts, asked=facts.asked - {question}), outputs=[_verification(verdict)])

    def _take_verdict(self, facts: ServerFacts, verdict: KeyVerdict) -> Step:
        """Initiating server, step 4: take the receiving server's decision about one of our pairs.

        An error does not end the stream (XEP-0220 §2.5): a further pair may be refused alone. Without the pair that it
        was opened for, negotiation continues with what else can prove it, and fails if there is nothing.
        """
        if verdict.pair not in facts.asserted:
            return Step(facts=facts)  # nobody asked (CVE-2012-3525)
        facts = replace(facts, asserted=facts.asserted - {verdict.pair})
        if verdict.valid:
            proved = facts.with_proof(verdict.pair, Means.DIALBACK)
            verified = PairVerified(pair=verdict.pair, means=Means.DIALBACK)
            return Step(facts=proved, outputs=[verified], then=Then.CONTINUE)
        condition = INVALID if verdict.valid is False else verdict.condition
        refused = PairRefused(pair=verdict.pair, condition=condition, text=verdict.text)
        then = Then.CONTINUE if verdict.pair == facts.pair else Then.AWAIT
        return Step(facts=facts, outputs=[refused], then=then)

    def is_complete(self, facts: ServerFacts) -> bool:
        """Hold stanzas until the first proof."""
        return bool(facts.proofs)


class DialbackQuestions(StreamFeature[ServerFacts]):
    """For a stream that is opened only to ask an authoritative server: it proves nothing, so no stanza may pass."""

    name = "dialback-questions"
    handles = frozenset({VERIFY})

    def __init__(self, dialback: Dialback) -> None:
        self._dialback = dialback

    def receive(self, facts: ServerFacts, element: Element) -> Step:
        """Take an answer to one of our questions."""
        return self._dialback.receive(facts, element)


def _require_protection(facts: ServerFacts) -> None:
    if facts.terms.require_tls and not facts.encrypted:
        raise TLSRequired("TLS is required here before dialback")


def _accepted(facts: ServerFacts, pair: DomainPair, means: Means) -> Step:
    return Step(
        facts=facts.with_proof(pair, means),
        outputs=[result_answer(pair, True), PairVerified(pair=pair, means=means)],
        then=Then.CONTINUE,
    )


def _refused(facts: ServerFacts, pair: DomainPair, condition: StanzaCondition, text: str) -> Step:
    refused = PairRefused(pair=pair, condition=str(condition), text=text)
    return Step(facts=facts, outputs=[result_answer(pair, condition, text), refused])


def _verification(verdict: KeyVerdict) -> VerificationAnswered:
    text = verdict.text or verdict.condition
    return VerificationAnswered(pair=verdict.pair, stream_id=verdict.stream_id, valid=verdict.valid, text=text)
