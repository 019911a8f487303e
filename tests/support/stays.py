"""A login at another server, with nobody on the other side but the test."""

from __future__ import annotations

from itertools import count

from twisted.internet.task import Clock

from gateway.login.messaging import Messaging
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.stanzas import CONTENT, Stanza
from tests.support.accounts import stanza

OWN = Address.parse("juliet@home.test/balcony")
ROMEO = Address.parse("romeo@away.test")


class Stay:
    """What it says, and what it hands on of what it hears."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.said: list[str] = []
        self.heard: list[Stanza] = []
        ids = count(1)
        self.messaging = Messaging(OWN, self._write, self.heard.append, lambda: f"id-{next(ids)}", self.clock)

    def _write(self, element: Element) -> None:
        self.said.append(element.serialize(CONTENT).decode())

    def hears(self, text: str) -> list[str]:
        """A stanza comes; the answer is what we say to it."""
        self.said.clear()
        self.messaging.received(stanza(text))
        return self.said
