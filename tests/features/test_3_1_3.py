"""Reconnecting follows the rules on resolution and waiting [stream-reconnect], RFC 6120 §3.3: the first wait is random
within a minute, the following ones grow exponentially up to a bound, and success restarts.
"""

from __future__ import annotations

from random import Random

from gateway.federation.backoff import Backoff, Waits


def waits_in_a_row(seed: int, count: int) -> list[float]:
    backoff, now, waits = Backoff(Waits(), Random(seed)), 0.0, []
    for _ in range(count):
        retry_at = backoff.failed("example.com", now)
        waits.append(retry_at - now)
        now = retry_at
    return waits


def test_first_wait_is_random_within_a_minute() -> None:
    firsts = [waits_in_a_row(seed, 1)[0] for seed in range(100)]
    assert all(0 <= wait <= 60 for wait in firsts)
    assert len(set(firsts)) == len(firsts)


def test_waits_grow_exponentially_up_to_a_bound() -> None:
    for seed in range(20):
        waits = waits_in_a_row(seed, 20)
        bounds = [min(Waits().first * 2**failure, Waits().longest) for failure in range(20)]
        assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits[1:], bounds[1:], strict=True))


def test_a_connection_or_stanza_from_the_domain_starts_anew() -> None:
    backoff = Backoff(Waits(), Random(1))
    retry_at = 0.0
    for _ in range(10):
        retry_at = backoff.failed("example.com", retry_at)
    assert backoff.retry_at("example.com", retry_at - 1) == retry_at
    backoff.reached("example.com")
    assert backoff.retry_at("example.com", retry_at - 1) is None
    assert backoff.failed("example.com", retry_at) - retry_at <= Waits().first
