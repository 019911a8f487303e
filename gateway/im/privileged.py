"""Privileged entities: components that act for the accounts of a domain (XEP-0356).

    roster      `roster` lets them read and write rosters, and sends them every change
    message     a message that they wrap is sent as if one of the account's clients had sent it, copies included
    presence    they get the presence of accounts, and perhaps of the accounts' contacts, each once
    iq          a request that they wrap is sent in the account's name, and they get the answer

They can do nothing that the account itself could not do. A component acts by its own address, that of its domain; an
address at it has no privileges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.bounds.tables import Bounded, family
from gateway.im.account import Account
from gateway.im.blocking import Blocked
from gateway.im.carbons import RECEIVED, SENT, send_copies
from gateway.im.edits import to_recipient
from gateway.im.services import ANSWERED, AccountService, Answered, Audience, Request
from gateway.im.work import Later
from gateway.routing.interfaces import IRouter
from gateway.routing.privileges import NO_PRIVILEGES, Privileges, covers
from gateway.storage.interfaces import IStore
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element, Oversized
from gateway.xmpp.errors import MalformedAddress, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import CARBONS, CLIENT, DELEGATION, FORWARD, PRIVILEGE, PRIVILEGE_1
from gateway.xmpp.stanzas import CONTENT, TYPES, AddressedStanza, SentStanza, stanza_error

MOST_CONTACTS_SHOWN, MOST_CONTACT_BYTES = 50_000, 32 << 20
"""The contacts whose presence is remembered for components that may see it: number and memory, for each domain."""

_NAMESPACES = (PRIVILEGE, PRIVILEGE_1)
_MARK = b"urn:xmpp:privilege:"
UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class PrivilegedEntities:
    """The components with privileges for the accounts of one domain, as they are at the moment."""

    granted: Callable[[], Sequence[tuple[Domain, Privileges]]] = tuple
    is_attached: Callable[[Domain], bool] = lambda _: False

    def of(self, sender: Address) -> Privileges:
        """Return the privileges of a sender; None has none."""
        if not sender.is_domain:
            return NO_PRIVILEGES
        return next((granted for domain, granted in self.granted() if domain == sender.domain), NO_PRIVILEGES)

    def with_privilege(self, has: Callable[[Privileges], bool]) -> list[Address]:
        """Return the attached components whose privileges have this property."""
        return [
            Address.make("", domain, "")
            for domain, granted in self.granted()
            if has(granted) and self.is_attached(domain)
        ]

    @property
    def any_sees_contacts(self) -> bool:
        """Return whether a component, attached or not, may see the presence of contacts."""
        return any(granted.sees_contacts for _, granted in self.granted())


class PrivilegedAccess:
    """What privileged entities do for accounts by wrapped stanzas, and the presence that they get."""

    def __init__(
        self, *, entities: PrivilegedEntities, domain: Domain, router: IRouter, store: IStore, tokens: Callable[[], str]
    ) -> None:
        self.entities = entities
        self._domain = domain
        self._router = router
        self._store = store
        self._tokens = tokens
        self._contacts: Bounded[str, SentStanza] = Bounded(MOST_CONTACTS_SHOWN, MOST_CONTACT_BYTES)
        ask = AccountService(self._ask, Audience.ANYBODY, StanzaCondition.FORBIDDEN)
        self.services = {(type_, PRIVILEGE, "privileged_iq"): ask for type_ in ("get", "set")}

    # -- messages ----------------------------------------------------------------------------------------------------

    def wrapped_message(self, stanza: AddressedStanza) -> AddressedStanza | None:
        """Return the message in a privileged message to the domain; None if it is nothing like that.

        Raise StanzaError if it must be refused (§5.1).
        """
        if stanza.name != "message" or _MARK not in stanza.raw:
            return None
        privilege = next((each for each in stanza.element.elements() if each.namespace in _NAMESPACES), None)
        if privilege is None or privilege.name != "privilege":
            return None
        if not self.entities.of(stanza.from_).may_send:
            raise _forbidden("you may not send messages for the accounts of this domain ([domains] privileges)")
        message = _forwarded(privilege, "message")
        sender = _address(message, "from")
        if sender is None or not sender.is_bare or sender.domain != self._domain:
            raise _forbidden(f"the message must be from {self._domain} or a bare address there")
        if _address(message, "to") is None:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "the message needs a 'to'")
        _check_claims(message)
        return _made(message)

    def send(self, account: Account, message: AddressedStanza) -> Later:
        """Send a message in the name of an account, and copies to its clients."""
        self._check(account, message.to)
        self._router.route(message)
        if message.to.bare != account.address.bare:
            send_copies(account, message, SENT, without=())
        return None

    def _check(self, account: Account, to: Address) -> None:
        if not account.exists:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "there is no such account")
        if account.blocks(to):
            raise Blocked()

    # -- requests ----------------------------------------------------------------------------------------------------

    async def _ask(self, request: Request) -> Answered:
        """Send a request in the name of an account (§6.3)."""
        privileges, account = self.entities.of(request.sender), request.account
        iq = request.payload.first(CLIENT, "iq")
        payload = iq.first() if iq is not None else None
        if iq is None or payload is None or iq.get("type") != request.stanza.type:
            raise _forbidden("a request of the same type, in the namespace jabber:client, must be wrapped")
        if not covers(privileges.iq.get(payload.namespace, "none"), request.stanza.type):
            raise _forbidden(f"you have no such privilege for {payload.namespace} ([domains] privileges)")
        sender = _address(iq, "from")
        if sender is not None and sender != account.address:
            raise _forbidden(f"the request must be from {account.address}")
        target = _address(iq, "to") or account.address
        self._check(account, target)
        attributes = {"id": self._tokens(), "from": account.address.full, "to": target.full}
        question = _made(iq.replace(attributes=attributes))
        self._router.ask(question, partial(self._answered, request, iq.get("id")))
        return ANSWERED

    def _answered(self, request: Request, id_: str | None, answer: AddressedStanza) -> None:
        """Give an answer to the component that asked; it is an error if the answer is one."""
        inside = answer.element.replace(attributes={"id": id_})
        wrapped = Element(PRIVILEGE, "privilege", {}, [Element(FORWARD, "forwarded", {}, [inside])])
        error = answer.element.first(CONTENT, "error") if answer.type == "error" else None
        attributes = {
            "type": answer.type,
            "from": request.account.address.full,
            "to": request.sender.full,
            "id": request.stanza.id,
        }
        children = [wrapped] if error is None else [wrapped, error]
        try:
            reply = _made(Element(CONTENT, "iq", attributes, children))
        except StanzaError as problem:
            refused = Element(CONTENT, "iq", {**attributes, "type": "error"}, [stanza_error(problem)])
            reply = AddressedStanza.from_element(refused)
        self._router.route(reply)

    # -- presence ----------------------------------------------------------------------------------------------------

    def show(self, account: Account, presence: SentStanza) -> None:
        """Show the broadcast presence of an account's client to those who may see it and are no subscribers."""
        for entity in self.entities.with_privilege(lambda granted: granted.sees_accounts):
            is_told = account.roster is not None and account.roster.has_subscriber(entity)
            if not is_told and not account.blocks(entity):
                self._router.route(to_recipient(presence, entity))

    def show_contact(self, account: Account, presence: AddressedStanza) -> Later:
        """Show the presence of a contact to those who may see it (§7.4), if the account is subscribed to it."""
        if presence.from_.domain == self._domain:
            return None  # that account is shown by itself
        if account.roster is None:
            return self._show_contact_of_absent(account, presence)
        item = account.roster.items.get(presence.from_.bare)
        if item is not None and item.subscription in ("to", "both"):
            self._show_contact(presence)
        return None

    async def _show_contact_of_absent(self, account: Account, presence: AddressedStanza) -> None:
        relation = await self._store.relation(account.address.bare, presence.from_.bare)
        if relation.item is not None and relation.item.subscription in ("to", "both"):
            self._show_contact(presence)

    def _show_contact(self, presence: AddressedStanza) -> None:
        key = presence.from_.full
        shown = to_recipient(presence, Address.make("", self._domain, ""))  # the same for whatever account it came to
        known = self._contacts.get(key)
        if presence.type == UNAVAILABLE:
            self._contacts.pop(key)
        elif known is not None and known.raw == shown.raw:
            return
        else:
            self._contacts.put(key, shown, family(presence.from_.domain), len(shown.raw))
        for entity in self.entities.with_privilege(lambda granted: granted.sees_contacts):
            self._router.route(to_recipient(presence, entity))

    def introduction(self, entity: Address, online: Sequence[Account]) -> list[AddressedStanza]:
        """Return the presence that a component would have got if it had been attached before (§8)."""
        privileges = self.entities.of(entity)
        shown: list[SentStanza] = []
        if privileges.sees_accounts:
            shown += [said for account in online if not account.blocks(entity) for _, said in account.shown()]
        if privileges.sees_contacts:
            shown += self._contacts.values()
        return [to_recipient(each, entity) for each in shown]


