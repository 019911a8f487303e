"""Endings: the end of a kept stanza that cannot be delivered, and the error that its sender gets.

    the last try failed       a definite verdict before,        what is kept       what is new
                              and none that was not since
    not definitely            any                               waits              waits
    definitely                none                              waits              bounced, as without an outbox
    definitely                less than AGREE_SECONDS ago       waits              bounced
    definitely                AGREE_SECONDS ago or more         bounced            bounced
    its time is over          any                               expired            -

A verdict is definite when waiting does not help: there is no such domain, or the two sides do not accept each other. A
broken zone, or a server that is just being set up, looks like that for a while, and must not empty a queue.
"""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.outbox.records import Failing
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StanzaCondition, StanzaError

AGREE_SECONDS = 600.0
"""The time between two definite verdicts after which kept stanzas are bounced."""


def failed(before: Failing | None, *, verdict: str, reason: str, definite: bool, now: float) -> tuple[Failing, bool]:
    """Return what to remember of a domain after a failed attempt, and whether to bounce its kept stanzas."""
    first_definite = before.definite_since if before is not None else None
    failing = Failing(
        failures=before.failures + 1 if before is not None else 1,
        since=before.since if before is not None else now,
        verdict=verdict,
        reason=reason,
        definite_since=(now if first_definite is None else first_definite) if definite else None,
    )
    return failing, definite and first_definite is not None and now - first_definite >= AGREE_SECONDS


def expired(domain: Domain, accepted: float) -> StanzaError:
    """Return the error for an expired stanza; of type `cancel`, or clients would try again."""
    moment = datetime.fromtimestamp(accepted, UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = f"the server of {domain} could not be reached since {moment}, when this was sent"
    return StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, text, error_type="cancel")


def not_taken(domain: Domain) -> StanzaError:
    """Return the error for a stanza over which the other server ended its streams."""
    return StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"the server of {domain} does not accept it")
