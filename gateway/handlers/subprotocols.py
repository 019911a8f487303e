"""Subprotocols: lets Twisted's and Wokkel's `IXMPPHandler`s serve a domain, unchanged.

    [domains."pings.example.com"]
    serve = "gateway.handlers.subprotocols.Subprotocols"
    options = { handlers = [
        "wokkel.ping.PingHandler",
        { name = "wokkel.generic.VersionHandler", args = ["Pings", "1.0"] },
    ] }

Such a handler expects an XML stream that it can observe and write to, and a manager that it belongs to. It gets both:
stanzas for its domain are dispatched as `domish` trees, what it sends is routed, and an iq that no handler marks as
handled is declined. This is the only place that uses domish, and it is not on the wire.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, NamedTuple

import constantly
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python import compat
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny
from twisted.words.protocols.jabber.error import exceptionFromStanza
from twisted.words.protocols.jabber.ijabber import IXMPPHandler, IXMPPHandlerCollection
from twisted.words.protocols.jabber.xmlstream import TimeoutError
from twisted.words.xish import domish
from twisted.words.xish.utility import EventDispatcher
from zope.interface import implementer, provider

from gateway.bounds.tables import Bounded
from gateway.routing.interfaces import Answer, Declined, Handled, ICheckedOptions, IDetachableHandler
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element, parse_element
from gateway.xmpp.namespaces import XML
from gateway.xmpp.stanzas import CONTENT, AddressedStanza, Stanza

MOST_REQUESTS = 1000
_ROOT = f"<root xmlns='{CONTENT}'>".encode()


@implementer(IDetachableHandler)
@provider(ICheckedOptions)
class Subprotocols:
    """Serves a domain with handlers that were written for a client's or component's stream."""

    def __init__(self, handlers: Sequence[str | Mapping[str, Any] | object]) -> None:
        """Each handler is an instance, the dotted name of a factory, or a table with that name and its arguments.

        Such a table has the keys `name`, `args` and `options`: positional and keyword arguments.
        """
        self._manager = Manager()
        _let_wokkel_be_imported()
        for handler in handlers:
            named = NamedHandler.read(handler)
            subprotocol: Any = handler if named is None else named.make()
            subprotocol.setHandlerParent(self._manager)

    @staticmethod
    def mistakes(handlers: object) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with each handler, as `xmpp-gateway check` reports it."""
        _let_wokkel_be_imported()
        if not isinstance(handlers, list) or not handlers:
            yield "handlers", "a list of handlers is needed"
            return
        for number, handler in enumerate(handlers, 1):
            try:
                named = NamedHandler.read(handler)
                if named is not None:
                    named.check()
            except ValueError as error:
                yield "handlers", f"number {number}: {error}"

    def attached(self, domain: Domain, send: Callable[[Stanza], None]) -> None:
        """Attach the handlers; to them, this is a stream that has just been initialized."""
        self._manager.begin(domain, send)

    def detached(self) -> None:
        """Detach the handlers; to them, the stream has ended."""
        self._manager.end()

    def handle(self, stanza: AddressedStanza) -> Answer:
        """Dispatch a stanza; the handlers' answers are sent separately."""
        return Handled() if self._manager.dispatch(stanza) else Declined()


