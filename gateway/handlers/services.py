"""Service: the base class of services in Python, with one method for each kind of stanza (docs/handlers.md).

A method returns what is most natural: nothing, an answer made from the stanza, several of them, or one of the closed
set of answers that every handler has (`gateway.routing.interfaces`). It may be a coroutine, or return a Deferred.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import iscoroutine
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from gateway.handlers.context import ServiceContext
from gateway.routing.interfaces import Answer, Declined, Handled, IService, Refused
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import Stanza


@implementer(IService)
class Service:
    """Answers nothing, until a subclass does.

    Whatever the methods decline is answered by the gateway: discovery, ping, version, time; otherwise the sender gets
    `service-unavailable`.
    """

    context: ServiceContext

    def start(self, context: ServiceContext) -> Any:
        """Begin, and keep the context. A subclass that has more to do calls this first."""
        self.context = context

    def stop(self) -> Any:
        """End: stop timers, close ports and connections."""

    def message(self, stanza: Stanza) -> Any:
        """Answer a message with a body that is not an error."""
        return Declined()

    def presence(self, stanza: Stanza) -> Any:
        """Answer presence of any type but error: if the service has opened its presence, approve all who subscribe."""
        presence = self.context.presence
        if not presence.is_open:
            return None
        return self._approve(stanza) if stanza.type == "subscribe" else presence.answer(stanza)

    async def _approve(self, request: Stanza) -> Stanza | None:
        try:
            await self.context.presence.approve(request)
        except StanzaError as error:
            return request.error(error.condition, error.text)
        return None

    def request(self, stanza: Stanza) -> Any:
        """Answer an iq of type get or set; None declines it."""
        return None

    def bounced(self, stanza: Stanza) -> Any:
        """Notice that a message or presence of the service has come back as an error."""

    def handle(self, stanza: Stanza) -> Any:
        """Give the stanza to the method of its kind. Ignore messages without a body, such as typing notifications."""
        if stanza.is_request:
            given = self.request(stanza)
        elif stanza.name == "iq":
            return Handled()  # an answer that nobody waits for
        elif stanza.type == "error":
            given = self.bounced(stanza)
        elif stanza.name == "presence":
            given = self.presence(stanza)
        else:
            given = self.message(stanza) if stanza.body is not None else None
        if iscoroutine(given):
            return _answer_later(given, stanza)
        return given.addCallback(answer_of, stanza) if isinstance(given, Deferred) else answer_of(given, stanza)


async def _answer_later(given: Any, stanza: Stanza) -> Answer:
    return answer_of(await given, stanza)


def answer_of(given: Any, stanza: Stanza) -> Answer:
    """Return the answer that a method means; anything that is not an answer is returned as it is."""
    if given is None:
        return Declined() if stanza.is_request else Handled()
    if isinstance(given, Stanza | Element):
        return Handled(replies=[_stanza(given)])
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Handled | Declined | Refused):
        replies = list(given)
        if all(isinstance(each, Stanza | Element) for each in replies):
            return Handled(replies=[_stanza(each) for each in replies])
    return given  # type: ignore[no-any-return]


def _stanza(given: Stanza | Element) -> Stanza:
    return given if isinstance(given, Stanza) else Stanza.from_element(given)
