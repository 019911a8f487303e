"""Narrators: turn the events of one stream into steps of its log.

They decide nothing about the stream. Each event becomes a step, with what the other side offered and what we required,
and the end of a stream becomes one verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from gateway.notices.attempts.elsewhere import Elsewhere
from gateway.notices.attempts.known_keys import KnownKeys
from gateway.notices.attempts.proofs import proofs_of_pair, proofs_on
from gateway.notices.attempts.records import AttemptStep, Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.stream.events import (
    CloseTransport,
    EvidenceFound,
    KeyAnswered,
    NegotiationCompleted,
    PairRefused,
    PairVerified,
    ProofFailed,
    Secured,
    StreamErrorReceived,
    StreamOpened,
)
from gateway.stream.evidence import sought_means
from gateway.stream.facts import Facts, Means, NegotiatedFacts, PeerCertificate, ServerFacts, Trying
from gateway.stream.records import replace
from gateway.stream.sessions import Connection
from gateway.stream.stream import Output, Stream
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, StreamCondition, StreamError, TLSFailed, TLSRequired
from gateway.xmpp.namespaces import DIALBACK_FEATURE, SASL, TLS

# The verdict for each of our own stream errors; all others are `refused-by-us`.
_VERDICTS = {
    StreamCondition.CONNECTION_TIMEOUT: Verdict.TIMEOUT,
    StreamCondition.NOT_AUTHORIZED: Verdict.NOT_TRUSTED,
    StreamCondition.UNSUPPORTED_FEATURE: Verdict.NO_COMMON_PROOF,
    StreamCondition.SYSTEM_SHUTDOWN: Verdict.CLOSED_BY_US,
    StreamCondition.RESET: Verdict.CLOSED_BY_US,
}
# Errors with which streams end in everyday life; any other one that ends an established stream is an objection.
_ORDINARY_ENDS = {
    StreamCondition.CONFLICT,
    StreamCondition.CONNECTION_TIMEOUT,
    StreamCondition.RESET,
    StreamCondition.SEE_OTHER_HOST,
    StreamCondition.SYSTEM_SHUTDOWN,
}
_REFUSALS = (
    Verdict.PROOF_REFUSED,
    Verdict.NOT_TRUSTED,
    Verdict.CERTIFICATE_EXPIRED,
    Verdict.REVOKED,
    Verdict.NOT_IN_TLSA,
    Verdict.NOT_PINNED,
)
_MOST_FEATURES = 12
_NONE: frozenset[Means] = frozenset()  # one for all streams: each call of frozenset makes another
_ABOUT_CERTIFICATES = re.compile(r"certificate|\bcerts?\b|tlsa|\bdane\b|x\.?509|self.signed|\bchain\b", re.IGNORECASE)
# TLS alerts from the other side about our certificate (RFC 8446 §6.2), in OpenSSL's words.
_CERTIFICATE_ALERT = re.compile(r"alert.*(?:certificate|unknown ca|access denied)")
# How a server without a certificate for the name ends the handshake: with an alert, or by closing the connection.
_NO_CERTIFICATE_THERE = re.compile(r"handshake failure|unrecognized name|alert internal error|in the middle of")


class Narrator:
    """The writer of one stream's log."""

    def __init__(self, log: StreamLog, elsewhere: Elsewhere | None = None, keys: KnownKeys | None = None) -> None:
        """`elsewhere` knows the other attempts between the same domains, `keys` what they have shown before."""
        self.log = log
        self._elsewhere = elsewhere
        self._keys = keys
        self.last_error = ""
        self.their_error: StreamCondition | None = None  # the stream error with which the other side ended the stream
        self.our_error: StreamCondition | None = None  # with which we ended the stream
        self.failed = _NONE  # our proofs that were refused, or in doubt when the stream ended
        self._refusal = ""  # why the last proof failed, in the other side's words; until another succeeds
        self._was_ended_by_us = False
        self._answered_keys = False
        self._connection: Connection | None = None

    @property
    def _stream(self) -> Stream:
        if self._connection is None:
            raise Misuse("there is no connection yet")
        return self._connection.stream

    @property
    def _facts(self) -> Facts:
        connection = self._connection
        return connection.stream.facts if connection is not None else self._stream.facts

    @property
    def _is_asserting(self) -> bool:
        return isinstance(self._facts, ServerFacts) and bool(self._facts.asserted)

    @property
    def _is_checking(self) -> bool:
        return isinstance(self._facts, ServerFacts) and bool(self._facts.checking)

    def connected(self, connection: Connection) -> None:
        """Note that the connection is up."""
        self._connection = connection
        self.log.address = connection.peer_address
        if self.log.direction is Direction.OUT:
            self.log.step(AttemptStep.CONNECT, f"to {connection.peer_address}")

    def happened(self, output: Output) -> None:
        """Note an event of the stream."""
        action = self._on.get(type(output))
        if action is not None:
            action(self, output)

    @property
    def was_left(self) -> bool:
        """Return whether the other side ended the stream or the connection."""
        return not self._was_ended_by_us

    def gave_up(self, reason: str) -> None:
        """End the attempt because we stop waiting."""
        self._note_certificate_under_way()
        self._was_ended_by_us = True
        self.log.end(*self._on_silence(reason))

    def _on_silence(self, reason: str) -> tuple[Verdict, str]:
        """Return the verdict when no answer came: an earlier refusal, here or elsewhere, is more specific."""
        words, elsewhere = self._words, self._said_elsewhere()
        if not words and not elsewhere:
            return Verdict.TIMEOUT, f"{reason}{self._meanwhile()}"
        told = words or f"{reason}{self._meanwhile()}"
        return self._refused_verdict(), told if elsewhere in told else f"{told}; {elsewhere}"

    def _said_elsewhere(self) -> str:
        """Return how another connection between the two failed, if a dialback key waits to be verified on it."""
        if self._connection is None or self._elsewhere is None:
            return ""
        concerns = self._is_asserting or self._is_checking or Means.DIALBACK in self.failed
        return self._elsewhere.said(self.log) if concerns else ""

    @property
    def _words(self) -> str:
        """Return everything that was refused so far."""
        return "; ".join(filter(None, (self._refusal, self.last_error)))

    def _refused_verdict(self) -> Verdict:
        return Verdict.PROOF_REFUSED if self.log.direction is Direction.OUT else self._not_trusted()

    def _note_certificate_under_way(self) -> None:
        """Note that the other side was checking our certificate, if it was, when the stream ended."""
        facts = self._facts if self._connection is not None else None
        trying = facts.conversation if isinstance(facts, NegotiatedFacts) else None
        if isinstance(trying, Trying) and trying.by.means is Means.EXTERNAL:
            self.failed |= {Means.EXTERNAL}

    def lost(self, reason: str) -> None:
        """Record that the connection is gone."""
        self._note_certificate_under_way()
        if self.log.is_open:
            verdict, words = self._end(reason)
            self.log.end(verdict, words)
        elif self._connection is not None:
            bytes_in, bytes_out = self._connection.bytes_in, self._connection.bytes_out
            self.log.stream_ended(bytes_in, bytes_out, self.last_error or reason, self._ended_as())

    def _ended_as(self) -> Verdict:
        """Return the verdict on the end of an established stream: whether one side ended it over something."""
        if self.their_error is not None:
            return Verdict.ENDED if self.their_error in _ORDINARY_ENDS else Verdict.CLOSED_BY_PEER
        if self.our_error is not None and self.our_error not in _ORDINARY_ENDS:
            return Verdict.REFUSED_BY_US
        return Verdict.ENDED

    def _end(self, reason: str) -> tuple[Verdict, str]:
        """Return the verdict on a stream that was never established and ended without a stream error."""
        last = self.log.last
        proof = last if last is not None and last.step is AttemptStep.PROOF else None
        if self._answered_keys and not self.last_error:
            return Verdict.QUESTIONS_ANSWERED, ""
        if self.log.direction is Direction.IN and self._connection is not None and not self._connection.bytes_in:
            return Verdict.SAID_NOTHING, ""
        if reason.startswith("TLS"):
            return self._tls_failed(reason)
        if proof is None and (elsewhere := self._said_elsewhere()):
            return self._refused_verdict(), f"{reason}{self._meanwhile()}; {elsewhere}"
        if proof is None:
            return Verdict.CONNECTION_LOST, self.last_error or f"{reason}{self._meanwhile()}"
        if proof.ok:
            return Verdict.CLOSED_AFTER_PROOF, f"the proof {proof.told} was accepted, then {reason}"
        return self._refused_verdict(), f"proof {proof.told}, then {reason}"

    def _tls_failed(self, reason: str) -> tuple[Verdict, str]:
        if _CERTIFICATE_ALERT.search(reason):
            reason = f"the other side rejected our certificate: {reason}"
            self.log.step(AttemptStep.TLS, reason, ok=False)
            between_servers = self.log.kind in (Kind.SERVER, Kind.KEYS)
            return Verdict.PROOF_REFUSED if between_servers else Verdict.TLS_FAILED, reason
        if self.log.direction is Direction.OUT and _NO_CERTIFICATE_THERE.search(reason):
            reason = f"{reason}; most likely the server has no certificate for {self._facts.remote} at this port"
        self.log.step(AttemptStep.TLS, reason, ok=False, required=_tls_required(self._facts))
        return Verdict.TLS_FAILED, reason

    def _meanwhile(self) -> str:
        """Return what the other side was deciding when the stream ended."""
        if self._connection is None:
            return ""
        if self._is_asserting:
            return ", while it was checking our dialback key"
        if self._is_checking:
            return ", while we were asking its domain about its dialback key"
        return ", while it was checking our certificate" if Means.EXTERNAL in self.failed else ""

    # -- events ------------------------------------------------------------------------------------------------------

    def _secured(self, secured: Secured) -> None:
        told = f"{secured.tls.version} with {secured.tls.cipher}"
        self.log.step(AttemptStep.TLS, told, required=_tls_required(self._facts))
        if secured.certificate is not None and self._facts.remote is not None:
            self._judge(replace(self._facts, tls=secured.tls, certificate=secured.certificate, tried=frozenset()))

    def _evidence_found(self, found: EvidenceFound) -> None:
        self._write_verdict(replace(self._facts, certificate=found.certificate), found.certificate)

    def _opened(self, opened: StreamOpened) -> None:
        facts = self._facts
        is_first = not self.log.remote
        self.log.local = facts.local or ""
        self.log.remote = facts.remote or ""
        if is_first and facts.certificate is not None and facts.remote is not None:
            self._judge(facts)

    def _judge(self, facts: Facts) -> None:
        """Write the verdict on the certificate, unless more is about to be known of it."""
        if facts.certificate is not None and not sought_means(facts):
            self._write_verdict(facts, facts.certificate)

    def _write_verdict(self, facts: Facts, certificate: PeerCertificate) -> None:
        remote, terms = facts.their_domain, facts.terms
        why_not = facts.why_not_by_certificate(remote)
        means = facts.proof_by_certificate(remote, terms) or Means.EXTERNAL
        record = certificate.record(remote, means)
        required = (
            f"a certificate that TLSA records of {remote} name"
            if terms.required is Means.DANE
            else (f"a valid certificate for {remote}")
        )
        if terms.required is None and terms.allow(Means.DIALBACK):
            required = f"{required}, or else dialback"
        self.log.step(
            AttemptStep.CERTIFICATE,
            why_not or (f"proves {remote} by {record}" if record else f"proves {remote}"),
            ok=not why_not,
            offered=certificate.description,
            required=required,
        )

    def _pair_verified(self, verified: PairVerified) -> None:
        self._refusal = ""
        told = f"by {verified.means}"
        if self.log.is_open:
            self.log.step(AttemptStep.PROOF, told, offered=self._offered(), required=_proof(self._facts))
        else:
            facts = self._facts
            proofs = proofs_of_pair(facts, verified.pair, verified.means) if isinstance(facts, ServerFacts) else None
            self.log.further_pair(verified.pair, told, ok=True, proofs=proofs)

    def _proof_failed(self, failed: ProofFailed) -> None:
        self.failed |= {failed.means}
        told = f"by {failed.means} refused ({failed.condition}{_said(failed.text)})"
        self._refusal = f"proof {told}"
        self._refused(told)

    def _pair_refused(self, refused: PairRefused) -> None:
        told = f"refused ({refused.condition}{_said(refused.text)})"
        if self.log.is_open:
            self.failed |= {Means.DIALBACK}
            self.last_error = "; ".join(filter(None, (refused_in_words(refused), self._said_elsewhere())))
            self._refused(f"by dialback {told}")
        else:
            self.log.further_pair(refused.pair, f"by dialback: {told}", ok=False)

    def _refused(self, told: str) -> None:
        self.log.step(AttemptStep.PROOF, told, ok=False, offered=self._offered(), required=_proof(self._facts))

    def _key_answered(self, answered: KeyAnswered) -> None:
        self._answered_keys = True
        told = "valid" if answered.valid else "not valid" if answered.known else "not for one of our domains"
        self.log.step(AttemptStep.PROOF, f"a key of {answered.pair.sender} towards {answered.pair.target} is {told}")

    def _established(self, _: NegotiationCompleted) -> None:
        self._remember_key()
        is_for_stanzas = self.log.kind is Kind.SERVER
        self.log.end(Verdict.ESTABLISHED, proofs=proofs_on(self._facts) if is_for_stanzas else None)

    def _remember_key(self) -> None:
        """Compare the key with those that the domain has shown before."""
        facts = self._facts
        if self._keys is None or facts.certificate is None or facts.remote is None or self.log.kind != Kind.SERVER:
            return
        change = self._keys.saw(facts.remote, facts.certificate)
        if change is not None:
            self.log.step(AttemptStep.CERTIFICATE, change.sentence)
            self.log.publish(change)

    def _error_received(self, error: StreamErrorReceived) -> None:
        self.their_error = error.condition
        self.last_error = f"the other side ended the stream with {error.condition}{_said(error.text)}"
        self._note_certificate_under_way()
        self.log.step(AttemptStep.NEGOTIATION, self.last_error, ok=False, offered=self._offered())
        self.log.end(self._their_verdict(error), self._words)

    def _closing(self, closing: CloseTransport) -> None:
        error = closing.error
        if error is None:
            return
        self._was_ended_by_us = True
        self.our_error = error.condition
        if self.log.is_open:
            self._name_the_refused()
            told = f"we ended it with {error.condition}: {error.reason}"
            self.log.step(
                AttemptStep.NEGOTIATION, told, ok=False, offered=self._offered(), required=_proof(self._facts)
            )
            self.log.end(*self._our_end(error))
        left = f"we ended the stream with {error}"
        self.last_error = self.last_error or (f"{self._refusal}; {left}" if self._refusal else left)

    def _our_end(self, error: StreamError) -> tuple[Verdict, str]:
        """Return verdict and reason of a stream that we end with an error."""
        verdict, reason = self._our_verdict(error), error.reason or str(error.condition)
        if verdict is Verdict.TIMEOUT:
            return self._on_silence(reason)
        return verdict, (self._words if verdict in _REFUSALS else "") or reason

    def _name_the_refused(self) -> None:
        """Name both ends as in the refused header; neither is proved."""
        header = self._stream.header
        if header is not None and not self.log.remote:
            self.log.remote = header.from_domain or ""
            self.log.local = header.to_domain or ""

    # -- verdicts ----------------------------------------------------------------------------------------------------

    def _our_verdict(self, error: StreamError) -> Verdict:
        """Return the verdict on a stream that we ended with an error."""
        if isinstance(error, TLSRequired):
            return Verdict.NO_TLS
        if isinstance(error, TLSFailed):
            return Verdict.TLS_FAILED
        verdict = _VERDICTS.get(error.condition, Verdict.REFUSED_BY_US)
        if verdict is Verdict.NOT_TRUSTED:
            return self._not_trusted()
        if verdict is Verdict.NO_COMMON_PROOF and self._words:
            return self._refused_verdict()
        return verdict

    def _their_verdict(self, error: StreamErrorReceived) -> Verdict:
        """Return the verdict on a stream that the other side ended with an error, about our proof or anything else."""
        if self.log.direction is not Direction.OUT:
            return Verdict.CLOSED_BY_PEER
        says_so = _ABOUT_CERTIFICATES.search(error.text) is not None
        is_refusal = error.condition is StreamCondition.NOT_AUTHORIZED and (not error.text or bool(self._refusal))
        return Verdict.PROOF_REFUSED if says_so or is_refusal else Verdict.CLOSED_BY_PEER

    def _not_trusted(self) -> Verdict:
        certificate = self._facts.certificate
        if not self._facts.is_pinned(self._facts.terms):
            return Verdict.NOT_PINNED
        if self._facts.terms.required is Means.DANE:
            return Verdict.NOT_IN_TLSA
        if certificate is not None and certificate.is_revoked:
            return Verdict.REVOKED
        expired = certificate is not None and certificate.has_expired
        return Verdict.CERTIFICATE_EXPIRED if expired else Verdict.NOT_TRUSTED

    def _offered(self) -> str:
        """Return what the other side offered last; only where we are the initiating server."""
        offered = self._stream.offered
        return features_in_words(offered) if offered is not None else ""

    # The method that records each event; subclasses override entries.
    _on: ClassVar[Mapping[type, Callable[..., None]]] = {
        Secured: _secured,
        EvidenceFound: _evidence_found,
        StreamOpened: _opened,
        PairVerified: _pair_verified,
        ProofFailed: _proof_failed,
        PairRefused: _pair_refused,
        KeyAnswered: _key_answered,
        NegotiationCompleted: _established,
        StreamErrorReceived: _error_received,
        CloseTransport: _closing,
    }


