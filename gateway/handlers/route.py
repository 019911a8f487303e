"""HandlerRoute: the route of a domain whose stanzas are dealt with by handlers in this process.

The handlers are asked in order; the first that does not decline ends it. What all decline is `service-unavailable`, an
exception is `internal-server-error` and a traceback in the log, an answer may come later. What handlers are given and
what they say is noticed as what passes on a stream is: by the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.notices.notices import Publish, StanzasPassed
from gateway.routing.interfaces import Answer, Declined, Handled, IActiveHandler, ILocalHandler, IRoute, IRouter
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import Misuse, StanzaCondition, StanzaError
from gateway.xmpp.stanzas import Stanza

VIA = "handler"
_NOT_SERVED = StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
_BROKEN = StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR)


@implementer(IRoute)
class HandlerRoute:
    """The handlers of one domain."""

    _log = Logger()

    def __init__(self, domain: Domain, handlers: Sequence[ILocalHandler], router: IRouter, publish: Publish) -> None:
        self.domain = domain
        self.handlers = tuple(handlers)
        self._router = router
        self._publish = publish
        self._given: list[Stanza] = []  # and not noticed yet
        self._said: list[Stanza] = []
        self._is_delivering = False
        for handler in self.handlers:
            if IActiveHandler.providedBy(handler):
                handler.attached(domain, self._send_now)  # type: ignore[attr-defined]

    def deliver(self, stanza: Stanza) -> None:
        """Ask the handlers, the first one first."""
        self._given.append(stanza)
        self._is_delivering = True
        try:
            self._ask(stanza, self.handlers)
        finally:
            self._is_delivering = False

    def flush(self) -> Deferred[None] | None:
        """Nothing waits here to be written; what has passed is noticed."""
        self._notice()
        return None

    def _notice(self) -> None:
        given, self._given = self._given, []
        said, self._said = self._said, []
        if given:
            self._passed(given, came_in=False, source="others", target=self.domain)
        if said:
            self._passed(said, came_in=True, source=self.domain, target="others")

    def _passed(self, stanzas: Sequence[Stanza], *, came_in: bool, source: str, target: str) -> None:
        size = sum([len(stanza.raw) for stanza in stanzas])
        self._publish(StanzasPassed(came_in=came_in, via=VIA, source=source, target=target, stanzas=stanzas, size=size))

    def _ask(self, stanza: Stanza, handlers: Sequence[ILocalHandler]) -> None:
        if not handlers:
            self._router.bounce(stanza, _NOT_SERVED)
            self._flush()
            return
        answer: Deferred[Any] = maybeDeferred(handlers[0].handle, stanza)
        answer.addCallback(self._answered, stanza, handlers[1:])
        answer.addErrback(self._broke, stanza, handlers[0])

    def _answered(self, answer: Answer, stanza: Stanza, others: Sequence[ILocalHandler]) -> None:
        if isinstance(answer, Declined):
            self._ask(stanza, others)
        elif isinstance(answer, Handled):
            for reply in answer.replies:
                self._send(reply)
            self._flush()
        else:
            self._router.bounce(stanza, answer.error)
            self._flush()

    def _flush(self) -> None:
        """Who delivers also flushes, once for a whole batch; what is answered later has nobody else to do so."""
        if not self._is_delivering:
            self._notice()
            self._router.flush()

    def _send(self, stanza: Stanza) -> None:
        """A handler speaks for its domain, and for nobody else."""
        if stanza.to is None or stanza.from_ is None or stanza.from_.domain != self.domain:
            raise Misuse(f"a handler of {self.domain} sends from {stanza.from_} to {stanza.to}")
        self._said.append(stanza)
        self._router.route(stanza)

    def _send_now(self, stanza: Stanza) -> None:
        self._send(stanza)
        self._flush()

    def _broke(self, failure: Failure, stanza: Stanza, handler: object) -> None:
        self._log.failure(
            "{handler} failed on a stanza: {name}", failure, handler=type(handler).__name__, name=stanza.name
        )
        self._router.bounce(stanza, _BROKEN)
        self._flush()
