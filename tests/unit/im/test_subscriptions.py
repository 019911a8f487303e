"""The tables of RFC 6121 appendix A, row by row as the RFC prints them, and two ends that move by them."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.im.relations import (
    after_receiving,
    after_removal,
    after_sending,
    after_setting,
    row_of_received,
    row_of_sent,
    state_of,
)
from gateway.im.subscriptions import PREAPPROVED, RECEIVED, SENT, TYPES, SubscriptionRow, SubscriptionState, on_removal
from gateway.storage.records import Relation, RosterItem, Subscription

# Appendix A as printed there: existing state | goes on? | new state, and what the notes add.
OUTBOUND = """
A.2.1 subscribe
None                    | MUST     | None + Pending Out
None + Pending Out      | MUST     | no state change
None + Pending In       | MUST     | None + Pending Out+In
None + Pending Out+In   | MUST     | no state change
To                      | MUST     | no state change
To + Pending In         | MUST     | no state change
From                    | MUST     | From + Pending Out
From + Pending Out      | MUST     | no state change
Both                    | MUST     | no state change
A.2.2 unsubscribe
None                    | MUST     | no state change
None + Pending Out      | MUST     | None
None + Pending In       | MUST     | no state change
None + Pending Out+In   | MUST     | None + Pending In
To                      | MUST     | None
To + Pending In         | MUST     | None + Pending In
From                    | MUST     | no state change
From + Pending Out      | MUST     | From
Both                    | MUST     | From
A.2.3 subscribed
None                    | MUST NOT | pre-approval
None + Pending Out      | MUST NOT | pre-approval
None + Pending In       | MUST     | From
None + Pending Out+In   | MUST     | From + Pending Out
To                      | MUST NOT | pre-approval
To + Pending In         | MUST     | Both
From                    | MUST NOT | no state change
From + Pending Out      | MUST NOT | no state change
Both                    | MUST NOT | no state change
A.2.4 unsubscribed
None                    | MUST NOT | no state change
None + Pending Out      | MUST NOT | no state change
None + Pending In       | MUST     | None
None + Pending Out+In   | MUST     | None + Pending Out
To                      | MUST NOT | no state change
To + Pending In         | MUST     | To
From                    | MUST     | None
From + Pending Out      | MUST     | None + Pending Out
Both                    | MUST     | To
"""
INBOUND = """
A.3.1 subscribe
None                    | MUST     | None + Pending In
None + Pending Out      | MUST     | None + Pending Out+In
None + Pending In       | MUST NOT | no state change
None + Pending Out+In   | MUST NOT | no state change
To                      | MUST     | To + Pending In
To + Pending In         | MUST NOT | no state change
From                    | MUST NOT | no state change       | subscribed
From + Pending Out      | MUST NOT | no state change       | subscribed
Both                    | MUST NOT | no state change       | subscribed
A.3.2 unsubscribe
None                    | MUST NOT | no state change
None + Pending Out      | MUST NOT | no state change
None + Pending In       | MUST     | None                  | unsubscribed
None + Pending Out+In   | MUST     | None + Pending Out    | unsubscribed
To                      | MUST NOT | no state change
To + Pending In         | MUST     | To                    | unsubscribed
From                    | MUST     | None                  | unsubscribed
From + Pending Out      | MUST     | None + Pending Out    | unsubscribed
Both                    | MUST     | To                    | unsubscribed
A.3.3 subscribed
None                    | MUST NOT | no state change
None + Pending Out      | MUST     | To
None + Pending In       | MUST NOT | no state change
None + Pending Out+In   | MUST     | To + Pending In
To                      | MUST NOT | no state change
To + Pending In         | MUST NOT | no state change
From                    | MUST NOT | no state change
From + Pending Out      | MUST     | Both
Both                    | MUST NOT | no state change
A.3.4 unsubscribed
None                    | MUST NOT | no state change
None + Pending Out      | MUST     | None
None + Pending In       | MUST NOT | no state change
None + Pending Out+In   | MUST     | None + Pending In
To                      | MUST     | None
To + Pending In         | MUST     | None + Pending In
From                    | MUST NOT | no state change
From + Pending Out      | MUST     | From
Both                    | MUST     | From
"""
NAMES = {
    "None": SubscriptionState.NONE,
    "None + Pending Out": SubscriptionState.NONE_OUT,
    "None + Pending In": SubscriptionState.NONE_IN,
    "None + Pending Out+In": SubscriptionState.NONE_OUT_IN,
    "To": SubscriptionState.TO,
    "To + Pending In": SubscriptionState.TO_IN,
    "From": SubscriptionState.FROM,
    "From + Pending Out": SubscriptionState.FROM_OUT,
    "Both": SubscriptionState.BOTH,
}


def printed(tables: str) -> dict[tuple[str, SubscriptionState], SubscriptionRow]:
    """The printed tables as rows by type and existing state."""
    rows: dict[tuple[str, SubscriptionState], SubscriptionRow] = {}
    type_ = ""
    for line in tables.strip().splitlines():
        if "|" not in line:
            type_ = line.split()[1]
            continue
        existing, goes_on, new, *answer = (cell.strip() for cell in line.split("|"))
        rows[type_, NAMES[existing]] = SubscriptionRow(
            goes_on == "MUST", NAMES.get(new), answer[0] if answer else None, preapproves=new == "pre-approval"
        )
    return rows


SENT_BY_THE_BOOK = printed(OUTBOUND)
RECEIVED_BY_THE_BOOK = printed(INBOUND)


@pytest.mark.parametrize(("table", "book"), [(SENT, SENT_BY_THE_BOOK), (RECEIVED, RECEIVED_BY_THE_BOOK)])
def test_tables_are_those_of_appendix_a(
    table: dict[str, dict[SubscriptionState, SubscriptionRow]],
    book: dict[tuple[str, SubscriptionState], SubscriptionRow],
) -> None:
    assert len(book) == 36
    assert {(type_, state): row for type_, rows in table.items() for state, row in rows.items()} == book


def test_preapproved_request_is_answered_and_delivered_to_nobody() -> None:
    assert {
        SubscriptionState.NONE: SubscriptionRow(False, SubscriptionState.FROM, "subscribed"),
        SubscriptionState.NONE_OUT: SubscriptionRow(False, SubscriptionState.FROM_OUT, "subscribed"),
        SubscriptionState.TO: SubscriptionRow(False, SubscriptionState.BOTH, "subscribed"),
    } == PREAPPROVED


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        (SubscriptionState.NONE, ()),
        (SubscriptionState.NONE_OUT, ("unsubscribe",)),
        (SubscriptionState.NONE_IN, ("unsubscribed",)),
        (SubscriptionState.NONE_OUT_IN, ("unsubscribe", "unsubscribed")),
        (SubscriptionState.TO, ("unsubscribe",)),
        (SubscriptionState.TO_IN, ("unsubscribe", "unsubscribed")),
        (SubscriptionState.FROM, ("unsubscribed",)),
        (SubscriptionState.FROM_OUT, ("unsubscribe", "unsubscribed")),
        (SubscriptionState.BOTH, ("unsubscribe", "unsubscribed")),
    ],
)
def test_removal_ends_both_subscriptions_and_what_is_pending(state: SubscriptionState, sent: tuple[str, ...]) -> None:
    assert on_removal(state) == sent


@pytest.mark.parametrize("state", SubscriptionState)
def test_state_is_read_back_from_the_parts_of_a_relation(state: SubscriptionState) -> None:
    assert SubscriptionState.of(state.subscription, pending_out=state.pending_out, pending_in=state.pending_in) is state


def test_waiting_request_alone_makes_no_roster_item() -> None:
    relation = after_receiving("subscribe", "bob@example.net", b"<presence/>", Relation())
    assert relation == Relation(item=None, request=b"<presence/>")
    assert state_of(relation) is SubscriptionState.NONE_IN


def test_second_request_does_not_replace_the_first() -> None:
    first = after_receiving("subscribe", "bob@example.net", b"<presence id='1'/>", Relation())
    assert after_receiving("subscribe", "bob@example.net", b"<presence id='2'/>", first) == first


def test_approval_makes_an_item_and_ends_the_wait() -> None:
    relation = after_sending("subscribed", "bob@example.net", Relation(request=b"<presence/>"))
    assert relation.item == RosterItem(contact="bob@example.net", subscription=Subscription.FROM)
    assert relation.request is None


def test_preapproval_is_noted_and_taken_back() -> None:
    noted = after_sending("subscribed", "bob@example.net", Relation())
    assert noted.item == RosterItem(contact="bob@example.net", approved=True)
    taken_back = after_sending("unsubscribed", "bob@example.net", noted)
    assert taken_back.item == RosterItem(contact="bob@example.net", approved=False)


def test_client_writes_name_and_groups_and_nothing_else() -> None:
    before = Relation(
        item=RosterItem(contact="bob@example.net", name="B", subscription=Subscription.TO, ask=True, approved=True),
        request=b"<presence/>",
    )
    after = after_setting("bob@example.net", "Bob", frozenset({"Friends"}), before)
    assert after.item == RosterItem(
        contact="bob@example.net",
        name="Bob",
        groups=frozenset({"Friends"}),
        subscription=Subscription.TO,
        ask=True,
        approved=True,
    )
    assert after.request == before.request


class End:
    """One account's side of a relation: it acts, it hears, and it checks each step against the printed tables."""

    def __init__(self, contact: str) -> None:
        self.contact = contact
        self.relation = Relation()
        self.out: deque[str] = deque()

    @property
    def state(self) -> SubscriptionState:
        return state_of(self.relation)

    def act(self, action: str) -> None:
        if action == "remove":
            for type_ in on_removal(self.state):
                self.out.append(type_)
            self.relation = after_removal(self.relation)
            return
        row = SENT_BY_THE_BOOK[action, self.state]
        assert row_of_sent(action, self.relation) == row
        expected = row.then or self.state
        self.relation = after_sending(action, self.contact, self.relation)
        assert self.state is expected
        if row.goes_on:
            self.out.append(action)

    def hear(self, type_: str) -> None:
        approved = bool(self.relation.item and self.relation.item.approved)
        row = RECEIVED_BY_THE_BOOK[type_, self.state]
        if (
            approved
            and type_ == "subscribe"
            and self.state in (SubscriptionState.NONE, SubscriptionState.NONE_OUT, SubscriptionState.TO)
        ):
            row = PREAPPROVED[self.state]
        assert row_of_received(type_, self.relation) == row
        expected = row.then or self.state
        self.relation = after_receiving(type_, self.contact, b"<presence/>", self.relation)
        assert self.state is expected
        if row.answer:
            self.out.append(row.answer)


