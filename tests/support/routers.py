"""A router and a route that keep what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from gateway.routing.interfaces import IRoute, IRouter
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import AddressedStanza, Stanza


@implementer(IRouter)
class RecordingRouter:
    """`log` holds each routed stanza, and each bounced one with its error, in order."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def route(self, stanza: Stanza) -> None:
        self.log.append(stanza)

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        self.log.append((stanza, error))

    def ask(self, question: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        self.log.append(question)

    def is_own(self, domain: Domain) -> bool:
        return False

    def flush(self) -> None:
        return None


@implementer(IRoute)
class Recorder:
    """A route that keeps what it is given."""

    def __init__(self) -> None:
        self.got: list[Stanza] = []

    def deliver(self, stanza: Stanza) -> None:
        self.got.append(stanza)

    def flush(self) -> None:
        return None