class NamedHandler(NamedTuple):
    """A handler as the configuration names it: its factory and the arguments."""

    name: str
    args: Sequence[Any] = ()
    options: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def read(cls, written: object) -> NamedHandler | None:
        """Return the handler that is written so, None for one that has been made; raise ValueError."""
        if isinstance(written, str):
            return cls(written)
        if not isinstance(written, Mapping):
            return None
        unknown = written.keys() - set(cls._fields)
        if unknown or not isinstance(written.get("name"), str):
            raise ValueError(f"write {{ name = '...', args = [...], options = {{ ... }} }}, not {dict(written)!r}")
        named = cls(**written)
        if not isinstance(named.args, list | tuple) or not isinstance(named.options, Mapping):
            raise ValueError(f"{named.name}: args is a list, and options is a table")
        return named

    def make(self) -> Any:
        """Return a new handler."""
        return namedAny(self.name)(*self.args, **self.options)

    def check(self) -> None:
        """Raise ValueError if there is no such factory, if it makes no IXMPPHandler, or if it takes other arguments."""
        try:
            factory = namedAny(self.name)
        except Exception as error:  # a foreign module may raise anything when it is imported
            package = self.name.partition(".")[0]
            if find_spec(package) is None:
                raise ValueError(f"{self.name} cannot be imported: the package {package} is not installed") from error
            raise ValueError(f"{self.name} cannot be imported: {type(error).__name__}: {error}") from error
        if not callable(factory) or (inspect.isclass(factory) and not IXMPPHandler.implementedBy(factory)):
            raise ValueError(f"{self.name} makes no handler: it must be a class with @implementer(IXMPPHandler)")
        try:
            inspect.signature(factory).bind(*self.args, **self.options)
        except TypeError as error:
            raise ValueError(f"{self.name} does not accept these arguments: {error}") from error


def _let_wokkel_be_imported() -> None:
    """COMPAT Wokkel 18.0.0 imports two names that Twisted 25 has dropped; remove this when it no longer does."""
    if not hasattr(compat, "_PY3"):
        compat._PY3 = True  # type: ignore[attr-defined]  # it is ours to add
    sys.modules.setdefault("twisted.python.constants", constantly)  # what it was made of


@implementer(IXMPPHandlerCollection)
class Manager:
    """The parent of the handlers, in their terms: holds them, sends for them, and matches answers."""

    def __init__(self) -> None:
        self.xmlstream: Any = None
        self._handlers: list[Any] = []
        # Open requests by recipient and id; with a Deferred if a Wokkel `Request` asked.
        self._requests: Bounded[tuple[Address | None, str | None], Deferred[Any] | None] = Bounded(MOST_REQUESTS)

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

    def send(self, element: domish.Element | str) -> None:
        """Send a stanza, which may be written as XML; its 'from' is the domain unless it says otherwise."""
        stanza = self._stanza(element)
        if stanza.is_request and (stanza.to, stanza.id) not in self._requests:
            self._remember(stanza, None)
        self._send(stanza)

    def request(self, request: Any) -> Deferred[Any]:
        """Send a `wokkel.generic.Request`; return a Deferred of the answer, or of its error."""
        stanza = self._stanza(request.toElement())
        answer: Deferred[Any] = Deferred()
        self._remember(stanza, answer)
        self._send(stanza)
        return answer

    def _stanza(self, element: domish.Element | str) -> Stanza:
        tree = parse_element(element.encode(), _ROOT) if isinstance(element, str) else from_domish(element, CONTENT)
        if tree.get("from") is None:
            tree = tree.replace(attributes={"from": self._domain})
        return Stanza.from_element(tree)

    def _remember(self, request: Stanza, answer: Deferred[Any] | None) -> None:
        """Remember an open request; the oldest one fails when there are too many."""
        if len(self._requests) >= MOST_REQUESTS and (oldest := self._requests.first_to_go()) is not None:
            given_up = self._requests.pop(oldest)
            if given_up is not None:
                given_up.errback(TimeoutError("it was not answered, and too many later requests wait"))
        self._requests.put((request.to, request.id), answer)

    def dispatch(self, stanza: AddressedStanza) -> bool:
        """Let the handlers see a stanza; return whether one of them handled it."""
        if stanza.name == "iq" and stanza.is_response:
            self._answered(stanza)
            return True
        if self.xmlstream is None:
            return False
        element: Any = to_domish(stanza.element)
        element.handled = False
        seen = self.xmlstream.dispatch(element)
        return bool(element.handled or (seen and element.name != "iq"))

    def _answered(self, stanza: AddressedStanza) -> None:
        # By kind, sender and id: Twisted's own tracker uses only the id and lets anybody answer (CVE-2024-46957).
        key = (stanza.from_, stanza.id)
        if key not in self._requests:
            return
        answer, element = self._requests.pop(key), to_domish(stanza.element)
        if answer is None:
            self.xmlstream.dispatch(element)
        elif stanza.type == "error":
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