def refused_in_words(refused: PairRefused) -> str:
    """Return which pair was refused, and why."""
    return f"dialback for {refused.pair.sender} was refused ({refused.condition}{_said(refused.text)})"


def features_in_words(features: Element) -> str:
    """Return the names of the features that a server offers, with its SASL mechanisms."""
    names: list[str] = []
    for feature in list(features.elements())[:_MOST_FEATURES]:
        match feature.namespace, feature.name:
            case (namespace, "starttls") if namespace == TLS:
                names.append("STARTTLS" + (" (required)" if feature.first(TLS, "required") else ""))
            case (namespace, "mechanisms") if namespace == SASL:
                names.extend(f"SASL {each.text.strip()[:20]}" for each in feature.elements(SASL, "mechanism"))
            case (namespace, _) if namespace == DIALBACK_FEATURE:
                names.append("dialback")
            case _:
                names.append(feature.name[:40])
    return ", ".join(names[:_MOST_FEATURES]) or "nothing"


def _tls_required(facts: Facts) -> str:
    return "TLS" if facts.terms.require_tls else ""


def _proof(facts: Facts) -> str:
    return " or ".join(facts.terms.means) if facts.terms.means else "nothing that we accept is configured"


def _said(text: str) -> str:
    return f": {text}" if text else ""
