"""The lives of a client: every cell of both tables."""

from __future__ import annotations

from gateway.clients.life import RESOURCES, SESSIONS, Life, Move, SessionLife, SessionMove
from tests.support.tables import drawn, rows

CONNECTION = """
             own     close   give_up      lose
negotiating  online  closed  negotiating  gone
online       -       closed  online       gone
closed       closed  closed  closed       gone
gone         -       -       -            -
"""

RESOURCE = """
           grant      close    end
bound      resumable  closing  ended
resumable  -          closing  ended
closing    closing    closing  ended
ended      ended      ended    ended
"""


def test_the_tables_are_those_that_are_drawn() -> None:
    assert list(SESSIONS) == list(SessionLife)
    assert list(RESOURCES) == list(Life)
    assert drawn(SESSIONS, list(SessionMove)) == rows(CONNECTION)
    assert drawn(RESOURCES, list(Move)) == rows(RESOURCE)
