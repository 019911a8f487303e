"""Tries: the next way to a domain after one has failed. No sockets, no clock.

A domain has several servers, a server several addresses, and a server may accept one proof and not another. A server's
refusal concerns only itself: it may be shutting down, be misconfigured, or not be an XMPP server at all. So a failure
leads to the next way, unless it is the domain's decision. For that, the server must have presented a certificate for
the domain, and must refuse us by rule. A server that has not proved the domain cannot speak for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.federation.delivery_failures import TOO_BUSY, DeliveryFailed, combined, failure_of
from gateway.net.dns.targets import Resolution, Target
from gateway.notices.attempts.verdicts import Verdict
from gateway.stream.facts import BY_CERTIFICATE, Means, Terms
from gateway.xmpp.errors import DiallingFailed, StreamCondition

# Conditions by which a server refuses what we are, so that any other server of the domain would do the same. All other
# conditions are about this server (system-shutdown, host-unknown, see-other-host), about this stream, or about what was
# written on it. The host that see-other-host names (RFC 6120 §4.9.3.19) is not tried.
DECISIONS = frozenset({StreamCondition.INVALID_FROM, StreamCondition.NOT_AUTHORIZED, StreamCondition.POLICY_VIOLATION})


# Those of them that another proof would not change.
_WHATEVER_THE_PROOF = DECISIONS - {StreamCondition.NOT_AUTHORIZED}


@dataclass(frozen=True, kw_only=True)
class AddressTry:
    """One way to a domain: where, on what terms, whether without TLS, and why it is taken, in words."""

    target: Target
    terms: Terms
    in_clear: bool = False
    why: str = "trying its next server"


class Shown(StrEnum):
    """How far TLS came with a server, and what the server proved by it."""

    NOTHING = "nothing"
    BROKEN_TLS = "STARTTLS was agreed on, but the handshake never ended"
    DOMAIN = "its certificate proves the domain"


@dataclass(frozen=True, kw_only=True)
class TryEnding:
    """How an attempt ended that had reached a server."""

    verdict: Verdict
    their_error: StreamCondition | None = None  # the stream error with which the server ended the stream
    by_them: bool = False  # they closed the stream, or cut the connection
    shown: Shown = Shown.NOTHING
    failed: frozenset[Means] = frozenset()  # our proofs that were refused, or in doubt when the stream ended
    untried: tuple[str, ...] = ()  # further addresses of the same target


class Tries:
    """The servers of a domain that remain to be tried, at most this many in all, and what has failed so far."""

    def __init__(self, resolution: Resolution, terms: Terms, most: int) -> None:
        self._definite = resolution.definite
        self._ahead = deque(AddressTry(target=target, terms=terms_at(target, terms)) for target in resolution.targets)
        self._left = most
        self._failures: list[DeliveryFailed] = []

    def next(self) -> AddressTry | None:
        """Return the way to take now; None if there is no other."""
        if self._is_over:
            return None
        self._left -= 1
        return self._ahead.popleft()

    @property
    def _is_over(self) -> bool:
        return not (self._ahead and self._left)

    def parts(self, this: AddressTry) -> int:
        """Return among how many ways the remaining time is to be shared, including this one."""
        return 1 + len(self._ahead) if self._ahead else min(2, len(this.target.addresses))

    def not_reached(self, failure: DiallingFailed) -> bool:
        """Record that no address of this way accepted a connection; return whether that was the last way."""
        verdict = Verdict.NO_SUCH_DOMAIN if failure.permanent else Verdict.UNREACHABLE
        self._failures.append(failure_of(verdict, failure.sentence))
        return self._is_over

    def crowded(self, why: str) -> None:
        """Record that too many streams are already being opened to this way."""
        self._failures.append(DeliveryFailed(why, TOO_BUSY))

    def failed(self, this: AddressTry, ending: TryEnding, failure: DeliveryFailed) -> None:
        """Record that the stream on this way failed."""
        self._failures.append(failure.afresh())
        otherwise = at_once(this, ending)
        if is_definite(ending) and not otherwise:
            self._ahead.clear()
            return
        self._ahead.extendleft(otherwise)
        self._ahead.extend(at_last(this, ending))

    def timed_out(self, reason: str) -> None:
        """Give up, because the caller no longer wants the stream."""
        self._failures.append(failure_of(Verdict.TIMEOUT, reason))
        self.clear()

    def clear(self) -> None:
        """Leave out the ways that have not been tried, because the caller no longer wants the stream."""
        self._ahead.clear()

    def outcome(self) -> DeliveryFailed:
        """Return the combined failure."""
        return combined(self._failures, definite=self._definite)


def terms_at(target: Target, terms: Terms) -> Terms:
    """Return the terms for one server, tightened by the TLSA records of its owner (RFC 7673 §4).

    Usable records require TLS and one of the certificates that they name; unusable ones require only TLS.
    """
    if target.tlsa is None:
        return terms
    required = Means.DANE if target.tlsa.usable else None
    return replace(terms, require_tls=True, required=terms.required or required)


def is_definite(ending: TryEnding) -> bool:
    """Return whether the domain itself has decided, so that its other servers need not be tried."""
    return ending.verdict is Verdict.CLOSED_BY_US or (ending.shown is Shown.DOMAIN and ending.their_error in DECISIONS)


def at_once(failed: AddressTry, ending: TryEnding) -> Sequence[AddressTry]:
    """Return what the same server may accept: dialback on a new stream, if it ended the one with EXTERNAL."""
    terms = failed.terms
    if ending.their_error in _WHATEVER_THE_PROOF:
        return ()
    is_external = Means.EXTERNAL in ending.failed and Means.DIALBACK not in ending.failed
    if not (is_external and ending.by_them and terms.allow(Means.DIALBACK)):
        return ()
    others = tuple(means for means in terms.means if means not in BY_CERTIFICATE)
    if terms.required is not None:
        others += terms.by_certificate  # which must still prove the other server
    if others == terms.means:
        return ()
    why = "trying dialback on a new stream, because it ended the one on which our certificate was to prove us"
    return (replace(failed, terms=replace(terms, means=others), why=why),)


def at_last(failed: AddressTry, ending: TryEnding) -> Sequence[AddressTry]:
    """Return what to try after all other servers: other addresses of this one, then this one without TLS."""
    tries: list[AddressTry] = []
    if ending.untried:
        elsewhere = replace(failed.target, addresses=ending.untried)
        tries.append(replace(failed, target=elsewhere, why="trying another address of the same server"))
    if ending.shown is Shown.BROKEN_TLS and may_be_in_clear(failed.terms):
        why = "trying again without TLS, because the handshake failed and require_tls = false"
        tries.append(replace(failed, in_clear=True, why=why))
    return tries


def may_be_in_clear(terms: Terms) -> bool:
    """Return whether the terms allow a stream without TLS, and list a proof that does not need it."""
    return not (terms.require_tls or terms.needs_certificate)
