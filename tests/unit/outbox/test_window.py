"""The sending window: the tables of its docstring, row by row, and a peer that dies over one stanza."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.window import BREAKS, MOST, Break, Window

OPEN = Window()


def test_window_is_open_until_something_breaks() -> None:
    assert OPEN.room(10_000) is None
    assert OPEN.settled() == OPEN


@pytest.mark.parametrize("step", [None, 1, 2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("made", Break)
def test_after_a_break_one_goes_out_alone(step: int | None, made: Break) -> None:
    window = Window(step=step).broke(made, [7, 8])
    assert window.step == 1
    assert (window.room(0), window.room(1)) == (1, 0)


def test_window_doubles_when_everything_in_flight_is_settled_and_opens_after_the_most() -> None:
    window = OPEN.broke(Break.OTHER, [])
    steps = []
    while window.step is not None:
        steps.append(window.step)
        window = window.settled()
    assert steps == [1, 2, 4, 8, 16, 32, MOST]


def broke(*breaks: tuple[Break, list[int]]) -> Window:
    window = OPEN
    for made, in_flight in breaks:
        window = window.broke(made, in_flight)
    return window


THEIRS, OTHER = Break.THEIRS, Break.OTHER


@pytest.mark.parametrize(
    ("breaks", "blamed"),
    [
        ([(THEIRS, [5])] * 2, None),
        ([(THEIRS, [5])] * 3, 5),
        ([(THEIRS, [5, 6, 7]), (THEIRS, [5]), (THEIRS, [5])], 5),
        ([(THEIRS, [5]), (THEIRS, [5]), (THEIRS, [5, 6])], None),  # not alone
        ([(THEIRS, [4, 5]), (THEIRS, [5]), (THEIRS, [5])], None),  # another one was the oldest first
        ([(THEIRS, [4, 5]), (THEIRS, [5]), (THEIRS, [5]), (THEIRS, [5])], 5),
        ([(THEIRS, [5])] * 2 + [(THEIRS, [])] + [(THEIRS, [5])], None),
        ([(OTHER, [5])] * 10, None),
        ([(THEIRS, [5]), (OTHER, [5]), (OTHER, []), (THEIRS, [5]), (THEIRS, [5])], 5),
    ],
)
def test_stanza_is_blamed_after_three_breaks_of_theirs_over_it(
    breaks: list[tuple[Break, list[int]]], blamed: int | None
) -> None:
    assert broke(*breaks).blamed == blamed


def test_suspect_that_arrives_is_suspected_no_longer() -> None:
    window = broke((THEIRS, [5]), (THEIRS, [5])).settled()
    assert window.suspect is None
    assert window.broke(THEIRS, [5]).blamed is None


def test_after_the_blamed_one_the_next_goes_out_alone() -> None:
    window = broke(*[(THEIRS, [5])] * BREAKS).acquitted()
    assert (window.step, window.suspect, window.blamed) == (1, None, None)


@given(st.integers(1, 300), st.data())
def test_peer_that_dies_over_one_stanza_gets_all_others_once_and_soon(count: int, data: st.DataObject) -> None:
    poison = data.draw(st.integers(0, count - 1))
    waiting, arrived, cuts, twice = list(range(count)), [], 0, 0
    window = OPEN
    while waiting:
        room = window.room(0)
        in_flight = waiting[: room or MOST]
        if poison in in_flight:  # it reads what stands before, and dies before it says so
            cuts += 1
            read = in_flight[: in_flight.index(poison)]
            twice += len(set(read) & set(arrived))
            arrived += [each for each in read if each not in arrived]
            window = window.broke(THEIRS, in_flight)
            if window.blamed is not None:
                assert window.blamed == poison
                waiting.remove(poison)
                window = window.acquitted()
        else:
            twice += len(set(in_flight) & set(arrived))
            arrived += [each for each in in_flight if each not in arrived]
            del waiting[: len(in_flight)]
            window = window.settled()
    assert arrived == [each for each in range(count) if each != poison]
    assert BREAKS <= cuts <= 12
    assert twice <= 2 * MOST
