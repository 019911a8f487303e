"""Privileges: what a component may do for the accounts of a domain (XEP-0356), and how it learns that.

The operator grants them for a component and a domain; by default a component has none. A component learns what it has
from a message of each of these domains, once with the namespace of version 1 of the protocol and once with that of
version 2, and ignores the one that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import PRIVILEGE, PRIVILEGE_1
from gateway.xmpp.stanzas import CONTENT, AddressedStanza

REQUESTS = ("none", "get", "set", "both")
"""The types of requests that a privilege covers."""


@dataclass(frozen=True, kw_only=True)
class Privileges:
    """What one component may do for the accounts of one domain; by default nothing."""

    roster: str = "none"
    push: bool = True
    message: str = "none"
    presence: str = "none"
    iq: Mapping[str, str] = field(default_factory=dict)  # REQUESTS by namespace

    @property
    def gets_pushes(self) -> bool:
        """Return whether it gets every change of a roster."""
        return self.push and covers(self.roster, "get")

    @property
    def may_send(self) -> bool:
        """Return whether it may send messages in the name of the accounts."""
        return self.message == "outgoing"

    @property
    def sees_accounts(self) -> bool:
        """Return whether it gets the presence of the accounts."""
        return self.presence in ("managed_entity", "roster")

    @property
    def sees_contacts(self) -> bool:
        """Return whether it gets the presence of their contacts, too."""
        return self.presence == "roster" and covers(self.roster, "get")


NO_PRIVILEGES = Privileges()


def covers(granted: str, type_: str | None) -> bool:
    """Return whether what is granted covers requests of this type."""
    return granted == "both" or (granted == type_ and granted != "none")


def advertisements(domain: Domain, component: Domain, granted: Privileges) -> Iterator[AddressedStanza]:
    """Yield the messages that tell a component what it may do for the accounts of a domain (XEP-0356 §4.2)."""
    known = [
        _perm("roster", granted.roster, push=None if granted.roster == "none" else str(granted.gets_pushes).lower()),
        _perm("message", granted.message),
        _perm("presence", granted.presence),
    ]
    spaces = [(namespace, type_) for namespace, type_ in granted.iq.items()]
    yield _advertisement(domain, component, PRIVILEGE_1, known, [])
    yield _advertisement(domain, component, PRIVILEGE, known, spaces)


def _perm(access: str, type_: str, push: str | None = None) -> dict[str, str | None]:
    return {"access": access, "type": type_, "push": push}


def _advertisement(
    domain: Domain,
    component: Domain,
    namespace: str,
    known: list[dict[str, str | None]],
    spaces: list[tuple[str, str]],
) -> AddressedStanza:
    perms = [Element(namespace, "perm", attributes) for attributes in known]
    if spaces:
        granted = [Element(namespace, "namespace", {"ns": space, "type": type_}) for space, type_ in spaces]
        perms.append(Element(namespace, "perm", {"access": "iq"}, granted))
    told = Element(namespace, "privilege", {}, perms)
    return AddressedStanza.from_element(Element(CONTENT, "message", {"from": domain, "to": component}, [told]))
