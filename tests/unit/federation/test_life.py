"""The life of a session between servers: every cell of its table."""

from __future__ import annotations

from gateway.federation.life import TRANSITIONS, Life, Move
from tests.support.tables import drawn, rows

DIAGRAM = """
            last_word   supersede   lose
hearing     deaf        superseded  gone
deaf        -           superseded  gone
superseded  superseded  -           gone
gone        -           -           -
"""


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert list(TRANSITIONS) == list(Life)
    assert drawn(TRANSITIONS, list(Move)) == rows(DIAGRAM)
