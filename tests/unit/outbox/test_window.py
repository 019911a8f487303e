"""The sending window: the tables of its docstring, row by row, and a peer that dies over one stanza."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.window import BREAKS, MOST, Break, Window

OPEN = Window()


def test_open_window_has_room_for_the_most() -> None:
    assert (OPEN.room(0), OPEN.room(MOST - 1), OPEN.room(MOST)) == (MOST, 1, 0)
    assert OPEN.read(1000).settled(1000) == OPEN


@pytest.mark.parametrize("step", [None, 1, 2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("made", Break)
def test_after_a_break_one_goes_out_alone(step: int | None, made: Break) -> None:
    window = Window(step=step).broke(made, [7, 8])
    assert window.step == 1
    assert (window.room(0), window.room(1)) == (1, 0)


@pytest.mark.parametrize("at_a_time", [1, 100])
def test_window_doubles_when_as_many_were_read_as_may_be_in_flight_and_opens_after_the_most(at_a_time: int) -> None:
    window = OPEN.broke(Break.OTHER, [])
    steps = []
    while (step := window.step) is not None:
        steps.append(step)
        while window.step == step:
            window = window.read(min(at_a_time, step))
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
        ([(THEIRS, [4, 5]), (THEIRS, [5]), (THEIRS, [5])], 5),
        ([(THEIRS, [4, 5]), (THEIRS, [4, 5, 6]), (THEIRS, [5])], 5),
        ([(THEIRS, [4]), (THEIRS, [5]), (THEIRS, [5])], None),  # another one was in flight first
        ([(THEIRS, [4]), (THEIRS, [5]), (THEIRS, [5]), (THEIRS, [5])], 5),
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
    window = broke((THEIRS, [4, 5, 6]), (THEIRS, [4, 5])).settled(4)
    assert window.suspects is not None
    assert window.suspects.numbers == (5,)
    assert window.settled(5).suspects is None
    assert window.settled(5).broke(THEIRS, [5]).blamed is None


def test_suspects_go_one_by_one_after_the_second_break() -> None:
    window = broke((THEIRS, [4, 5, 6]))
    assert not window.is_strict
    assert window.read(1).room(0) == 2
    window = window.broke(THEIRS, [5, 6])
    assert window.is_strict
    assert window.read(1).room(0) == window.settled(5).read(1).room(0) == 1
    assert window.settled(6).read(1).room(0) == 2


def test_after_the_blamed_one_the_next_goes_out_alone() -> None:
    window = broke(*[(THEIRS, [5])] * BREAKS).acquitted()
    assert (window.step, window.suspects, window.blamed) == (1, None, None)


@given(st.integers(1, 300), st.data())
def test_peer_that_dies_over_one_stanza_gets_all_others_once_and_soon(count: int, data: st.DataObject) -> None:
    poison = data.draw(st.integers(0, count - 1))
    waiting, arrived, cuts, twice = list(range(count)), [], 0, 0
    window = OPEN
    while waiting:
        in_flight = waiting[: window.room(0)]
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
            window = window.settled(in_flight[-1]).read(len(in_flight))
    assert arrived == [each for each in range(count) if each != poison]
    assert cuts == BREAKS
    assert twice <= 2 * MOST
