"""CrowdedOut: the route for domain pairs beyond the limit; it bounces everything.

Every stanza is answered at once; nothing is remembered but when this was last logged.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from gateway.bounds.tables import Seldom
from gateway.notices.notices import Publish, TooMuch
from gateway.routing.interfaces import IRoute
from gateway.routing.router import Router
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza

_TELL_SECONDS = 10.0


@implementer(IRoute)
class CrowdedOut:
    """The one route for all such pairs."""

    def __init__(self, most: int, router: Callable[[], Router], publish: Publish, seconds: Callable[[], float]) -> None:
        """`router` returns the router when it is needed, because the router is made from this."""
        self._most = most
        self._router = router
        self._publish = publish
        self._seconds = seconds
        self._complaints = Seldom(_TELL_SECONDS)

    def deliver(self, stanza: AddressedStanza) -> None:
        """Bounce the stanza."""
        if self._complaints.say("", self._seconds()) is not None:  # for all domains together
            why = f"{self._most} other routes are in use ([limits] routes)"
            self._publish(TooMuch(domain=stanza.to.domain, why=why))
        text = "this server sends to too many other domains at the moment"
        self._router().bounce(stanza, StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text))

    def flush(self) -> Deferred[None] | None:
        """Do nothing, because nothing waits here."""
        return None
