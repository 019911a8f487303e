"""Kept stanzas that expire while a stream sends them: each has one end, and what is being sent is nobody else's."""

from __future__ import annotations

from tests.unit.federation.test_kept_route import PAIR, KeptRouteHarness, messages, numbers

HOUR = 3600


def kept(harness: KeptRouteHarness) -> list[int]:
    """Return the numbers of what is kept, oldest first."""
    found: list[int] = []
    harness.outbox.page(PAIR, 0, 1000).addCallback(lambda page: found.extend(each.number for each in page))
    return found


def held(harness: KeptRouteHarness, all_of_them: list[int]) -> int:
    """Return how many of them the route has in its hands: the first ones, without a gap."""
    has = [harness.route.has_hold_of(number) for number in all_of_them]
    assert has == sorted(has, reverse=True)
    return sum(has)


def test_what_is_being_sent_is_not_ended_by_anybody_else() -> None:
    harness = KeptRouteHarness()
    harness.send(*messages(*range(1, 101)))
    found = kept(harness)
    assert held(harness, found) == 0, "as long as nothing is sent"
    stream = harness.opened()
    assert held(harness, found) >= 32
    assert not harness.route.has_hold_of(found[-1] + 1)
    stream.breaks()
    assert held(harness, found) == 0


def test_what_expires_before_it_is_written_comes_back_once() -> None:
    harness = KeptRouteHarness()
    harness.send(*messages(*range(1, 101)))
    stream = harness.opened()
    assert harness.heard() == ["open", f"write {numbers(1, 32)}", f"write {numbers(33, 64)}"]
    harness.pass_(HOUR + 1)
    stream.acknowledges(64)
    heard = harness.heard()
    assert [each.partition("error ")[2].split()[0] for each in heard if "error" in each] == [
        str(each) for each in range(65, 101)
    ]
    assert not [each for each in heard if each.startswith("write")]
    assert harness.kept == 0
    assert harness.keeper.counts["expired"] == 36
    harness.send(*messages(101))
    assert harness.heard() == ["write 101"]
