"""Changes of relations: the effect of the tables of `subscriptions` on a roster item and a stored request.

Each function here turns a `Relation` into another and touches nothing else, so that a store can run it inside its own
transaction (`IStore.update_relation`). Afterwards the caller uses the old relation to look up what to send: the tables
return the same row again.

A contact is not in the roster merely because its request waits for an answer: "None + Pending In" is a stored request
without an item (RFC 6121 §3.1.3). An item is made when the account does something about the contact.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.im.subscriptions import UNSUBSCRIBED, SubscriptionRow, SubscriptionState, received, sent
from gateway.storage.records import Relation, RosterItem, Subscription

NOTHING = Relation()


def state_of(relation: Relation) -> SubscriptionState:
    """Return the subscription state of a relation."""
    item = relation.item
    return SubscriptionState.of(
        item.subscription if item else "none",
        pending_out=bool(item and item.ask),
        pending_in=relation.request is not None,
    )


def row_of_sent(type_: str, before: Relation) -> SubscriptionRow:
    """Return the row for a presence stanza that the account sends."""
    return sent(type_, state_of(before))


def row_of_received(type_: str, before: Relation) -> SubscriptionRow:
    """Return the row for a presence stanza that the account receives."""
    return received(type_, state_of(before), approved=bool(before.item and before.item.approved))


def after_sending(type_: str, contact: str, before: Relation) -> Relation:
    """Return the relation after presence of this type went from the account to the contact."""
    row = row_of_sent(type_, before)
    approved = bool(before.item and before.item.approved)
    if row.preapproves:
        approved = True
    elif type_ == UNSUBSCRIBED:
        approved = False
    return _moved(before, contact, row, approved=approved, request=before.request)


def after_receiving(type_: str, contact: str, request: bytes, before: Relation) -> Relation:
    """Return the relation after presence of this type came from the contact; `request` is kept if it has to wait."""
    row = row_of_received(type_, before)
    waiting = request if before.request is None else before.request  # the first of several is kept (§3.1.3)
    return _moved(before, contact, row, approved=bool(before.item and before.item.approved), request=waiting)


def after_setting(contact: str, name: str, groups: frozenset[str], before: Relation) -> Relation:
    """Return the relation after a client has written the item: it sets name and groups, the rest is ours (§2.3)."""
    return replace(before, item=_written(contact, name, groups, before))


def after_subscribing(
    contact: str, name: str, groups: frozenset[str], subscription: Subscription, before: Relation
) -> Relation:
    """Return the relation after the component of the contact's domain has written the item, with its subscription.

    The contact has agreed to it, because the component speaks for it; for the account, the operator has.
    """
    item = _written(contact, name, groups, before)
    item = replace(item, subscription=subscription, ask=item.ask and subscription in ("none", "from"))
    return Relation(item=item, request=before.request if subscription in ("none", "to") else None)


def _written(contact: str, name: str, groups: frozenset[str], before: Relation) -> RosterItem:
    return replace(before.item or RosterItem(contact=contact), name=name, groups=groups)


def after_removal(before: Relation) -> Relation:
    """Return the relation after a client has removed the item (§2.5): nothing, not even a waiting request."""
    return NOTHING


def _moved(before: Relation, contact: str, row: SubscriptionRow, *, approved: bool, request: bytes | None) -> Relation:
    state = row.then or state_of(before)
    item = before.item
    if item is None and (state.pending_out or state.subscription != "none" or approved):
        item = RosterItem(contact=contact)
    if item is not None:
        item = replace(item, subscription=Subscription(state.subscription), ask=state.pending_out, approved=approved)
    return Relation(item=item, request=request if state.pending_in else None)
