"""The life of a component's connection: every cell of its table."""

from __future__ import annotations

from gateway.components.life import SPEAKING, TRANSITIONS, Life, Move
from tests.support.tables import drawn, rows

DIAGRAM = """
          accept    ask    answer    replace   disown    lose
outside   attached  -      -         -         disowned  gone
attached  -         asked  -         replaced  disowned  gone
asked     -         asked  attached  replaced  disowned  gone
replaced  -         -      -         -         disowned  gone
disowned  -         -      -         -         disowned  gone
gone      -         -      -         -         -         -
"""


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert list(TRANSITIONS) == list(Life)
    assert drawn(TRANSITIONS, list(Move)) == rows(DIAGRAM)


def test_it_speaks_from_the_moment_it_is_accepted_until_it_is_replaced_or_gone() -> None:
    speaking = {state for state, cells in TRANSITIONS.items() if Move.REPLACE in cells}
    assert speaking == set(SPEAKING)
