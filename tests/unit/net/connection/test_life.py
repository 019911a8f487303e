"""The life of a connection: every cell of its table, and what the missing ones promise."""

from __future__ import annotations

import pytest

from gateway.net.connection.life import TRANSITIONS, Life, Move
from gateway.stream.lives import after
from gateway.xmpp.errors import Misuse
from tests.support.tables import drawn, rows

DIAGRAM = """
             establish  answer     close       end     lose
negotiating  open       -          close_sent  ending  lost
open         -          answering  close_sent  ending  lost
answering    -          -          close_sent  ending  lost
close_sent   -          -          -           ending  lost
ending       -          -          ending      ending  lost
lost         -          -          -           lost    -
"""


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert list(TRANSITIONS) == list(Life)
    assert drawn(TRANSITIONS, list(Move)) == rows(DIAGRAM)


@pytest.mark.parametrize("state", [Life.OPEN, Life.LOST])
def test_a_move_without_a_cell_is_a_bug(state: Life) -> None:
    with pytest.raises(Misuse, match=f"the end of the negotiation cannot happen while {state}"):
        after(TRANSITIONS, state, Move.ESTABLISH)
