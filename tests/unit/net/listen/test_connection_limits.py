"""Which connections are let in, and which have to make room."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bounds.tables import neighbourhood
from gateway.net.listen.connection_limits import (
    PROVED_FACTOR,
    Complaints,
    ConnectionLimits,
    Crowd,
    NotDialled,
    Places,
    TurnedAway,
    Unproved,
)
from gateway.notices.notices import Notice
from gateway.xmpp.errors import StreamError
from tests.support.calls import calls_of


class Guest:
    """A connection from some address."""

    def __init__(self, peer_address: str) -> None:
        self.peer_address = peer_address
        self.closed = ""

    def dismiss(self, error: StreamError) -> None:
        self.closed = str(error.condition)


class LimitsHarness:
    def __init__(self, streams: int = 1000, **crowd: float) -> None:
        self.now = 1000.0
        self.told: list[Notice] = []
        self.places = Places(streams)
        self.connection_limits = ConnectionLimits(Crowd(**crowd), self.places, self.told.append, lambda: self.now)  # type: ignore[arg-type]

    def come(self, host: str, *, proved: bool = False) -> Guest | None:
        """Make a connection; return None if it is turned away."""
        if self.connection_limits.objection(host):
            return None
        guest = Guest(f"[{host}]:40000" if ":" in host else f"{host}:40000")
        self.connection_limits.entered(guest)
        if proved:
            self.connection_limits.established(guest)
        return guest

    def sentences(self) -> list[str]:
        return [notice.sentence for notice in self.told]


def test_so_many_are_let_in() -> None:
    harness = LimitsHarness(streams=3)
    assert [harness.come(f"192.0.2.{number}") is not None for number in range(4)] == [True] * 3 + [False]
    assert harness.sentences() == ["a connection from 192.0.2.3 was turned away: 3 streams are open ([limits] streams)"]


def test_streams_that_we_open_take_places_too() -> None:
    harness = LimitsHarness(streams=2)
    harness.places.take()
    guest = harness.come("192.0.2.1")
    assert guest is not None
    assert harness.come("192.0.2.2") is None
    harness.connection_limits.left(guest)
    assert harness.come("192.0.2.2") is not None
    assert harness.places.taken == 2


def test_so_many_are_let_in_from_one_address_and_others_still() -> None:
    harness = LimitsHarness(per_address=2)
    assert [harness.come("192.0.2.1") is not None for _ in range(3)] == [True, True, False]
    assert harness.come("192.0.2.2") is not None


def test_streams_that_have_proved_something_have_a_limit_of_their_own() -> None:
    harness = LimitsHarness(per_address=1, per_minute=0)
    assert all(harness.come("192.0.2.1", proved=True) for _ in range(PROVED_FACTOR))
    assert harness.come("192.0.2.1") is None
    assert f"{PROVED_FACTOR} streams are open from there" in harness.sentences()[0]
    assert harness.come("198.51.100.1") is not None


def test_what_cannot_be_dialled_is_told_with_the_number_of_those_before() -> None:
    told: list[Notice] = []
    complaints = Complaints(told.append, NotDialled)
    for now in (0.0, 1.0, 1000.0):
        complaints.tell("far.test", "3 streams are open", now)
    assert [each.sentence for each in told] == [
        "no stream was opened to far.test: 3 streams are open",
        "no stream was opened to far.test (and 1 time before): 3 streams are open",
    ]
    assert len({each.cause for each in told}) == 1


def test_who_leaves_makes_room() -> None:
    harness = LimitsHarness(per_address=1)
    guest = harness.come("192.0.2.1")
    assert guest is not None
    harness.connection_limits.left(guest)
    harness.connection_limits.left(guest)
    assert harness.come("192.0.2.1") is not None


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_what_counts_as_one_address(host: str, address: str) -> None:
    assert neighbourhood(host) == address


def test_addresses_of_one_customer_count_as_one() -> None:
    harness = LimitsHarness(per_address=2)
    assert [harness.come(f"2001:db8::{number}") is not None for number in range(3)] == [True, True, False]
    assert harness.come("2001:db8:0:1::1") is not None


def test_h_33_half_open_connections_push_out_their_own_kind() -> None:
    harness = LimitsHarness(unauthenticated=4)
    honest = harness.come("192.0.2.1")
    flood = [harness.come("198.51.100.7") for _ in range(3)]
    proved = harness.come("192.0.2.2", proved=True)
    newcomer = harness.come("192.0.2.3")
    assert [guest.closed for guest in (honest, proved, newcomer) if guest] == ["", "", ""]
    assert [guest.closed for guest in flood if guest] == ["resource-constraint", "", ""]
    assert harness.sentences()[0].startswith("a connection from 198.51.100.7 was turned away: 4 streams have proved")


def test_a_tight_loop_of_reconnecting_is_held_to_a_rate() -> None:
    harness = LimitsHarness(per_minute=60)
    let_in = 0
    for _ in range(14 * 200):  # as jabberd2 was seen to do for 14 s
        harness.now += 1 / 200
        guest = harness.come("192.0.2.1")
        if guest is not None:
            let_in += 1
            harness.connection_limits.left(guest)
    assert 60 <= let_in <= 60 + 15
    assert harness.come("192.0.2.2") is not None


def test_and_is_told_of_once_in_a_while() -> None:
    harness = LimitsHarness(streams=1)
    harness.come("192.0.2.1")
    for second in (0, 1, 9.9, 10, 11, 20):
        harness.now = 2000 + second
        harness.come("192.0.2.1")
    assert [notice.untold for notice in harness.told if isinstance(notice, TurnedAway)] == [0, 2, 1]
    assert harness.sentences()[1].startswith("a connection from 192.0.2.1 was turned away (and 2 before it): ")


STEPS = st.lists(st.tuples(st.sampled_from(["come", "come", "leave", "make room"]), st.integers(0, 5)), max_size=80)


@given(STEPS)
def test_the_oldest_of_a_most_crowded_address_has_to_leave(steps: list[tuple[str, int]]) -> None:
    unproved, expected = Unproved(), {}
    for step, number in steps:
        if step == "come":
            guest = Guest(f"192.0.2.{number}:40000")
            unproved.add(guest, guest.peer_address)
            expected[guest] = guest.peer_address
        elif step == "leave" and expected:
            guest = list(expected)[number % len(expected)]
            unproved.remove(guest)
            unproved.remove(guest)
            del expected[guest]
        elif step == "make room" and expected:
            oldest, address = unproved.take_oldest_of_most_crowded()
            crowd = [guest for guest, where in expected.items() if where == address]
            assert oldest is crowd[0]
            assert len(crowd) == max(Counter(expected.values()).values())
            del expected[oldest]
        assert len(unproved) == len(expected)


def test_making_room_takes_no_longer_in_a_large_crowd() -> None:
    """Each newcomer of a flood pushes one out: what that costs must not grow with the flood."""

    def cost(size: int) -> int:
        unproved = Unproved()
        for number in range(size):
            unproved.add(Guest(""), f"address {number}")
        return calls_of(lambda: [unproved.take_oldest_of_most_crowded() for _ in range(100)])

    assert cost(5000) <= 1.2 * cost(500)
