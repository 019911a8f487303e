"""Requests and answers, the roster, and the presence of contacts, for a logged-in client (RFC 6121).

Nobody can answer for somebody else: an answer counts only if kind, sender and id match the request, and only our own
server can change the roster (RFC 6120 §8.2.3, RFC 6121 §2.1.6). Every request gets an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import GatewayError, StanzaCondition, StanzaError
from gateway.xmpp.iqs import check_iq, payload_of
from gateway.xmpp.namespaces import DISCO_INFO, PING, ROSTER, STANZA_ERRORS
from gateway.xmpp.stanzas import CONTENT, AddressedStanza, Stanza, error_reply, result_reply

ANSWER_SECONDS = 30.0
MOST_CONTACTS_SEEN = 10_000


class RequestRefused(GatewayError):
    """A request was answered with an error."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.text = text


class NoReply(GatewayError):
    """A request was not answered in time, or the stream ended before."""


@dataclass(frozen=True, kw_only=True)
class Contact:
    """An item of our roster (RFC 6121 §2.1.2)."""

    address: str
    name: str
    subscription: str
    asked: bool
    groups: frozenset[str]

    @classmethod
    def of(cls, item: Element) -> Contact:
        """Return the contact that a roster item describes."""
        return cls(
            address=item.get("jid") or "",
            name=item.get("name") or "",
            subscription=item.get("subscription") or "none",
            asked=item.get("ask") == "subscribe",
            groups=frozenset(group.text for group in item.elements(ROSTER, "group")),
        )


