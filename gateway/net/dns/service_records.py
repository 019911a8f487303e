"""Service records, and the order in which their targets are tried (RFC 2782, XEP-0368 §3).

The records for STARTTLS (`_xmpp-server`) and for TLS from the first byte (`_xmpps-server`) form one set: priorities and
weights are compared across both. Within a priority, chance decides in proportion to the weights. Clients use records of
their own (`_xmpp-client`) in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Literal

Tls = Literal["direct", "starttls"]


@dataclass(frozen=True, kw_only=True)
class SRVService:
    """A service to look up: the names of its service records, and its port if there are none."""

    names: Mapping[Tls, str]
    port: int


FOR_SERVERS = SRVService(names={"direct": "_xmpps-server._tcp", "starttls": "_xmpp-server._tcp"}, port=5269)
FOR_CLIENTS = SRVService(names={"direct": "_xmpps-client._tcp", "starttls": "_xmpp-client._tcp"}, port=5222)


@dataclass(frozen=True, kw_only=True)
class ServiceRecord:
    """One SRV record; an empty `target` says that the service does not exist (RFC 2782, target `.`)."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A service record together with the service it was found under."""

    record: ServiceRecord
    tls: Tls


def in_order(offers: Sequence[Offer], random: Random, most: int) -> list[Offer]:
    """Return at most this many offers, those of the best priorities, in the order in which to try them."""
    kept = sorted(offers, key=lambda offer: offer.record.priority)[:most]
    ordered: list[Offer] = []
    for priority in sorted({offer.record.priority for offer in kept}):
        ordered += _weighted((offer for offer in kept if offer.record.priority == priority), random)
    return ordered


def _weighted(offers: Iterable[Offer], random: Random) -> list[Offer]:
    """Draw one after the other; those of weight 0 come first, which leaves them a small chance (RFC 2782, Weight)."""
    pool = sorted(offers, key=lambda offer: offer.record.weight > 0)
    drawn: list[Offer] = []
    while len(pool) > 1:
        mark = random.randint(0, sum(offer.record.weight for offer in pool))
        drawn.append(pool.pop(_first_reaching(mark, pool)))
    return drawn + pool


def _first_reaching(mark: int, pool: Sequence[Offer]) -> int:
    """Return the first place at which the running sum of the weights is no less than the mark."""
    sums = accumulate(offer.record.weight for offer in pool)
    return next(index for index, running in enumerate(sums) if running >= mark)
