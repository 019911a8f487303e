"""Delegations: namespaces for which a component answers in place of a domain with accounts (XEP-0355).

The operator delegates them for a component and a domain; by default a component has none. A component learns what it
has from a message of each of these domains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import DELEGATION
from gateway.xmpp.stanzas import CONTENT, AddressedStanza

Delegated: TypeAlias = Mapping[str, tuple[str, ...]]
"""Namespaces, each with the attributes that a request must have to be delegated: those of its payload."""

ACCOUNTS = f"{DELEGATION}:bare:"
DISCO_INFO_AT_NODES = f"{ACCOUNTS}disco#info:*"
"""Stands for discovery of what is at a node of an account (§7.2.4)."""
DISCO_ITEMS_OF_ACCOUNTS = f"{ACCOUNTS}disco#items:*"
"""Stands for discovery of the items of an account, at a node or not (§7.2.5)."""
SPECIAL = (DISCO_INFO_AT_NODES, DISCO_ITEMS_OF_ACCOUNTS)


def why_not(namespace: str) -> str | None:
    """Return why a namespace cannot be delegated; None if it can (§8)."""
    if namespace == DELEGATION or (namespace.startswith(f"{DELEGATION}:") and namespace not in SPECIAL):
        return f"cannot be delegated; of delegation itself there are {' and '.join(SPECIAL)}"
    return None if namespace else "a namespace is needed"


def told_delegated(domain: Domain, component: Domain, delegated: Delegated) -> AddressedStanza:
    """Return the message that tells a component what is delegated to it for a domain, or that nothing is (§4.2)."""
    told = [
        Element(
            DELEGATION,
            "delegated",
            {"namespace": namespace},
            [Element(DELEGATION, "attribute", {"name": name}) for name in attributes],
        )
        for namespace, attributes in delegated.items()
    ]
    attributes = {"from": domain, "to": component}
    return AddressedStanza.from_element(
        Element(CONTENT, "message", attributes, [Element(DELEGATION, "delegation", {}, told)])
    )