class Messaging:
    """The requests, roster and presence of one login."""

    def __init__(
        self,
        own: Address,
        write: Callable[[Element], None],
        hear: Callable[[Stanza], None],
        new_id: Callable[[], str],
        clock: IReactorTime,
    ) -> None:
        """`write` sends a stanza; `hear` is called with the stanzas for the user of the login: messages, presence."""
        self.own = own
        self.roster: dict[str, Contact] = {}
        self.roster_version = ""
        self.presences: dict[str, Element] = {}  # the last presence of each full JID, while it is available
        self._write = write
        self._hear = hear
        self._new_id = new_id
        self._clock = clock
        self._waiting: dict[tuple[str, str], tuple[Deferred[Element], IDelayedCall]] = {}  # by responder and id

    # -- sending -----------------------------------------------------------------------------------------------------

    def ask(
        self, kind: str, payload: Element, to: Address | None = None, seconds: float = ANSWER_SECONDS
    ) -> Deferred[Element]:
        """Send an iq of type get or set; the Deferred fires with the result, or fails with
        RequestRefused or NoReply.
        """
        id_ = self._new_id()
        key = (self._responder(to), id_)
        answer: Deferred[Element] = Deferred()
        timer = self._clock.callLater(seconds, self._give_up, key, f"no answer from {key[0]} within {seconds:g} s")
        self._waiting[key] = (answer, timer)
        addressed = {"type": kind, "id": id_, "to": to.full if to is not None else None}
        self._write(Element(CONTENT, "iq", addressed, [payload]))
        return answer

    async def get_roster(self) -> None:
        """Request the roster, with the version that we have; from then on changes are pushed to us (§2.1.3)."""
        version = {"ver": self.roster_version} if self.roster_version else {}
        result = await self.ask("get", Element(ROSTER, "query", version))
        query = result.first(ROSTER, "query")
        if query is not None:  # an empty result means that we have the newest version (§2.6.3)
            self.roster = {item.get("jid") or "": Contact.of(item) for item in query.elements(ROSTER, "item")}
            self.roster_version = query.get("ver") or ""

    async def set_contact(self, contact: Address, name: str = "", *groups: str) -> None:
        """Add or change a contact (§2.3, §2.4)."""
        inside = [Element(ROSTER, "group", {}, [group]) for group in groups]
        item = Element(ROSTER, "item", {"jid": contact.bare, "name": name or None}, inside)
        await self.ask("set", Element(ROSTER, "query", {}, [item]))

    async def remove_contact(self, contact: Address) -> None:
        """Remove a contact, and every subscription with it (§2.5)."""
        item = Element(ROSTER, "item", {"jid": contact.bare, "subscription": "remove"})
        await self.ask("set", Element(ROSTER, "query", {}, [item]))

    def say(self, to: Address, body: str, kind: str = "chat", *, subject: str = "", thread: str = "") -> str:
        """Send a message; return its id."""
        id_ = self._new_id()
        texts = {"subject": subject, "body": body, "thread": thread}
        children = [Element(CONTENT, name, {}, [text]) for name, text in texts.items() if text]
        self._write(Element(CONTENT, "message", {"to": to.full, "type": kind, "id": id_}, children))
        return id_

    def show(self, to: Address | None = None, kind: str | None = None, *children: Element) -> None:
        """Send presence: broadcast or directed, of any type, including those for subscriptions (§3, §4)."""
        self._write(Element(CONTENT, "presence", {"to": to.full if to is not None else None, "type": kind}, children))

    # -- receiving ---------------------------------------------------------------------------------------------------

    def received(self, stanza: Stanza) -> None:
        """Take a stanza; one with a flaw is dropped."""
        if stanza.flaw is not None:
            return
        if stanza.name == "iq":
            self._answered(stanza) if stanza.is_response else self._asked(stanza)
            return
        if stanza.name == "presence" and stanza.from_ is not None:
            self._note_presence(stanza.from_, stanza)
        self._hear(stanza)

    def _answered(self, stanza: Stanza) -> None:
        responder = self._responder(stanza.from_)
        waiting = self._waiting.pop((responder, stanza.id or ""), None)
        if waiting is None:
            return  # unsolicited, or from somebody else (CVE-2024-46957)
        answer, timer = waiting
        timer.cancel()
        if stanza.type == "result":
            answer.callback(stanza.element)
        else:
            answer.errback(_refusal(stanza.element))

    def _asked(self, stanza: Stanza) -> None:
        """Answer a request, as every request must be (RFC 6120 §8.2.3)."""
        request = _addressed(stanza, self.own)
        try:
            reply: AddressedStanza | None = result_reply(request, self._answer(stanza))
        except StanzaError as error:
            reply = error_reply(request, error)
        if reply is not None:
            self._write(reply.element.replace(attributes={"from": None}))

    def _answer(self, stanza: Stanza) -> Element | None:
        if (problem := check_iq(stanza)) is not None:
            raise problem
        payload = payload_of(stanza)
        match stanza.type, payload.namespace, payload.name:
            case "set", namespace, "query" if namespace == ROSTER and self._is_our_server(stanza.from_):
                self._push(payload)
                return None
            case "get", namespace, "ping" if namespace == PING:
                return None
            case "get", namespace, "query" if namespace == DISCO_INFO:
                identity = Element(DISCO_INFO, "identity", {"category": "client", "type": "bot"})
                known = [Element(DISCO_INFO, "feature", {"var": feature}) for feature in (DISCO_INFO, PING)]
                return Element(DISCO_INFO, "query", {}, [identity, *known])
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)

    def _push(self, query: Element) -> None:
        for item in query.elements(ROSTER, "item"):
            contact = Contact.of(item)
            if contact.subscription == "remove":
                self.roster.pop(contact.address, None)
            else:
                self.roster[contact.address] = contact
        self.roster_version = query.get("ver") or self.roster_version

    def _note_presence(self, sender: Address, stanza: Stanza) -> None:
        if stanza.type is None and len(self.presences) < MOST_CONTACTS_SEEN:
            self.presences[sender.full] = stanza.element
        elif stanza.type in ("unavailable", "error"):
            self.presences.pop(sender.full, None)

    def _is_our_server(self, sender: Address | None) -> bool:
        """Return whether this is our own account (RFC 6121 §2.1.6)."""
        return sender is None or sender.full == self.own.bare

    def _responder(self, address: Address | None) -> str:
        """Return the entity that answers for an address: our server and our account count as one."""
        if address is None or address.full in (self.own.bare, self.own.full, self.own.domain):
            return self.own.bare
        return address.full

    # -- the end -----------------------------------------------------------------------------------------------------

    def end(self, reason: str) -> None:
        """Fail all requests, because the stream is gone."""
        for key in tuple(self._waiting):
            self._give_up(key, reason)
        self.presences.clear()

    def _give_up(self, key: tuple[str, str], reason: str) -> None:
        answer, timer = self._waiting.pop(key)
        if timer.active():
            timer.cancel()
        answer.errback(NoReply(reason))


def _refusal(iq: Element) -> RequestRefused:
    error = iq.first(CONTENT, "error")
    conditions = error.elements(STANZA_ERRORS) if error is not None else ()
    named = next((child.name for child in conditions if child.name != "text"), "undefined-condition")
    text = error.first(STANZA_ERRORS, "text") if error is not None else None
    return RequestRefused(named, text.text if text is not None else "")


def _addressed(stanza: Stanza, own: Address) -> AddressedStanza:
    """A request without 'from' is our server's, in our account's name (RFC 6120 §8.1.2.1); without 'to' it is ours."""
    return stanza.readdressed(to=stanza.to or own, from_=stanza.from_ or own.bare_address)