def exchange(ends: tuple[End, End], at_most: int = 100) -> None:
    """Let everything under way arrive, in order for each direction, until nothing is under way."""
    for _ in range(at_most):
        if not ends[0].out and not ends[1].out:
            return
        for speaker, listener in (ends, ends[::-1]):
            if speaker.out:
                listener.hear(speaker.out.popleft())
    raise AssertionError("the two ends never stop talking")


def consistent(one: End, other: End) -> bool:
    """Return whether each end knows of itself what the other knows of it."""
    a, b = one.state, other.state
    return (a.has_to, a.has_from, a.pending_out, a.pending_in) == (b.has_from, b.has_to, b.pending_in, b.pending_out)


ACTIONS = st.sampled_from([*sorted(TYPES), "remove"])
SIDES = st.integers(0, 1)


@given(st.lists(st.tuples(SIDES, ACTIONS), max_size=40))
def test_two_ends_that_hear_each_other_out_always_agree(moves: list[tuple[int, str]]) -> None:
    ends = End("bob@example.net"), End("alice@example.com")
    for side, action in moves:
        ends[side].act(action)
        exchange(ends)
        assert consistent(*ends), (ends[0].state, ends[1].state)


@given(st.lists(st.one_of(st.tuples(SIDES, ACTIONS), st.tuples(SIDES, st.just("hear"))), max_size=60))
def test_words_that_cross_keep_to_the_tables_and_a_fresh_start_heals_the_rest(moves: list[tuple[int, str]]) -> None:
    ends = End("bob@example.net"), End("alice@example.com")
    for side, action in moves:
        if action != "hear":
            ends[side].act(action)
        elif ends[1 - side].out:
            ends[side].hear(ends[1 - side].out.popleft())
    exchange(ends)
    for end in ends:
        end.act("remove")
        exchange(ends)
    assert ends[0].state is ends[1].state is SubscriptionState.NONE
