"""SingleService: handlers that run at one node of a cluster at a time.

Every node has the handlers of such a domain, and a `ComponentRoute` that leads to them, wherever they run. At the node
that owns the shard of the domain they are started, and then attached to the route as if they were a component; the
other nodes see them there, and stanzas that come in at those nodes cross. When the shard changes hands, the handlers
are detached, then stopped, and only then released to the next owner.

A node whose lease has run out lets nothing more out of handlers that send on their own initiative, whatever they still
do until they have been stopped: somebody else may run them by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from gateway.components.route import ComponentRoute
from gateway.components.slots import WithoutConnection
from gateway.handlers.route import HandlerRoute
from gateway.notices.notices import Level, Publish, Remark
from gateway.routing.interfaces import IRouter
from gateway.routing.outflow import Lately
from gateway.timing.timers import Timer
from gateway.timing.waiters import Waiters
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError
from gateway.xmpp.stanzas import AddressedStanza

AGAIN_SECONDS = 30.0
"""Seconds after which handlers that could not be started are tried again."""


class HandlersSession(WithoutConnection):
    """The handlers of a single service that run here, as the route of their domain sees them."""

    is_elsewhere = False
    has_room = True
    address = "this node"

    def __init__(self, handlers: HandlerRoute, router: IRouter, clock: IReactorTime) -> None:
        self.written = Lately()
        self._handlers = handlers
        self._router = router
        self._clock = clock
        self._soon = Timer(clock)

    # -- as a Channel ------------------------------------------------------------------------------------------------

    def send(self, batch: Sequence[AddressedStanza]) -> None:
        """As `Channel.send`: the handlers take everything at once."""
        for stanza in batch:
            self._handlers.deliver(stanza)
        self._handlers.flush()
        self._soon.start(0, self._flush_router)  # nobody else flushes if this was not called by a flush

    def room(self) -> Deferred[None] | None:
        """As `Channel.room`."""
        return None

    def _flush_router(self) -> None:
        self._router.flush()

    # -- as Attachable -----------------------------------------------------------------------------------------------

    def write_kept(self, stanzas: Sequence[AddressedStanza]) -> None:
        """As `Attachable.write_kept`."""
        self.send(stanzas)

    def prove(self, ping: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        """As `Attachable.prove`: what was given to the handlers has arrived."""
        self._clock.callLater(0, answered, ping)


class SingleService:
    """The handlers of one domain, which run here while this node owns the domain's shard."""

    def __init__(
        self,
        domain: Domain,
        route: ComponentRoute,
        handlers: HandlerRoute,
        router: IRouter,
        clock: IReactorTime,
        publish: Publish,
    ) -> None:
        self.domain = domain
        self.route = route
        self.handlers = handlers
        self._session = HandlersSession(handlers, router, clock)
        self._publish = publish
        self._needs: set[str] = {"a start", "the shard"}  # what is missing before the handlers may run
        self._following: Deferred[None] | None = None
        self._settled = Waiters()
        self._again = Timer(clock)

    def let_send(self, may_send: Callable[[], bool]) -> None:
        """Drop what the handlers send on their own initiative while `may_send` returns False."""
        self.handlers.may_send = may_send

    def own(self, is_ours: bool) -> Deferred[None] | None:
        """Run the handlers if this node owns the shard, or stop them; return a Deferred if that takes time."""
        return self._follow("the shard", is_missing=not is_ours)

    def start(self) -> Deferred[None]:
        """Run the handlers as soon as this node owns the shard: everything around them is ready."""
        return self._follow("a start", is_missing=False) or succeed(None)

    def stop(self) -> Deferred[None]:
        """Stop the handlers, and do not run them before the next `start`."""
        return self._follow("a start", is_missing=True) or succeed(None)

    # -- following ---------------------------------------------------------------------------------------------------

    def _follow(self, need: str, *, is_missing: bool) -> Deferred[None] | None:
        (self._needs.add if is_missing else self._needs.discard)(need)
        self._again.stop()
        if self._following is None:
            self._following = Deferred.fromCoroutine(self._change())
            self._following.addBoth(self._has_followed)
        elif is_missing and not self.handlers.is_running:
            self.handlers.stop()  # cancels a start that is under way
        return self._settled.wait() if self._following is not None else None

    def _has_followed(self, result: object) -> object:
        self._following = None
        self._settled.release()
        return result

    async def _change(self) -> None:
        """Start or stop until the handlers do what they should, which may change meanwhile."""
        while True:
            if not self._needs and not self.handlers.is_running:
                if not await self._start():
                    return
            elif self._needs and self.handlers.is_running:
                self.route.detach(self._session, "the service is stopped at this node")
                await self.handlers.stop()
            else:
                return

    async def _start(self) -> bool:
        """Start the handlers; return False after a failure."""
        try:
            await self.handlers.start()
        except CancelledError:
            return True
        except ConfigError as problem:
            told = f"{problem}; this node tries again in {AGAIN_SECONDS:g} s"
            self._publish(Remark(text=told, weight=Level.ERROR))
            self._again.start(AGAIN_SECONDS, self._try_again)
            return False
        self.route.attach(self._session)
        return True

    def _try_again(self) -> None:
        self._follow("", is_missing=False)
