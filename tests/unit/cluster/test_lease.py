"""The table of a node's membership, and a lease by the node's own clock."""

from __future__ import annotations

import pytest

from gateway.cluster.lease import LEASE_SECONDS, MARGIN_SECONDS, TRANSITIONS, Life, Move, OwnLease
from gateway.xmpp.errors import Misuse


def test_every_state_has_its_row_and_leads_to_known_states() -> None:
    assert set(TRANSITIONS) == set(Life)
    assert {life for row in TRANSITIONS.values() for life in row.values()} <= set(Life)
    reached = {Life.OUTSIDE}
    while more := {life for state in reached for life in TRANSITIONS[state].values()} - reached:
        reached |= more
    assert reached == set(Life)


def member(asked_at: float = 100) -> OwnLease:
    lease = OwnLease()
    lease.join()
    lease.written(7, asked_at)
    return lease


def test_a_lease_counts_from_before_it_was_asked_for_and_ends_before_others_think_so() -> None:
    lease = member(100)
    assert (lease.life, lease.epoch) == (Life.MEMBER, 7)
    end = 100 + LEASE_SECONDS - MARGIN_SECONDS
    assert lease.holds(end - 0.001)
    assert not lease.holds(end)


def test_a_renewal_keeps_the_epoch_and_a_new_membership_has_a_new_one() -> None:
    lease = member(100)
    lease.written(9, 103)
    assert (lease.epoch, lease.until) == (7, 103 + LEASE_SECONDS - MARGIN_SECONDS)
    assert not lease.lapse_when_due(110)
    assert lease.lapse_when_due(111)
    assert (lease.life, lease.epoch) == (Life.LAPSED, 0)
    assert not lease.lapse_when_due(200)
    lease.join()
    lease.written(12, 120)
    assert lease.epoch == 12


@pytest.mark.parametrize("move", [move for move in Move if move not in TRANSITIONS[Life.REPLACED]])
def test_a_move_without_a_cell_is_a_bug(move: Move) -> None:
    lease = member()
    lease.replaced()
    calls = {
        Move.JOIN: lease.join,
        Move.HOLD: lambda: lease.written(8, 101),
        Move.LAPSE: lease.lapse,
        Move.REPLACE: lease.replaced,
    }
    with pytest.raises(Misuse):
        calls[move]()
