"""The states of TLS: every cell of their table."""

from __future__ import annotations

from gateway.net.tls.states import TRANSITIONS, TLSMove, TLSState
from tests.support.tables import drawn, rows

DIAGRAM = """
            complete  they_end    we_end    fail
handshake   open      -           -         broken_off
broken_off  -         -           -         broken_off
open        -         they_ended  we_ended  ended
they_ended  -         -           ended     ended
we_ended    -         ended       -         ended
ended       -         ended       -         ended
"""


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert list(TRANSITIONS) == list(TLSState)
    assert drawn(TRANSITIONS, list(TLSMove)) == rows(DIAGRAM)
