"""Delegation: components that answer requests in place of a domain with accounts (XEP-0355, in the admin's mode).

A request to the domain, or to a bare address there, whose payload is in a delegated namespace goes to the component,
wrapped. Its answer comes back wrapped, and counts only if it is from the component that was asked and answers what was
asked. In every other case, and if none comes in time, the sender gets `service-unavailable`.

Whether the account exists makes no difference, so our answers do not reveal it.

What the component announces for a namespace takes the place of what we would announce, in the discovery of the domain
and of its accounts. It is asked for that when it is attached, and again after some minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from twisted.internet.interfaces import IReactorTime

from gateway.bounds.tables import Bounded, family
from gateway.im.edits import to_recipient
from gateway.routing.delegations import ACCOUNTS, DISCO_INFO_AT_NODES, DISCO_ITEMS_OF_ACCOUNTS, SPECIAL, Delegated
from gateway.routing.interfaces import IRouter
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element, Oversized
from gateway.xmpp.errors import MalformedAddress, StanzaCondition, StanzaError
from gateway.xmpp.iqs import payload_of
from gateway.xmpp.namespaces import CLIENT, DATA_FORMS, DELEGATION, DISCO_INFO, DISCO_ITEMS, FORWARD
from gateway.xmpp.stanzas import CONTENT, AddressedStanza, SentStanza

ANSWER_SECONDS = 30.0
"""How long a component may take to answer a delegated request."""
MOST_DELEGATED = 1000
"""The most delegated requests of one domain that wait for an answer."""
ANNOUNCED_SECONDS, UNANNOUNCED_SECONDS = 600.0, 60.0
"""For how long we show what a component announces before we ask again; and if it did not say."""


@dataclass(frozen=True, kw_only=True)
class Delegates:
    """The components to which one domain delegates namespaces, as they are at the moment."""

    granted: Callable[[], Sequence[tuple[Domain, Delegated]]] = tuple
    is_attached: Callable[[Domain], bool] = lambda _: False


@dataclass(frozen=True, kw_only=True)
class _PassedOn:
    """A request that was passed on: with the recipient that it stands for, to a component, until a time."""

    stanza: AddressedStanza
    component: Address
    until: float


@dataclass(frozen=True, kw_only=True)
class _AnnouncedFeatures:
    """What a component announces for a namespace, and until when we need not ask again."""

    children: Sequence[Element] = ()
    until: float


class Delegation:
    """The requests to one domain that components answer, and what they announce there."""

    def __init__(
        self, *, delegates: Delegates, domain: Domain, router: IRouter, clock: IReactorTime, tokens: Callable[[], str]
    ) -> None:
        self._delegates = delegates
        self._address = Address.make("", domain, "")
        self._router = router
        self._clock = clock
        self._tokens = tokens
        self._waiting: Bounded[str, _PassedOn] = Bounded(MOST_DELEGATED)
        self._patience = Timer(clock)
        self._soon = Timer(clock)
        self._new: dict[Domain, None] = {}  # components that have just been attached
        self._announced: dict[tuple[Domain, str], _AnnouncedFeatures] = {}

    def stop(self) -> None:
        """Answer what waits, because the gateway shuts down."""
        self._patience.stop()
        self._soon.stop()
        for id_ in [*self._waiting]:
            self._fail(id_, "the server shuts down")

    # -- requests ----------------------------------------------------------------------------------------------------

    def takes(self, stanza: SentStanza, target: Address) -> bool:
        """Pass on a request to `target`, the domain or a bare address there, if it is delegated; return whether it is.

        A component's own requests are not passed on to it (§4.3.1).
        """
        granted = self._delegates.granted()
        if not granted or not stanza.is_request:
            return False
        payload = payload_of(stanza)
        component = next((name for name, delegated in granted if _covers(delegated, payload, target)), None)
        if component is None or (stanza.from_.domain == component and not stanza.from_.local):
            return False
        self._pass_on(stanza, target, Address.make("", component, ""))
        return True

    def _pass_on(self, stanza: SentStanza, target: Address, component: Address) -> None:
        id_ = self._tokens()
        while len(self._waiting) >= MOST_DELEGATED and (crowding := self._waiting.first_to_go()) is not None:
            self._fail(crowding, "too many requests wait for the component that answers them")
        until = self._clock.seconds() + ANSWER_SECONDS
        asked = _PassedOn(stanza=to_recipient(stanza, target), component=component, until=until)
        sender = stanza.from_
        cause = sender.bare if sender.domain == self._address.domain else family(sender.domain)
        self._waiting.put(id_, asked, cause)
        if not self._patience.is_running:
            self._patience.start(ANSWER_SECONDS, self._lose_patience)
        wrapped = _wrapped(stanza.element.replace(attributes={"from": sender.full}))
        attributes = {"type": "set", "id": id_, "from": self._address.full, "to": component.full}
        try:
            question = AddressedStanza.from_element(Element(CONTENT, "iq", attributes, [wrapped]))
        except Oversized as error:
            self._fail(id_, str(error))
            return
        self._router.ask(question, partial(self._answered, id_))

    def _answered(self, id_: str, answer: AddressedStanza) -> None:
        """Pass the answer of a component back to the sender of the request."""
        asked = self._waiting.get(id_)
        if asked is None:
            return  # it came too late: the sender has an error
        try:
            reply = _unwrapped(asked, answer)
        except StanzaError as error:
            self._fail(id_, error.text)
            return
        self._waiting.pop(id_)
        self._router.route(reply)

    def _fail(self, id_: str, text: str) -> None:
        if (asked := self._waiting.pop(id_)) is not None:
            self._router.bounce(asked.stanza, StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, text))

    def _lose_patience(self) -> None:
        """Answer the requests whose time is up, and wait for the next."""
        now = self._clock.seconds()
        for id_, asked in [*self._waiting.items()]:  # the oldest first
            if asked.until > now:
                self._patience.start(asked.until - now, self._lose_patience)
                break
            self._fail(id_, f"the component that answers this has not answered in {ANSWER_SECONDS:.0f} s")
        self._router.flush()

    # -- discovery ---------------------------------------------------------------------------------------------------

    def meet(self, component: Domain) -> None:
        """Ask a component that is being attached what it announces, once it is attached."""
        self._new[component] = None
        if not self._soon.is_running:
            self._soon.start(0, self._ask_new)

    def _ask_new(self) -> None:
        new, self._new = self._new, {}
        for component, delegated in self._delegates.granted():
            for node in _nodes(delegated) if component in new else ():
                self._ask(component, node)
        self._router.flush()

    def _ask(self, component: Domain, node: str) -> None:
        before = self._announced.get((component, node))
        until = self._clock.seconds() + UNANNOUNCED_SECONDS
        self._announced[component, node] = _AnnouncedFeatures(children=before.children if before else (), until=until)
        query = Element(DISCO_INFO, "query", {"node": node})
        attributes = {"type": "get", "id": self._tokens(), "from": self._address.full, "to": component}
        question = AddressedStanza.from_element(Element(CONTENT, "iq", attributes, [query]))
        self._router.ask(question, partial(self._note_announced, component, node))

    def _note_announced(self, component: Domain, node: str, answer: AddressedStanza) -> None:
        query = answer.element.first(DISCO_INFO, "query")
        if (component, node) not in self._announced or not (
            answer.from_.is_domain and answer.from_.domain == component
        ):
            return
        is_result = answer.type == "result" and query is not None
        children = [*filter(_is_announcement, query.elements())] if is_result and query is not None else []
        until = self._clock.seconds() + (ANNOUNCED_SECONDS if is_result else UNANNOUNCED_SECONDS)
        self._announced[component, node] = _AnnouncedFeatures(children=children, until=until)

    def announced(self, own: Sequence[Element], *, of_account: bool = False) -> list[Element]:
        """Return what is announced of the domain or of an account: `own`, changed by what is delegated (§7.2)."""
        shown = [*own]
        granted = self._delegates.granted()
        self._forget_all_but({(component, node) for component, delegated in granted for node in _nodes(delegated)})
        for _, delegated in granted:
            for namespace in delegated:
                shown = [each for each in shown if not _is_feature_of(namespace, each)]
        for component, delegated in granted:
            for node in _nodes(delegated) if self._delegates.is_attached(component) else ():
                if node.startswith(ACCOUNTS) == of_account:
                    shown += self._known(component, node)
        return [*dict.fromkeys(shown)]

    def _known(self, component: Domain, node: str) -> Sequence[Element]:
        """Return what a component announces, as far as we know, and ask if that is not known or some time ago."""
        known = self._announced.get((component, node))
        if known is None or known.until <= self._clock.seconds():
            self._ask(component, node)  # the answer is for those who ask next
        return self._announced[component, node].children

    def _forget_all_but(self, wanted: set[tuple[Domain, str]]) -> None:
        for key in self._announced.keys() - wanted:
            del self._announced[key]


def _covers(delegated: Delegated, payload: Element, target: Address) -> bool:
    """Return whether a request with this payload is delegated."""
    namespaces = [payload.namespace]
    if target.local and payload.namespace == DISCO_ITEMS:
        namespaces.append(DISCO_ITEMS_OF_ACCOUNTS)
    elif target.local and payload.namespace == DISCO_INFO and payload.get("node"):
        namespaces.append(DISCO_INFO_AT_NODES)
    return any(
        namespace in delegated and all(payload.get(name) is not None for name in delegated[namespace])
        for namespace in namespaces
    )


def _wrapped(iq: Element) -> Element:
    return Element(DELEGATION, "delegation", {}, [Element(FORWARD, "forwarded", {}, [iq])])


def _unwrapped(asked: _PassedOn, answer: AddressedStanza) -> AddressedStanza:
    """Return the answer that a component has wrapped, with the addresses of the request that it answers.

    Raise StanzaError if it has refused, or answers anything else than it was asked.
    """
    if answer.from_ != asked.component or answer.type != "result":
        raise _useless("the component that answers this is away, or does not answer it")
    delegation = answer.element.first(DELEGATION, "delegation")
    forwarded = delegation.first(FORWARD, "forwarded") if delegation is not None else None
    iq = forwarded.first(CLIENT, "iq") if forwarded is not None else None
    request = asked.stanza
    if iq is None or iq.get("type") not in ("result", "error") or iq.get("id") != request.id:
        raise _useless("the component that answers this has answered something else")
    addresses = (("to", request.from_), ("from", request.to))
    if iq.get("to") is None or any(not _is(iq.get(name), address) for name, address in addresses):
        raise _useless("the component that answers this has answered somebody else")
    try:
        return AddressedStanza.from_element(iq.replace(attributes={name: address.full for name, address in addresses}))
    except Oversized as error:
        raise _useless(str(error)) from error


def _useless(text: str) -> StanzaError:
    return StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, text)


def _is(written: str | None, address: Address) -> bool:
    """Return whether an attribute has this address, or is absent."""
    try:
        return written is None or Address.parse(written) == address
    except MalformedAddress:
        return False


def _nodes(delegated: Delegated) -> Iterator[str]:
    """Yield the nodes at which a component says what is to be announced (§7.2.1, §7.2.2)."""
    for namespace in delegated:
        if namespace not in SPECIAL:
            yield f"{DELEGATION}::{namespace}"
            yield f"{ACCOUNTS}{namespace}"


def _is_announcement(child: Element) -> bool:
    kind = (child.namespace, child.name)
    return kind in ((DISCO_INFO, "identity"), (DISCO_INFO, "feature"), (DATA_FORMS, "x"))


def _is_feature_of(namespace: str, child: Element) -> bool:
    var = child.get("var") or ""
    return child.name == "feature" and (var == namespace or var.startswith(f"{namespace}#"))