def _forbidden(text: str) -> StanzaError:
    return StanzaError(StanzaCondition.FORBIDDEN, text)


def _check_claims(message: Element) -> None:
    """Refuse a wrapped message that clients or components would trust as one that the server itself has made.

    A copy (XEP-0280) comes from the account's own address, and an advertisement of privileges from the domain's: the
    addresses in whose name a component may send.
    """
    if (message.get("type") or "normal") not in TYPES["message"]:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "the wrapped message has a type that does not exist")
    for child in message.elements():
        if child.namespace == CARBONS and child.name in (RECEIVED, SENT):
            raise _forbidden("only the server makes copies of messages (XEP-0280)")
        if child.namespace in (*_NAMESPACES, DELEGATION):
            raise _forbidden(
                "only the server tells of privileges and delegations, and wrapped messages are not wrapped again"
            )


def _made(element: Element) -> AddressedStanza:
    """Return the stanza of a tree that a component or a stranger has sent; raise StanzaError if it gets too large."""
    try:
        return AddressedStanza.from_element(element)
    except Oversized as error:
        raise StanzaError(StanzaCondition.POLICY_VIOLATION, str(error)) from error


def _forwarded(privilege: Element, name: str) -> Element:
    forwarded = privilege.first(FORWARD, "forwarded")
    found = forwarded.first(CLIENT, name) if forwarded is not None else None
    if found is None:
        raise StanzaError(StanzaCondition.BAD_REQUEST, f"a forwarded {name} is needed (XEP-0297)")
    return found


def _address(element: Element, attribute: str) -> Address | None:
    text = element.get(attribute)
    try:
        return Address.parse(text) if text is not None else None
    except MalformedAddress as error:
        raise StanzaError(StanzaCondition.JID_MALFORMED, error.problem) from error
