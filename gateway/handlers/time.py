"""Entity time (XEP-0202): our clock, in UTC, and our offset from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from zope.interface import implementer

from gateway.routing.interfaces import Answer, Declined, Handled, IDiscoverable, ILocalHandler
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import TIME
from gateway.xmpp.stanzas import AddressedStanza, result_reply


@implementer(ILocalHandler, IDiscoverable)
class Time:
    """Answers what time it is here."""

    features = (TIME,)
    identities = ()

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone()) -> None:
        """`now` returns the local time, with its zone."""
        self._now = now

    def handle(self, stanza: AddressedStanza) -> Answer:
        """Answer an iq of type get with a time query in it."""
        if stanza.name != "iq" or stanza.type != "get" or stanza.element.first(TIME, "time") is None:
            return Declined()
        now = self._now()
        offset = now.strftime("%z")
        children = [
            Element(TIME, "tzo", {}, [f"{offset[:3]}:{offset[3:5]}"]),
            Element(TIME, "utc", {}, [now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")]),
        ]
        return Handled(replies=[result_reply(stanza, Element(TIME, "time", {}, children))])
