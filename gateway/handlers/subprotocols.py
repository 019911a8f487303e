"""Subprotocols: lets Twisted's and Wokkel's `IXMPPHandler`s serve a domain, unchanged.

    [domains."pings.example.com"]
    serve = "gateway.handlers.subprotocols.Subprotocols"
    options = { handlers = ["wokkel.ping.PingHandler"] }

Such a handler expects an XML stream that it can observe and write to, and a manager that it belongs to. It gets both:
stanzas for its domain are dispatched as `domish` trees, what it sends is routed, and an iq that no handler marks as
handled is declined. This is the only place that uses domish, and it is not on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python import compat
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny
from twisted.words.protocols.jabber.error import exceptionFromStanza
from twisted.words.protocols.jabber.ijabber import IXMPPHandlerCollection
from twisted.words.xish import domish
from twisted.words.xish.utility import EventDispatcher
from zope.interface import implementer

from gateway.bounds.tables import Bounded
from gateway.routing.interfaces import Answer, Declined, Handled, IDetachableHandler
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import XML
from gateway.xmpp.stanzas import CONTENT, AddressedStanza, Stanza

MOST_REQUESTS = 1000


@implementer(IDetachableHandler)
class Subprotocols:
    """Serves a domain with handlers that were written for a client's or component's stream."""

    def __init__(self, handlers: Sequence[str | object]) -> None:
        """Each handler is an instance, or the dotted name of a factory that takes no arguments."""
        self._manager = Manager()
        _let_wokkel_be_imported()
        for handler in handlers:
            subprotocol: Any = namedAny(handler)() if isinstance(handler, str) else handler
            subprotocol.setHandlerParent(self._manager)

    def attached(self, domain: Domain, send: Callable[[Stanza], None]) -> None:
        """Attach the handlers; to them, this is a stream that has just been initialized."""
        self._manager.begin(domain, send)

    def detached(self) -> None:
        """Detach the handlers; to them, the stream has ended."""
        self._manager.end()

    def handle(self, stanza: AddressedStanza) -> Answer:
        """Dispatch a stanza; the handlers' answers are sent separately."""
        return Handled() if self._manager.dispatch(to_domish(stanza.element)) else Declined()


def _let_wokkel_be_imported() -> None:
    """COMPAT Wokkel 18.0.0: most of its modules import this name, which Twisted 25 dropped; remove when not needed."""
    if not hasattr(compat, "_PY3"):
        compat._PY3 = True  # type: ignore[attr-defined]  # it is ours to add


@implementer(IXMPPHandlerCollection)
class Manager:
    """The parent of the handlers, in their terms: holds them, sends for them, and matches answers."""

    def __init__(self) -> None:
        self.xmlstream: Any = None
        self._handlers: list[Any] = []
        # Open requests by recipient and id; with a Deferred if a Wokkel `Request` asked.
        self._requests: Bounded[tuple[str | None, str | None], Deferred[Any] | None] = Bounded(MOST_REQUESTS)

    def __iter__(self) -> Any:
        return iter(self._handlers)

    def addHandler(self, handler: Any) -> None:
        self._handlers.append(handler)

    def removeHandler(self, handler: Any) -> None:
        self._handlers.remove(handler)

    def begin(self, domain: Domain, send: Callable[[Stanza], None]) -> None:
        """Connect the handlers to a stream that leads to `send`."""
        self._domain = domain
        self._send = send
        self.xmlstream = EventDispatcher()
        self.xmlstream.send = self.send
        for handler in self._handlers:
            handler.makeConnection(self.xmlstream)
            handler.connectionInitialized()

    def end(self) -> None:
        """Disconnect the handlers; their open requests fail."""
        reason = Failure(ConnectionDone("the handlers were detached"))
        self.xmlstream = None
        for handler in self._handlers:
            handler.connectionLost(reason)
        answers = list(self._requests.values())
        self._requests.clear()
        for answer in answers:
            if answer is not None:
                answer.errback(reason)

    def send(self, element: domish.Element) -> None:
        """Send a stanza; its 'from' is the domain unless it says otherwise."""
        stanza = from_domish(element, CONTENT)
        if stanza.get("from") is None:
            stanza = stanza.replace(attributes={"from": self._domain})
        if stanza.name == "iq" and stanza.get("type") in ("get", "set"):
            key = (stanza.get("to"), stanza.get("id"))
            if key not in self._requests:
                self._requests.put(key, None)
        self._send(Stanza.from_element(stanza))

    def request(self, request: Any) -> Deferred[Any]:
        """Send a `wokkel.generic.Request`; return a Deferred of the answer, or of its error."""
        element = request.toElement()
        if not element.getAttribute("id"):
            element.addUniqueId()
        answer: Deferred[Any] = Deferred()
        self._requests.put((element["to"], element["id"]), answer)
        self.send(element)
        return answer

    def dispatch(self, element: Any) -> bool:
        """Let the handlers see a stanza; return whether one of them handled it."""
        if element.name == "iq" and element.getAttribute("type") in ("result", "error"):
            self._answered(element)
            return True
        if self.xmlstream is None:
            return False
        element.handled = False
        seen = self.xmlstream.dispatch(element)
        return bool(element.handled or (seen and element.name != "iq"))

    def _answered(self, element: Any) -> None:
        # By kind, sender and id: Twisted's own tracker uses only the id and lets anybody answer (CVE-2024-46957).
        key = (element.getAttribute("from"), element.getAttribute("id"))
        if key not in self._requests:
            return
        answer = self._requests.pop(key)
        if answer is None:
            self.xmlstream.dispatch(element)
        elif element["type"] == "error":
            answer.errback(exceptionFromStanza(element))
        else:
            answer.callback(element)


def to_domish(element: Element) -> domish.Element:
    """Return the same tree as domish."""
    converted = domish.Element((element.namespace, element.name))
    for key, value in element.attributes.items():
        converted.attributes[key] = value
    for child in element.children:
        if isinstance(child, Element):
            inner = to_domish(child)
            inner.parent = converted
            converted.children.append(inner)
        else:
            converted.addContent(child)
    return converted


def from_domish(element: domish.Element, namespace: str) -> Element:
    """Return the same tree as an Element; an element without a namespace is in `namespace`, that of its parent."""
    own = element.uri or namespace
    attributes = dict(element.attributes)
    if (lang := attributes.pop("xml:lang", None)) is not None:
        attributes[XML, "lang"] = lang
    children = [str(child) if isinstance(child, str) else from_domish(child, own) for child in element.children]
    return Element(own, element.name, attributes, children)
