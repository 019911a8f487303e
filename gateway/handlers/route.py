"""HandlerRoute: the route of a domain that handlers in this process serve.

The handlers are asked in order, until one does not decline. If all decline, the answer is `service-unavailable`; an
exception becomes `internal-server-error` and a traceback in the log; an answer may come later. A request that nobody
answers in time, or before the route is stopped, is answered with an error; a later answer is dropped. The stanzas to
and from handlers are reported as those of streams are: by the batch.

A route is made, started and stopped. Handlers that send on their own initiative are attached by `start`, when
everything around them is ready, and may send until they are detached by `stop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.bounds.tables import Bounded, family
from gateway.notices.notices import Publish, StanzasPassed
from gateway.routing.interfaces import (
    Answer,
    Declined,
    Handled,
    IActiveHandler,
    IDetachableHandler,
    ILocalHandler,
    IRoute,
    IRouter,
    Refused,
)
from gateway.routing.requests import RequestKey
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError, Misuse, StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza, Stanza

VIA = "handler"
_NOT_SERVED = StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
_BROKEN = StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR)
_TOO_SLOW = StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, "the service did not answer in time")
_STOPPED = StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, "the service was stopped")

ANSWER_SECONDS = 60.0
MOST_OPEN = 10_000
"""Requests to one domain that wait for an answer; beyond it, the oldest of the domain that asks most is given up."""


@implementer(IRoute)
class HandlerRoute:
    """The handlers of one domain."""

    _log = Logger()

    def __init__(
        self,
        domain: Domain,
        handlers: Sequence[ILocalHandler],
        router: IRouter,
        publish: Publish,
        clock: IReactorTime,
    ) -> None:
        self.domain = domain
        self.handlers = tuple(handlers)
        self._router = router
        self._publish = publish
        self._given: list[Stanza] = []  # and not reported yet
        self._said: list[Stanza] = []
        self._is_delivering = False
        self._clock = clock
        self._attached: list[ILocalHandler] = []
        self._may_send = False
        # Open requests, and when they are given up. One that makes room for another is answered, so there is one place
        # more.
        self._open: Bounded[RequestKey, tuple[float, AddressedStanza]] = Bounded(MOST_OPEN + 1)
        self._timer: IDelayedCall | None = None

    # -- its life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Attach the handlers that send on their own initiative; raise ConfigError, and attach none, if one fails."""
        self._may_send = True
        for handler in self.handlers:
            if IActiveHandler.providedBy(handler):
                try:
                    handler.attached(self.domain, self._send_now)
                except Exception as error:
                    self._log.failure("{handler} cannot be attached", handler=type(handler).__name__)
                    self.stop()
                    problem = f"{type(handler).__name__} cannot be attached: {type(error).__name__}: {error}"
                    raise ConfigError(f'domains."{self.domain}"', problem) from error
                self._attached.append(handler)

    def stop(self) -> None:
        """Detach the handlers, stop them from sending, and answer the open requests."""
        attached, self._attached = self._attached, []
        for handler in reversed(attached):
            if IDetachableHandler.providedBy(handler):
                try:
                    handler.detached()
                except Exception:
                    self._log.failure("{handler} failed when it was detached", handler=type(handler).__name__)
        self._may_send = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _, stanza in list(self._open.values()):
            self._bounce(stanza, _STOPPED)
        self._flush_router()

    # -- as an IRoute ------------------------------------------------------------------------------------------------

    def deliver(self, stanza: AddressedStanza) -> None:
        """Ask the handlers in order."""
        self._given.append(stanza)
        if stanza.is_request:
            self._wait_for_answer(stanza)
        self._is_delivering = True
        try:
            self._ask(stanza, self.handlers)
        finally:
            self._is_delivering = False

    def flush(self) -> Deferred[None] | None:
        """Report what has passed; nothing waits here to be written."""
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

    def _ask(self, stanza: AddressedStanza, handlers: Sequence[ILocalHandler]) -> None:
        if not handlers:
            self._bounce(stanza, _NOT_SERVED)
            self._flush_router()
            return
        answer: Deferred[Any] = maybeDeferred(handlers[0].handle, stanza)
        answer.addCallback(self._answered, stanza, handlers)
        answer.addErrback(self._broke, stanza, handlers[0])

    def _answered(self, answer: Answer, stanza: AddressedStanza, handlers: Sequence[ILocalHandler]) -> None:
        match answer:
            case Declined():
                self._ask(stanza, handlers[1:])
            case Handled():
                for reply in answer.replies:
                    self._send(reply)
                self._flush_router()
            case Refused():
                self._bounce(stanza, answer.error)
                self._flush_router()
            case _:
                self._log.error(
                    "{handler} of {domain} answered a stanza ({name}) with {kind}, which is not Handled, Declined or"
                    " Refused: the sender gets internal-server-error",
                    handler=type(handlers[0]).__name__,
                    domain=self.domain,
                    name=stanza.name,
                    kind=type(answer).__name__,
                )
                self._bounce(stanza, _BROKEN)
                self._flush_router()

    # -- requests that wait for an answer ----------------------------------------------------------------------------

    def _wait_for_answer(self, request: AddressedStanza) -> None:
        key = _key(request.from_, request.to, request.id)
        asker = family(request.from_.domain)
        self._open.put(key, (self._clock.seconds() + ANSWER_SECONDS, request), asker)  # an id may be used again
        if len(self._open) > MOST_OPEN and (first := self._open.first_to_go()) is not None:
            given_up = self._open.get(first)
            assert given_up is not None
            self._bounce(given_up[1], _TOO_SLOW)
        if self._timer is None:
            self._timer = self._clock.callLater(ANSWER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """Answer the requests whose time is up; come back when the next one's is."""
        self._timer = None
        now = self._clock.seconds()
        while self._open:
            due, request = next(iter(self._open.values()))
            if due > now:
                self._timer = self._clock.callLater(due - now, self._give_up)
                break
            self._bounce(request, _TOO_SLOW)
        self._flush_router()

    def _bounce(self, stanza: AddressedStanza, error: StanzaError) -> None:
        """Answer with an error, unless the stanza has already been answered."""
        if stanza.is_request and self._open.pop(_key(stanza.from_, stanza.to, stanza.id)) is None:
            return
        self._router.bounce(stanza, error)

    def _flush_router(self) -> None:
        """Flush later answers here; the caller of `deliver` flushes immediate ones, once for a whole batch."""
        if not self._is_delivering:
            self._notice()
            self._router.flush()

    def _send(self, stanza: Stanza) -> None:
        """Send a handler's stanza; it may speak only for its domain."""
        if not isinstance(stanza, AddressedStanza) or stanza.from_.domain != self.domain:
            raise Misuse(f"a handler of {self.domain} must not send from {stanza.from_} to {stanza.to}")
        is_answer = stanza.name == "iq" and stanza.is_response
        if is_answer and self._open.pop(_key(stanza.to, stanza.from_, stanza.id)) is None:
            return  # already answered: nobody must be answered twice
        self._said.append(stanza)
        self._router.route(stanza)

    def _send_now(self, stanza: Stanza) -> None:
        if not self._may_send:
            self._log.warn(
                "a handler of {domain} has been detached and still sends: {name} to {to} is dropped",
                domain=self.domain,
                name=stanza.name,
                to=stanza.to,
            )
            return
        self._send(stanza)
        self._flush_router()

    def _broke(self, failure: Failure, stanza: AddressedStanza, handler: object) -> None:
        self._log.failure(
            "{handler} failed on a stanza: {name}", failure, handler=type(handler).__name__, name=stanza.name
        )
        self._bounce(stanza, _BROKEN)
        self._flush_router()


def _key(asker: object, asked: object, id_: str | None) -> RequestKey:
    return (str(asker), str(asked), id_)
