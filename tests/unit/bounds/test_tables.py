"""Tables with a limit and a fair share for everybody who fills them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bounds.tables import Bounded, Rates, Seldom, address_of, charged, family, neighbourhood


def test_without_causes_the_oldest_entry_goes() -> None:
    table: Bounded[int, str] = Bounded(2)
    for number in range(3):
        table.put(number, str(number))
    assert list(table.items()) == [(1, "1"), (2, "2")]


def test_an_entry_that_is_put_again_or_touched_is_the_youngest() -> None:
    table: Bounded[int, str] = Bounded(3)
    for number in (1, 2, 3, 1):
        table.put(number, str(number))
    table.touch(2)
    table.touch(99)
    table.put(4, "4")
    assert set(table) == {1, 2, 4}


def test_the_first_to_go_is_the_oldest_of_the_most_crowded_cause() -> None:
    table: Bounded[int, str] = Bounded(5)
    assert table.first_to_go() is None
    for key, cause in enumerate("abbab"):
        table.put(key, "", cause)
    assert table.first_to_go() == 1
    table.touch(1)
    assert table.first_to_go() == 2
    table.pop(2)
    table.pop(4)
    assert table.first_to_go() == 0


def test_who_floods_the_table_pushes_out_only_their_own() -> None:
    table: Bounded[str, int] = Bounded(10)
    for number in range(3):
        table.put(f"mine{number}", number, "me")
    for number in range(1000):
        table.put(f"theirs{number}", number, "them")
    assert {key for key in table if key.startswith("mine")} == {"mine0", "mine1", "mine2"}
    assert len(table) == 10
    assert table.get("theirs999") == 999


def test_sizes_count_as_well_as_numbers() -> None:
    table: Bounded[str, None] = Bounded(100, most_size=1000)
    table.put("small", None, "me", 10)
    for number in range(50):
        table.put(f"large{number}", None, "them", 300)
    assert "small" in table
    assert table.size <= 1000


def test_what_is_larger_than_the_whole_table_is_not_kept() -> None:
    table: Bounded[str, None] = Bounded(10, most_size=100)
    table.put("huge", None, size=101)
    assert (len(table), table.size) == (0, 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "pop", "touch"]), st.integers(0, 12), st.sampled_from("abc"), st.integers(1, 5)
        ),
        max_size=200,
    )
)
def test_the_bounds_hold_and_the_sums_are_right_whatever_is_done(work: list[tuple[str, int, str, int]]) -> None:
    table: Bounded[int, tuple[str, int]] = Bounded(6, most_size=15)
    for what, key, cause, size in work:
        before = Counter[str]()
        for owner, weight in table.values():
            before[owner] += weight
        if what == "put":
            kept = set(table)
            table.put(key, (cause, size), cause, size)
            gone = kept - set(table) - {key}
            assert not gone or len(gone) < len(kept) + 1
        elif what == "pop":
            table.pop(key)
        else:
            table.touch(key)
        assert len(table) <= 6
        assert table.size == sum(weight for _, weight in table.values()) <= 15


@given(st.lists(st.sampled_from("aabc"), min_size=1, max_size=200))
def test_it_is_always_the_most_crowded_cause_that_makes_room(causes: list[str]) -> None:
    table: Bounded[int, str] = Bounded(7)
    for number, cause in enumerate(causes):
        before = Counter(table.values())
        before[cause] += 1
        kept = dict(table.items()) | {number: cause}
        table.put(number, cause, cause)
        for gone in kept.keys() - set(table):
            assert before[kept[gone]] == max(before.values())


def test_a_long_life_leaves_nothing_behind() -> None:
    table: Bounded[int, None] = Bounded(10, most_size=1000)
    for number in range(10_000):
        table.put(number, None, number % 7)
    assert max(len(table._by_number), len(table._by_size)) <= 2 * 7 + 17


def test_nothing_is_ranked_while_there_is_room() -> None:
    table: Bounded[int, str] = Bounded(10, most_size=1000)
    for number in range(10):
        table.put(number, "", "ab"[number % 2], size=2)
    assert not table._by_number
    assert not table._by_size


def test_the_most_crowded_makes_room_again_after_a_quiet_time() -> None:
    table: Bounded[int, str] = Bounded(10)
    for number in range(12):
        table.put(number, "a", "a")
    for number in list(table)[1:]:
        table.pop(number)
    assert not table._by_number
    for number in range(20, 28):
        table.put(number, "b", "b")
    table.put(30, "c", "c")
    table.put(31, "c", "c")
    assert [number for number in range(20, 28) if number not in table] == [20]
    assert sorted(Counter(table.values()).values()) == [1, 2, 7]


def test_whose_turn_it_is_costs_the_same_however_much_else_a_large_map_could_keep() -> None:
    table: Bounded[int, None] = Bounded(1_000_000)
    for number in range(200):
        table.put(number, None, number)
    table.first_to_go()
    ranked = table._by_number
    for number in range(200, 300):
        first = table.first_to_go()
        assert first is not None
        table.pop(first)
        table.put(number, None, number)
        assert table._by_number is ranked or len(ranked) > 2 * 200
        ranked = table._by_number


def test_something_is_said_once_in_a_while_with_what_was_left_out() -> None:
    seldom = Seldom(10)
    assert [seldom.say("a", second) for second in (0, 1, 9.9, 10, 11, 20)] == [0, None, None, 2, None, 1]
    assert seldom.say("b", 11) == 0


def test_a_rate_allows_a_burst_of_a_minute_and_then_its_share() -> None:
    rates = Rates()
    assert [rates.allow("a", 10, 100) for _ in range(11)] == [True] * 10 + [False]
    assert rates.allow("b", 10, 100)
    assert [rates.allow("a", 10, 106) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("192.0.2.1:5269", "192.0.2.1"),
        ("[2001:db8::1]:5269", "2001:db8::/64"),
        ("", ""),
        ("UNIXAddress('a:b')", "UNIXAddress('a"),
    ],
)
def test_an_endpoint_counts_by_its_address(endpoint: str, address: str) -> None:
    assert address_of(endpoint) == address


def test_what_is_no_ip_address_stands_for_itself() -> None:
    assert neighbourhood("a:b") == "a:b"


@pytest.mark.parametrize(
    ("domain", "one"),
    [
        ("a.b.example.net", "example.net"),
        ("example.net", "example.net"),
        ("localhost", "localhost"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_names_below_one_domain_count_as_one(domain: str, one: str) -> None:
    assert family(domain) == one


def test_a_bucket_holds_no_more_than_it_may_and_can_be_in_debt() -> None:
    long_ago = charged(0.0, 0.5, holds=1.0, now=100.0)
    assert long_ago == 99.5
    in_debt = charged(long_ago, 3.0, holds=1.0, now=100.0)
    assert in_debt == 102.5
