"""The visitor: an external component as anybody might write one, here with Twisted's implementation of XEP-0114."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.words.protocols.jabber import component, xmlstream
from twisted.words.xish import domish


class Visitor:
    """A component that attaches, sends a message, and waits for the answer."""

    def __init__(self, domain: str, secret: str) -> None:
        self.domain = domain
        self.attached: Deferred[None] = Deferred()
        self._heard: Deferred[str] = Deferred()
        self._stream: Any = None
        self.factory = component.componentFactory(domain, secret)
        self.factory.noisy = False
        self.factory.maxRetries = 0
        self.factory.addBootstrap(xmlstream.STREAM_AUTHD_EVENT, self._authenticated)
        self.factory.addBootstrap(xmlstream.INIT_FAILED_EVENT, self.attached.errback)

    def say(self, text: str, *, to: str) -> Deferred[str]:
        """Send a message; return a Deferred that fires with the text of the answer."""
        message = domish.Element((component.NS_COMPONENT_ACCEPT, "message"))
        message["from"], message["to"], message["type"], message["id"] = f"visitor@{self.domain}", to, "chat", "hello"
        message.addElement("body", content=text)
        self._stream.send(message)
        return self._heard

    def _authenticated(self, stream: Any) -> None:
        self._stream = stream
        stream.addObserver("/message", self._received)
        self.attached.callback(None)

    def _received(self, message: Any) -> None:
        if not self._heard.called:
            error = message.error.firstChildElement().name if message.error else None
            self._heard.callback(f"an error, {error}" if error else str(message.body))
