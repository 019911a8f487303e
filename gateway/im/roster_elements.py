"""Rosters on the wire: reading a roster set, with every check of RFC 6121 §2.3.3; results, pushes and versions.

Pure functions: from an Element to a `RosterSet` or a StanzaError; from items to Elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.im.limits import AccountLimits
from gateway.storage.records import RosterChange, RosterItem, Subscription
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import MalformedAddress, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import ROSTER


@dataclass(frozen=True, kw_only=True)
class RosterSet:
    """A client's change of one contact: an item with this name and these groups, or its removal.

    Only a component may set a `subscription` (docs/decisions/0043-privileges.md).
    """

    contact: Address
    removes: bool = False
    name: str = ""
    groups: frozenset[str] = frozenset()
    subscription: str | None = None


def read_set(query: Element, owner: Address, limits: AccountLimits) -> RosterSet:
    """Return the one change in a roster set; attributes that only the server may set are ignored (§2.1.2)."""
    items = list(query.elements())
    if len(items) != 1 or items[0].namespace != ROSTER or items[0].name != "item":
        raise StanzaError(StanzaCondition.BAD_REQUEST, "a roster set must have exactly one item")
    item = items[0]
    contact = _read_contact(item.get("jid"), owner)
    if item.get("subscription") == "remove":
        return RosterSet(contact=contact, removes=True)
    name = item.get("name") or ""
    _check_length("the name of a contact", name, limits)
    subscription = item.get("subscription")
    return RosterSet(
        contact=contact,
        name=name,
        groups=frozenset(_read_groups(item, limits)),
        subscription=subscription if subscription in tuple(Subscription) else None,
    )


def _read_contact(text: str | None, owner: Address) -> Address:
    if text is None:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "a roster item must have a 'jid'")
    try:
        contact = Address.parse(text)
    except MalformedAddress as error:
        raise StanzaError(StanzaCondition.JID_MALFORMED, error.problem) from error
    if not contact.is_bare:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "the 'jid' of a roster item must not have a resource")
    if contact == owner:
        raise StanzaError(StanzaCondition.NOT_ALLOWED, "an account cannot be its own contact")
    return contact


def _read_groups(item: Element, limits: AccountLimits) -> list[str]:
    groups = [group.text for group in item.elements(ROSTER, "group")]
    if len(groups) > limits.groups:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"a contact may be in at most {limits.groups} groups")
    if len(set(groups)) != len(groups):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "a contact may be in each group only once")
    for group in groups:
        if not group:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "a group must have a name")
        _check_length("the name of a group", group, limits)
    return groups


def _check_length(what: str, text: str, limits: AccountLimits) -> None:
    if len(text.encode()) > limits.name_bytes:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"{what} may have at most {limits.name_bytes} bytes")


def item_element(item: RosterItem) -> Element:
    """Return a roster item as clients see it (§2.1.2)."""
    return Element(
        ROSTER,
        "item",
        {
            "jid": item.contact,
            "name": item.name or None,
            "subscription": str(item.subscription),
            "ask": "subscribe" if item.ask else None,
            "approved": "true" if item.approved else None,
        },
        [Element(ROSTER, "group", children=[group]) for group in sorted(item.groups)],
    )


def result(items: Iterable[RosterItem], version: str | None) -> Element:
    """Return the whole roster; its version only for a client that supports versions (§2.6.2)."""
    return Element(ROSTER, "query", {"ver": version}, map(item_element, items))


def push(contact: str, item: RosterItem | None, version: str) -> Element:
    """Return one change, as it is pushed (§2.1.6); no item means that it was removed."""
    child = item_element(item) if item else Element(ROSTER, "item", {"jid": contact, "subscription": "remove"})
    return Element(ROSTER, "query", {"ver": version}, [child])


def pushes_since(changes: Iterable[RosterChange]) -> Iterator[Element]:
    """Yield the changes that a client with an older version has missed, oldest first (§2.6.3)."""
    return (push(change.contact, change.item, change.version) for change in changes)
