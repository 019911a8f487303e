"""Directory: what service discovery (XEP-0030) shows of a service, beside what the gateway shows by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from zope.interface import implementer

from gateway.routing.interfaces import IDiscoverable
from gateway.xmpp.addresses import Address

DirectoryIdentity = tuple[str, str, str]  # category, type, name


@dataclass(frozen=True, kw_only=True)
class DirectoryItem:
    """An entry of a list: another entity, or a node of one."""

    jid: str
    node: str = ""
    name: str = ""


@dataclass(kw_only=True)
class Node:
    """What is at a node. `items` may be a function, which is called with the address of the asker."""

    identities: Sequence[DirectoryIdentity] = ()
    features: Sequence[str] = ()
    items: Sequence[DirectoryItem] | Callable[[Address], Sequence[DirectoryItem]] = ()

    def listed(self, asker: Address) -> Sequence[DirectoryItem]:
        """Return the items for this asker."""
        return self.items(asker) if callable(self.items) else self.items


@implementer(IDiscoverable)
@dataclass(kw_only=True)
class Directory:
    """The identities, features, items and nodes of a service; they may change at any time.

    The first identity takes the place of `component/generic`.
    """

    identities: list[DirectoryIdentity] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    items: list[DirectoryItem] = field(default_factory=list)
    nodes: dict[str, Node] = field(default_factory=dict)

    def identity(self, category: str, type: str, name: str = "") -> None:
        """Show the domain as this (https://xmpp.org/registrar/disco-categories.html)."""
        self.identities.append((category, type, name))

    def feature(self, namespace: str) -> None:
        """Show that the service knows a protocol."""
        if namespace not in self.features:
            self.features.append(namespace)

    def item(self, jid: str, *, node: str = "", name: str = "") -> None:
        """List another entity, such as a room."""
        self.items.append(DirectoryItem(jid=str(jid), node=node, name=name))

    def clear(self) -> None:
        """Show nothing."""
        for each in (self.identities, self.features, self.items, self.nodes):
            each.clear()
