"""The table of states: every cell, and what the cells that are missing promise."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.stream.states import TRANSITIONS, Move, State

# The table as a person reads it: rows are states, columns are moves, '-' is an error.
DIAGRAM = """
                 their   an element     a       a        negotiation  we     we close       they close,  they
                 header  of a feature   stanza  restart  complete     close  with an error  answers due  close
awaiting header  neg     -              -       -        -            dis    dis            -            closed
negotiating      -       neg            -       await    est          dis    dis            -            closed
established      -       est            est     -        -            clo    dis            ans          closed
answering        -       -              -       -        -            closed closed         -            -
closing          -       clo            clo     -        -            -      closed         -            closed
discarding       dis     dis            dis     -        -            -      closed         -            closed
closed           -       -              -       -        -            -      -              -            -
"""
SHORT = {
    "await": State.AWAITING_HEADER,
    "neg": State.NEGOTIATING,
    "est": State.ESTABLISHED,
    "ans": State.ANSWERING,
    "clo": State.CLOSING,
    "dis": State.DISCARDING,
    "closed": State.CLOSED,
    "-": None,
}
COLUMNS = [
    Move.HEADER, Move.ELEMENT, Move.STANZA, Move.RESTART, Move.COMPLETE, Move.CLOSE, Move.FAIL, Move.ANSWER,
    Move.CLOSED,
]  # fmt: skip


def cells() -> dict[tuple[State, Move], State | None]:
    drawn = {}
    for line in DIAGRAM.splitlines()[3:]:
        state = State(line[:17].strip())
        for move, word in zip(COLUMNS, line[17:].split(), strict=True):
            drawn[state, move] = SHORT[word]
    return drawn


@pytest.mark.parametrize(("state", "move"), list(product(State, Move)), ids=lambda each: each.name)
def test_every_cell_is_as_drawn(state: State, move: Move) -> None:
    assert TRANSITIONS[state].get(move) == cells()[state, move]


def reachable(start: State, *, without: frozenset[State] = frozenset()) -> set[State]:
    found, waiting = {start}, [start]
    while waiting:
        for after in TRANSITIONS[waiting.pop()].values():
            if after not in found and after not in without:
                found.add(after)
                waiting.append(after)
    return found


def test_every_state_is_reached_and_every_stream_can_end() -> None:
    assert reachable(State.AWAITING_HEADER) == set(State)
    assert all(State.CLOSED in reachable(state) for state in State)


def test_nothing_leads_back_to_an_open_stream() -> None:
    still_open = {State.AWAITING_HEADER, State.NEGOTIATING, State.ESTABLISHED, State.ANSWERING}
    for state in set(State) - still_open:
        assert not reachable(state) & still_open


def test_h_23_stanzas_pass_only_once_negotiation_is_complete() -> None:
    taken = {state for state in State if Move.STANZA in TRANSITIONS[state]}
    assert taken == {State.ESTABLISHED, State.CLOSING, State.DISCARDING}
    assert State.ESTABLISHED not in reachable(State.AWAITING_HEADER, without=frozenset({State.NEGOTIATING}))
    assert State.CLOSING not in reachable(State.AWAITING_HEADER, without=frozenset({State.ESTABLISHED}))
