"""UnansweredRequests: what a pair has asked on a stream that ended before the answers came.

The other server may answer on another stream, so the requests have some seconds; then their senders get an error (RFC
6120 §8.2.3). While a broken stream may still be resumed, that time has not begun: a request that may be sent again must
not be answered before it is known whether it will be.

    state       the stream ended   it may be resumed   another is open   it was resumed   time is up
    NONE        GRACE              RESUMABLE           NONE              NONE             -
    RESUMABLE   GRACE              RESUMABLE           GRACE             NONE             GRACE
    GRACE       GRACE              RESUMABLE           GRACE             NONE             NONE, and they get an error

A stream that ends while earlier requests are unanswered answers those with the error at once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from twisted.internet.interfaces import IReactorTime

from gateway.federation.broken_streams import RESUME_SECONDS
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.routing.requests import RequestKey
from gateway.routing.router import Router
from gateway.stream.lives import after
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import DomainPair


class Life(StrEnum):
    """What the unanswered requests of a pair wait for."""

    NONE = "nothing"
    RESUMABLE = "the end of the time in which their stream may be resumed"
    GRACE = "answers on another stream"


class Move(StrEnum):
    """The moves from one state to another."""

    END = "the end of their stream"
    BREAK = "the end of their stream, which may be resumed"
    OPEN = "another stream"
    RESUME = "their stream, resumed"
    GIVE_UP = "the end of the time"


TRANSITIONS: dict[Life, dict[Move, Life]] = {
    Life.NONE: {
        Move.END: Life.GRACE,
        Move.BREAK: Life.RESUMABLE,
        Move.OPEN: Life.NONE,
        Move.RESUME: Life.NONE,
    },
    Life.RESUMABLE: {
        Move.END: Life.GRACE,
        Move.BREAK: Life.RESUMABLE,
        Move.OPEN: Life.GRACE,
        Move.RESUME: Life.NONE,
        Move.GIVE_UP: Life.GRACE,
    },
    Life.GRACE: {
        Move.END: Life.GRACE,
        Move.BREAK: Life.RESUMABLE,
        Move.OPEN: Life.GRACE,
        Move.RESUME: Life.NONE,
        Move.GIVE_UP: Life.NONE,
    },
}

_NONE: frozenset[RequestKey] = frozenset()  # one for all routes


class UnansweredRequests:
    """The requests of one domain pair."""

    def __init__(
        self,
        pair: DomainPair,
        router: Router,
        clock: IReactorTime,
        *,
        seconds: Callable[[], float],
        over: Callable[[], None],
    ) -> None:
        """`seconds` returns how long answers may take on another stream; `over` is called when that time is over."""
        self.state = Life.NONE
        self._pair = pair
        self._router = router
        self._seconds = seconds
        self._over = over
        self._timer = Timer(clock)
        self._requests = _NONE

    @property
    def is_waiting(self) -> bool:
        """Return whether there may be some."""
        return self.state is not Life.NONE

    def stream_ended(self, *, resuming: bool) -> None:
        """Answer those of earlier streams, and have those of this one wait; `resuming`: it may be resumed."""
        self._bounce()
        self._requests = self._router.requests.waiting(self._pair)
        self._move(Move.BREAK if resuming else Move.END)

    def stream_opened(self, *, resumed: bool) -> None:
        """Note that there is a stream again; one that was `resumed` forgets nothing, and will bring the answers."""
        if resumed:
            self._requests = _NONE
        self._move(Move.RESUME if resumed else Move.OPEN)

    def sent_again(self) -> None:
        """Forget those that are being sent again: they wait on the next stream."""
        self._requests &= self._router.requests.waiting(self._pair)

    def give_up(self) -> None:
        """Answer all of them now."""
        self.state = Life.NONE
        self._timer.stop()
        self._bounce()

    def _move(self, move: Move) -> None:
        before, self.state = self.state, after(TRANSITIONS, self.state, move)
        if self.state is Life.NONE:
            self._timer.stop()
        elif move is not Move.OPEN or self.state is not before:
            seconds = RESUME_SECONDS if self.state is Life.RESUMABLE else self._seconds()
            self._timer.start(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        self._move(Move.GIVE_UP)
        if self.state is Life.NONE:
            self._bounce()
            self._over()

    def _bounce(self) -> None:
        """Answer those that no other stream has answered by now."""
        unanswered, self._requests = self._requests, frozenset()
        if unanswered:
            failed = DeliveryFailed("the stream ended before an answer came")
            self._router.abandon(self._pair, failed.stanza_error(self._pair.target), unanswered)
            self._router.flush()
