"""Relations in motion: what the tables of `subscriptions` do to a roster item and a stored request.

Each function here turns a `Relation` into another and touches nothing else, so that a store can run it inside its own
transaction (`IStore.update_relation`). The caller then reads from the relation before it what to
send: the tables give the same row again.

A contact whose request waits for an answer is in no roster for that alone: "None + Pending In" is a stored request
without an item (RFC 6121 §3.1.3). An item is made when the account does something about the contact.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.im.subscriptions import UNSUBSCRIBED, SubscriptionRow, SubscriptionState, received, sent
from gateway.storage.records import Relation, RosterItem, Subscription

NOTHING = Relation()


def state_of(relation: Relation) -> SubscriptionState:
    """The subscription state of a relation."""
    item = relation.item
    return SubscriptionState.of(
        item.subscription if item else "none",
        pending_out=bool(item and item.ask),
        pending_in=relation.request is not None,
    )


def row_of_sent(type_: str, before: Relation) -> SubscriptionRow:
    """What a presence stanza that the account sends does."""
    return sent(type_, state_of(before))


def row_of_received(type_: str, before: Relation) -> SubscriptionRow:
    """What a presence stanza that the account receives does."""
    return received(type_, state_of(before), approved=bool(before.item and before.item.approved))


def after_sending(type_: str, contact: str, before: Relation) -> Relation:
    """The relation after presence of this type went from the account to the contact."""
    row = row_of_sent(type_, before)
    approved = bool(before.item and before.item.approved)
    if row.preapproves:
        approved = True
    elif type_ == UNSUBSCRIBED:
        approved = False
    return _moved(before, contact, row, approved=approved, request=before.request)


def after_receiving(type_: str, contact: str, request: bytes, before: Relation) -> Relation:
    """The relation after presence of this type came from the contact; `request` is kept where it has to wait."""
    row = row_of_received(type_, before)
    waiting = request if before.request is None else before.request  # the first of several is kept (§3.1.3)
    return _moved(before, contact, row, approved=bool(before.item and before.item.approved), request=waiting)


def after_setting(contact: str, name: str, groups: frozenset[str], before: Relation) -> Relation:
    """The relation after a client has written the item: name and groups are the client's, all else is ours (§2.3)."""
    item = before.item or RosterItem(contact=contact)
    return replace(before, item=replace(item, name=name, groups=groups))


def after_removal(before: Relation) -> Relation:
    """The relation after a client has removed the item (§2.5): nothing, a waiting request included."""
    return NOTHING


def _moved(before: Relation, contact: str, row: SubscriptionRow, *, approved: bool, request: bytes | None) -> Relation:
    state = row.then or state_of(before)
    item = before.item
    if item is None and (state.pending_out or state.subscription != "none" or approved):
        item = RosterItem(contact=contact)
    if item is not None:
        item = replace(item, subscription=Subscription(state.subscription), ask=state.pending_out, approved=approved)
    return Relation(item=item, request=request if state.pending_in else None)
