"""Delivery failures: from any cause to the error for the sender of a stanza, or of a dialback key.

One table maps causes (our verdict on the attempt, and the error with which the other server ended the stream) to the
sender's error (RFC 6120 §8.3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.notices.attempts.verdicts import Verdict
from gateway.xmpp.errors import GatewayError, StanzaCondition, StanzaError, StreamCondition


@dataclass(frozen=True, kw_only=True)
class Told:
    """The error for the sender of a stanza to a remote domain; our own reasons stay in our log."""

    condition: StanzaCondition
    error_type: str
    text: str


NOT_THERE = Told(
    condition=StanzaCondition.REMOTE_SERVER_NOT_FOUND,
    error_type="cancel",
    text="no XMPP server was found for {domain}",
)
"""There is no such server (RFC 6120 §8.3.3.16)."""
UNWILLING = Told(
    condition=StanzaCondition.REMOTE_SERVER_TIMEOUT,
    error_type="cancel",
    text="this server and the server of {domain} do not accept each other",
)
"""There is one, but trying again will not help: the failure is "of a more permanent nature" (§8.3.3.17)."""
KEY_INVALID = Told(
    condition=StanzaCondition.INTERNAL_SERVER_ERROR,
    error_type="cancel",
    text="the server of {domain} found this server's dialback key invalid",
)
"""Another server answers for one of our domains and does not know our keys (XEP-0220 §2.1.1)."""
OUT_OF_REACH = Told(
    condition=StanzaCondition.REMOTE_SERVER_TIMEOUT,
    error_type="wait",
    text="the server of {domain} could not be reached",
)
"""There is or may be one, but it could not be used this time (§8.3.3.17)."""
TOO_BUSY = Told(
    condition=StanzaCondition.RESOURCE_CONSTRAINT,
    error_type="wait",
    text="this server has too many streams to open one to {domain}",
)
"""We have no room for one more."""

# From the most definite to the most hopeful. A domain is as hopeful as its most hopeful server.
_BY_HOPE = (NOT_THERE, UNWILLING, KEY_INVALID, TOO_BUSY, OUT_OF_REACH)

# Any verdict that is not listed here means that the domain is out of reach.
_TOLD: dict[Verdict | StreamCondition, Told] = {
    Verdict.NO_SUCH_DOMAIN: NOT_THERE,
    Verdict.NO_TLS: UNWILLING,
    Verdict.CERTIFICATE_EXPIRED: UNWILLING,
    Verdict.REVOKED: UNWILLING,
    Verdict.NOT_TRUSTED: UNWILLING,
    Verdict.NOT_IN_TLSA: UNWILLING,
    Verdict.NOT_PINNED: UNWILLING,
    Verdict.NO_COMMON_PROOF: UNWILLING,
    Verdict.PROOF_REFUSED: UNWILLING,
    # The errors with which the other server ended the stream.
    StreamCondition.HOST_UNKNOWN: NOT_THERE,
    StreamCondition.HOST_GONE: NOT_THERE,
    StreamCondition.INVALID_FROM: UNWILLING,
    StreamCondition.NOT_AUTHORIZED: UNWILLING,
    StreamCondition.POLICY_VIOLATION: UNWILLING,
    StreamCondition.UNSUPPORTED_FEATURE: UNWILLING,
    StreamCondition.UNSUPPORTED_VERSION: UNWILLING,
}
# The other server's objections to one of our domains need not apply to another.
_OF_THE_PAIR = {Verdict.NO_COMMON_PROOF, Verdict.PROOF_REFUSED, Verdict.CLOSED_AFTER_PROOF, Verdict.CLOSED_BY_PEER}


class DeliveryFailed(GatewayError):
    """A remote domain cannot be reached: `reason` in plain words, `told` for the senders of what waited.

    `of_the_pair`: the failure concerns one of our domains, and others may succeed.
    """

    def __init__(self, reason: str, told: Told = OUT_OF_REACH, *, of_the_pair: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.told = told
        self.of_the_pair = of_the_pair

    def afresh(self) -> DeliveryFailed:
        """Return a copy to keep: an error that was raised refers to everything under way at that moment."""
        return DeliveryFailed(self.reason, self.told, of_the_pair=self.of_the_pair)

    @property
    def is_definite(self) -> bool:
        """Return whether waiting is useless, because the domain has no server."""
        return self.told is NOT_THERE

    @property
    def is_ours(self) -> bool:
        """Return whether the failure says nothing about the domain, which may be tried again at once."""
        return self.told is TOO_BUSY

    def stanza_error(self, domain: str) -> StanzaError:
        """Return the error for the sender."""
        told = self.told
        return StanzaError(
            told.condition, told.text.format(domain=domain), reason=self.reason, error_type=told.error_type
        )


def failure_of(verdict: Verdict, reason: str, their_error: StreamCondition | None = None) -> DeliveryFailed:
    """Return the failure of an attempt; `their_error` is the error with which the other server ended the stream."""
    told = _TOLD.get(verdict if their_error is None else their_error, OUT_OF_REACH)
    return DeliveryFailed(reason, told, of_the_pair=verdict in _OF_THE_PAIR)


def combined(failures: Sequence[DeliveryFailed], *, definite: bool = True) -> DeliveryFailed:
    """Return the combined failure of all servers of a domain, given in the order in which they happened.

    One server that may come back leaves hope for the domain, whatever the others said. Without `definite`, the DNS did
    not say where the servers are, so no server can say that the domain does not exist.
    """
    reasons = dict.fromkeys(failure.reason for failure in failures)
    told = max((failure.told for failure in failures), key=_BY_HOPE.index)
    if told is NOT_THERE and not definite:
        told = OUT_OF_REACH
    of_the_pair = all(failure.of_the_pair for failure in failures)
    return DeliveryFailed("; then ".join(reasons), told, of_the_pair=of_the_pair)
