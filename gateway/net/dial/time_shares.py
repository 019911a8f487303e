"""Shares of the time for opening a stream: a server that stays silent leaves some for the others of its domain."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

_LEAST_SHARE = 2.0  # seconds; less would give no server a chance


class TimeShare:
    """One server's share, as one of `parts`, of the time that is left for opening the stream.

    A server that is checking our dialback key gets half of what is left: any other server of the domain would have to
    do the same work.
    """

    def __init__(self, reactor: IReactorTime, until: float, parts: int) -> None:
        self.is_over = False
        self._reactor = reactor
        self._until = until
        now = reactor.seconds()
        self.seconds = max(_LEAST_SHARE, (until - now) / parts)
        self._ends_at = now + self.seconds
        self._timer: IDelayedCall | None = None

    def begin(self, expire: Callable[[], object], is_busy: Callable[[], bool] = lambda: False) -> None:
        """Call `expire` when the time is over, unless it is ended before."""
        left = max(0.0, self._ends_at - self._reactor.seconds())
        self._timer = self._reactor.callLater(left, self._over, expire, is_busy)

    def _over(self, expire: Callable[[], object], is_busy: Callable[[], bool]) -> None:
        left = (self._until - self._reactor.seconds()) / 2
        if left > _LEAST_SHARE and is_busy():
            self._timer = self._reactor.callLater(left, self._over, expire, lambda: False)
            return
        self.is_over = True
        expire()

    def end(self) -> None:
        """Stop the clock."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
