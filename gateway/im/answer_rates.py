"""AnswerRates: how many bytes of documents others may ask of the accounts here.

A question of a hundred bytes may be answered with a document of a quarter of a megabyte. Each cause, another domain
with its subdomains or an account of this one, has a bucket that fills up steadily. An answer is taken from it by its
size. When it is empty, further questions get an error, whether there is such an account or not.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.bounds.tables import MOST_CAUSES, Bounded, charged
from gateway.im.waiting_steps import cause_of
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.errors import StanzaCondition, StanzaError

BYTES_A_SECOND = 1 << 22
SECONDS_AT_ONCE = 16
"""The seconds after which an empty bucket is full."""


class AnswerRates:
    """The buckets of everybody who has asked."""

    def __init__(self, here: Domain, now: Callable[[], float]) -> None:
        self._here = here
        self._now = now
        self._paid_until: Bounded[str, float] = Bounded(MOST_CAUSES)

    def check(self, sender: Address) -> None:
        """Raise StanzaError if the sender's domain has had too much."""
        paid_until = self._paid_until.get(cause_of(sender, self._here))
        if paid_until is not None and paid_until > self._now():
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too much was asked for; ask again later")

    def charge(self, sender: Address, size: int) -> None:
        """Count an answer."""
        cause, now = cause_of(sender, self._here), self._now()
        before = self._paid_until.get(cause) or now - SECONDS_AT_ONCE
        self._paid_until.put(cause, charged(before, size / BYTES_A_SECOND, holds=SECONDS_AT_ONCE, now=now))
