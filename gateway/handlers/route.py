"""HandlerRoute: the route of a domain that handlers in this process serve.

The handlers are asked in order, until one does not decline. If all decline, the answer is `service-unavailable`; an
exception becomes `internal-server-error` and a traceback in the log; an answer may come later. A request that nobody
answers in time, or before the route is stopped, is answered with an error, as is any stanza on which a handler works
too long; the work is cancelled, and a later answer is dropped. The stanzas to and from handlers are reported as those
of streams are: by the batch.

A route is made, started and stopped (see `life`). Services are started, and handlers that send on their own initiative
attached, when everything around them is ready; they may send until they have been stopped. While they do not run, the
senders of stanzas get an error that tells them to try again later.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from inspect import iscoroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.handlers.context import Outlet, ServiceContext, ServiceSurroundings
from gateway.handlers.life import TRANSITIONS, Life, Move
from gateway.handlers.open_work import Begun, OpenWork
from gateway.notices.notices import Publish, ServiceBlocked, StanzasPassed
from gateway.routing.interfaces import (
    Answer,
    Declined,
    Handled,
    IActiveHandler,
    IDetachableHandler,
    ILocalHandler,
    IRoute,
    IRouter,
    IService,
    Refused,
)
from gateway.timing.block_watch import BlockWatch
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Oversized
from gateway.xmpp.errors import ConfigError, Misuse, StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza, Stanza

VIA = "handler"
_NOT_SERVED = StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
_BROKEN = StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR)
_TOO_SLOW = StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, "the service did not answer in time")
_NOT_RUNNING = StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, "the service is not running at the moment")
_STOPPED = StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, "the service was stopped")

START_SECONDS = 10.0
STOP_SECONDS = 2.0  # within the time that a shutdown may take
ANSWER_SECONDS = 60.0
BLOCKED_SECONDS = 0.1
"""A handler that takes this long before it returns is named: nothing else happens in the meantime."""
MOST_OPEN = 10_000
"""Stanzas to one domain that wait for an answer; beyond it, the oldest of the domain that sends most is given up."""


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
        *,
        surroundings: ServiceSurroundings | None = None,
        watch: BlockWatch | None = None,
    ) -> None:
        """`watch` finds out where a handler blocks."""
        self.domain = domain
        self.handlers = tuple(handlers)
        self._router = router
        self._publish = publish
        self._given: list[Stanza] = []  # and not reported yet
        self._said: list[Stanza] = []
        self._is_delivering = False
        self._clock = clock
        self.may_send: Callable[[], bool] = _always  # on the handlers' own initiative
        self._watch = watch or BlockWatch(clock.seconds, in_thread=False)
        self._surroundings = surroundings or ServiceSurroundings()
        self._living = [each for each in handlers if IActiveHandler.providedBy(each) or IService.providedBy(each)]
        self._life = Life.NEW
        self._starting: Deferred[None] = succeed(None)
        self._started: list[tuple[ILocalHandler, Outlet]] = []
        self._contexts: dict[Outlet, ServiceContext] = {}
        self._open = OpenWork(MOST_OPEN)
        self._cut_off: AddressedStanza | None = None  # the stanza whose work is being cancelled
        self._timer: IDelayedCall | None = None

    # -- its life ----------------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Return whether the handlers have been started, and not been stopped."""
        return self._life is Life.RUNNING

    @property
    def has_stopped(self) -> bool:
        """Return whether the handlers do not run: they were stopped, or could not be started."""
        return self._life is Life.STOPPED

    def start(self) -> Deferred[None]:
        """Start the handlers that have a life; fail with ConfigError, and stop those that have started, if one fails.

        A service must have started within START_SECONDS. The start fails with CancelledError if it is stopped first.
        """
        self._move(Move.START)
        self._watch.enter(self)
        self._starting = Deferred.fromCoroutine(self._start())
        ended: Deferred[None] = Deferred(lambda _: self._starting.cancel())
        self._starting.addBoth(ended.callback)
        return ended

    async def _start(self) -> None:
        for handler in self._living:
            outlet = Outlet(self.domain, type(handler).__name__, self._send_now)
            try:
                await self._in_time(START_SECONDS, self._begin, handler, outlet)
            except Exception as error:
                self._close(outlet)
                await self._end()
                if isinstance(error, CancelledError):
                    raise
                self._log.failure("{handler} cannot be started", Failure(error), handler=outlet.name)
                problem = f"{outlet.name} cannot be started: {_in_words(error)}"
                raise ConfigError(f'domains."{self.domain}"', problem) from error
            self._started.append((handler, outlet))
        self._move(Move.READY)

    def _begin(self, handler: Any, outlet: Outlet) -> Any:
        if IActiveHandler.providedBy(handler):
            return handler.attached(self.domain, outlet.send)
        context = ServiceContext(outlet, self._clock, self._surroundings)
        self._contexts[outlet] = context
        return handler.start(context)

    def stop(self) -> Deferred[None]:
        """Stop the handlers, let them send nothing further, and answer what is open.

        A service must have stopped within STOP_SECONDS.
        """
        if self._life is Life.STARTING:
            return self._give_up_starting()
        if self._life in (Life.STOPPING, Life.STOPPED):
            return succeed(None)
        return Deferred.fromCoroutine(self._end())

    def _give_up_starting(self) -> Deferred[None]:
        """Cancel the start, which then ends what it has begun."""
        over: Deferred[None] = Deferred()
        self._starting.addBoth(lambda _: over.callback(None))
        self._starting.cancel()
        return over

    async def _end(self) -> None:
        self._move(Move.STOP)
        self._watch.leave(self)
        while self._started:
            handler, outlet = self._started.pop()
            try:
                await self._in_time(STOP_SECONDS, _stopping(handler))
            except Exception as error:
                if isinstance(error, TimeoutError | CancelledError):
                    text = "{handler} of {domain} did not stop in {seconds} s: it is cut off"
                    self._log.warn(text, handler=outlet.name, domain=self.domain, seconds=STOP_SECONDS)
                else:
                    self._log.failure("{handler} failed when it was stopped", handler=outlet.name)
            self._close(outlet)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for begun in self._open:
            self._cut(begun, _STOPPED)
        self._move(Move.END)
        self._flush_router()

    def _close(self, outlet: Outlet) -> None:
        if (context := self._contexts.pop(outlet, None)) is not None:
            context.close()
        outlet.close()

    def _in_time(self, seconds: float, call: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return maybeDeferred(call, *args).addTimeout(seconds, self._clock)

    def _move(self, move: Move) -> None:
        after = TRANSITIONS[self._life].get(move)
        if after is None:
            raise Misuse(f"the handlers of {self.domain} are {self._life}: {move} must not happen")
        self._life = after

    # -- as an IRoute ------------------------------------------------------------------------------------------------

    def deliver(self, stanza: AddressedStanza) -> None:
        """Ask the handlers in order, after the services that may have asked for this."""
        self._given.append(stanza)
        if self._contexts and any(context.take(stanza) for context in self._contexts.values()):
            return
        if stanza.is_request:
            self._wait_for_answer(stanza)
        self._is_delivering = True
        try:
            if self._living and self._life is not Life.RUNNING:
                self._bounce(stanza, _NOT_RUNNING)
            else:
                self._ask(stanza, self.handlers if not self._contexts else self._asked())
        finally:
            self._is_delivering = False

    def _asked(self) -> list[Any]:
        """Return the handlers in order, each service followed by its context."""
        contexts = {id(handler): self._contexts.get(outlet) for handler, outlet in self._started}
        return [each for handler in self.handlers for each in (handler, contexts.get(id(handler))) if each is not None]

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
        answer: Deferred[Any] = maybeDeferred(self._handle, handlers[0], stanza)
        if not answer.called or answer.paused:
            self._wait_for_answer(stanza, answer)
        answer.addCallback(self._answered, stanza, handlers)
        answer.addErrback(self._broke, stanza, handlers[0])

    def _handle(self, handler: ILocalHandler, stanza: AddressedStanza) -> Any:
        given: Any = self._watched(handler, stanza.name, handler.handle, stanza)
        if not iscoroutine(given):
            return given
        return Deferred.fromCoroutine(self._steps(given, handler, stanza.name))

    def _steps(
        self, work: Coroutine[Any, Any, Any], handler: ILocalHandler, name: str
    ) -> Generator[Deferred[Any], Any, Any]:
        """Take the steps of a coroutine, each up to the next `await`, and watch each of them."""
        go_on, given = work.send, None
        while True:
            try:
                awaited = self._watched(handler, name, go_on, given)
            except StopIteration as end:
                return end.value
            try:
                go_on, given = work.send, (yield awaited)
            except BaseException as error:
                go_on, given = work.throw, error

    def _watched(self, handler: ILocalHandler, name: str, call: Callable[[Any], Any], given: Any) -> Any:
        """Return what a call of a handler returns; tell the operator if it has blocked everything else for long."""
        watch = self._watch
        before = watch.call
        begun = (self._clock.seconds(), handler)
        watch.begin(begun)
        try:
            return call(given)
        finally:
            watch.call = before  # a service may have caused the call of another one
            if (seconds := self._clock.seconds() - begun[0]) >= BLOCKED_SECONDS:
                self._publish(
                    ServiceBlocked(
                        domain=self.domain,
                        service=type(handler).__name__,
                        name=name,
                        seconds=seconds,
                        place=watch.place_of(begun),
                    )
                )

    def _answered(self, answer: Answer, stanza: AddressedStanza, handlers: Sequence[ILocalHandler]) -> None:
        if self._cut_off is stanza:
            return
        if not stanza.is_request:
            self._open.end(stanza)
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

    # -- what waits for an answer ------------------------------------------------------------------------------------

    def _wait_for_answer(self, stanza: AddressedStanza, work: Deferred[Any] | None = None) -> None:
        crowded_out = self._open.begin(stanza, self._clock.seconds() + ANSWER_SECONDS, work)
        if crowded_out is not None:
            self._cut(crowded_out, _TOO_SLOW)
        if self._timer is None:
            self._timer = self._clock.callLater(ANSWER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """Answer the stanzas whose time is up; come back when the next one's is."""
        self._timer = None
        now = self._clock.seconds()
        while (begun := self._open.oldest()) is not None:
            if begun.due > now:
                self._timer = self._clock.callLater(begun.due - now, self._give_up)
                break
            self._cut(begun, _TOO_SLOW)
        self._flush_router()

    def _cut(self, begun: Begun, error: StanzaError) -> None:
        """Answer a stanza with an error, and cancel the work on it."""
        self._open.end(begun.stanza)
        self._router.bounce(begun.stanza, error)
        if begun.work is not None:
            self._cut_off = begun.stanza
            begun.work.cancel()
            self._cut_off = None

    def _bounce(self, stanza: AddressedStanza, error: StanzaError) -> None:
        """Answer with an error, unless the stanza has already been answered."""
        if not self._open.end(stanza) and stanza.is_request:
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
        if is_answer and not self._open.answer(stanza):
            return  # already answered: nobody must be answered twice
        self._said.append(stanza)
        self._router.route(stanza)

    def _send_now(self, stanza: Stanza) -> None:
        if not self.may_send():
            text = "{domain} may be served at another node by now: a stanza that its handlers send is dropped"
            self._log.warn(text, domain=self.domain)
            return
        self._send(stanza)
        self._flush_router()

    def _broke(self, failure: Failure, stanza: AddressedStanza, handler: object) -> None:
        if self._cut_off is stanza:
            return
        if failure.check(Oversized):  # the sender's doing, not the handler's
            self._bounce(stanza, StanzaError(StanzaCondition.POLICY_VIOLATION, str(failure.value)))
            self._flush_router()
            return
        self._log.failure(
            "{handler} failed on a stanza: {name}", failure, handler=type(handler).__name__, name=stanza.name
        )
        self._bounce(stanza, _BROKEN)
        self._flush_router()


def _always() -> bool:
    return True


def _stopping(handler: Any) -> Callable[[], Any]:
    """Return what ends a handler."""
    if IService.providedBy(handler):
        return handler.stop
    return handler.detached if IDetachableHandler.providedBy(handler) else lambda: None


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it has not started after {START_SECONDS:g} s"
    return f"{type(error).__name__}: {error}"
