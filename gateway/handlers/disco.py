"""Service discovery (XEP-0030), with contact addresses (XEP-0157).

A domain announces what it is, what its handlers answer, and the items beside and below it. A user of a domain that
handlers serve is a bot. Handlers are asked first, so their own answers take precedence, nodes included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from zope.interface import implementer

from gateway.handlers.directory import Directory, DirectoryIdentity, DirectoryItem
from gateway.routing.interfaces import Answer, Declined, Handled, IDiscoverable, ILocalHandler, Refused
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import DATA_FORMS, DISCO_INFO, DISCO_ITEMS, SERVER_INFO
from gateway.xmpp.stanzas import AddressedStanza, result_reply

ContactURIs = Callable[[], Mapping[str, Sequence[str]]]
BOT: tuple[DirectoryIdentity, ...] = (("client", "bot", ""),)


@implementer(IDiscoverable)
class Announced:
    """The identities and features of a domain beyond those of its handlers."""

    def __init__(self, features: Sequence[str], identities: Sequence[DirectoryIdentity]) -> None:
        self.features = tuple(features)
        self.identities = tuple(identities)


@implementer(ILocalHandler)
class Disco:
    """Answers discovery requests for a domain."""

    def __init__(
        self,
        handlers: Sequence[object],
        *,
        identities: Sequence[DirectoryIdentity] = (),
        items: Callable[[], Mapping[str, str]] = dict,
        contacts: ContactURIs = dict,
        directory: Directory | None = None,
        announced: Callable[[Sequence[Element]], Sequence[Element]] = tuple,
    ) -> None:
        """`identities` are those of a domain whose handlers have none; `directory` is what a running service shows.

        `items` returns further services, name by JID; `contacts` returns contact URIs by kind, as `admin` (XEP-0157).
        `announced` returns what is announced of the domain in place of what we would announce.
        """
        described = [handler for handler in handlers if IDiscoverable.providedBy(handler)]
        self._described = described
        self._identities = tuple(identities)
        self._directory = directory
        self._items = items
        self._contacts = contacts
        self._announced = announced

    def handle(self, stanza: AddressedStanza) -> Answer:
        """Answer an iq of type get with a disco query in it."""
        if stanza.name != "iq" or stanza.type != "get":
            return Declined()
        query = next(stanza.element.elements(), None)
        if query is None or query.name != "query" or query.namespace not in (DISCO_INFO, DISCO_ITEMS):
            return Declined()
        if query.get("node"):
            return self._at_node(stanza, query)
        of_a_user = stanza.to is not None and bool(stanza.to.local)
        if query.namespace == DISCO_INFO:
            own = [one for handler in self._described for one in handler.identities] or self._identities
            children = self._info(BOT, {}) if of_a_user else self._announced(self._info(own, self._contacts()))
        else:
            children = [] if of_a_user else self._known_items()
        return Handled(replies=[result_reply(stanza, Element(query.namespace, "query", {}, children))])

    def _at_node(self, stanza: AddressedStanza, query: Element) -> Answer:
        """Answer what is at a node, which belongs to the domain itself."""
        name = query.get("node") or ""
        node = self._directory.nodes.get(name) if self._directory is not None else None
        if node is None or stanza.to.local:
            return Refused(error=StanzaError(StanzaCondition.ITEM_NOT_FOUND, "there is no such node"))
        if query.namespace == DISCO_INFO:
            features = [Element(DISCO_INFO, "feature", {"var": feature}) for feature in node.features]
            children = [*_identities(node.identities), *features]
        else:
            children = _items(node.listed(stanza.from_))
        return Handled(replies=[result_reply(stanza, Element(query.namespace, "query", {"node": name}, children))])

    def _info(self, identities: Sequence[DirectoryIdentity], contacts: Mapping[str, Sequence[str]]) -> list[Element]:
        known = {DISCO_INFO, DISCO_ITEMS, *(one for handler in self._described for one in handler.features)}
        features = [Element(DISCO_INFO, "feature", {"var": feature}) for feature in sorted(known)]
        return [*_identities(identities), *features, *([_contact_form(contacts)] if any(contacts.values()) else [])]

    def _known_items(self) -> list[Element]:
        known = [DirectoryItem(jid=jid, name=name) for jid, name in self._items().items()]
        return _items([*known, *(self._directory.items if self._directory is not None else ())])


def _identities(identities: Sequence[DirectoryIdentity]) -> list[Element]:
    return [
        Element(DISCO_INFO, "identity", {"category": category, "type": kind, "name": name or None})
        for category, kind, name in identities
    ]


def _items(items: Sequence[DirectoryItem]) -> list[Element]:
    return [
        Element(DISCO_ITEMS, "item", {"jid": each.jid, "node": each.node or None, "name": each.name or None})
        for each in items
    ]


def _contact_form(contacts: Mapping[str, Sequence[str]]) -> Element:
    """Return the contact addresses of the service as a form (XEP-0157 §2)."""
    known = [_field(f"{kind}-addresses", uris, "list-multi") for kind, uris in sorted(contacts.items()) if uris]
    return Element(
        DATA_FORMS,
        "x",
        {"type": "result"},
        [_field("FORM_TYPE", [SERVER_INFO], "hidden"), *known],
    )


def _field(name: str, values: Sequence[str], kind: str) -> Element:
    return Element(
        DATA_FORMS,
        "field",
        {"var": name, "type": kind},
        [Element(DATA_FORMS, "value", {}, [value]) for value in values],
    )
