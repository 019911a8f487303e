"""TurnShares: what one read has led to, carried out in shares.

A read may bring more than a thousand stanzas, and some kinds are slow: each may be for another domain, or ask for an
answer that has to be put together. So a turn of the event loop carries out what came until some hundredths of a second
are over. The rest is for later turns, in order, and nothing more is read before it is done. Others have their turn in
between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.stream.events import StanzasReceived
from gateway.stream.sessions import Ending
from gateway.stream.stream import Output

STANZAS_AT_ONCE = 200
"""The most stanzas between two looks at the clock."""
SECONDS_AT_ONCE = 0.02
"""The seconds after which a share ends."""


class TurnShares:
    """The outputs of a stream that are still to be carried out."""

    __slots__ = ("_abort", "_carry_out", "_clock", "_finished", "_later", "_rest", "ending", "until_done")

    def __init__(
        self,
        clock: IReactorTime,
        carry_out: Callable[[Output], None],
        finished: Callable[[TurnShares], None],
        abort: Callable[[str], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        """`finished` is called when nothing is left; `abort` cuts the connection, as Twisted does when code that reads
        from it fails; `later` has the next share taken in another turn.
        """
        self.ending: Ending | None = None  # of the connection, if it is lost meanwhile
        self.until_done: Deferred[None] | None = None  # once there was more than one share
        self._clock = clock
        self._carry_out = carry_out
        self._finished = finished
        self._abort = abort
        self._later = later
        self._rest: deque[Output] = deque()

    def put(self, outputs: Iterable[Output]) -> None:
        """Carry out these, too, behind everything else."""
        self._rest.extend(_in_pieces(outputs))

    def put_first(self, outputs: Iterable[Output]) -> None:
        """Carry out these next."""
        self._rest.extendleft(reversed([*_in_pieces(outputs)]))

    def take(self) -> Deferred[None] | None:
        """Carry out a share, and the others in later turns; return a Deferred that fires when all is done, or None if
        it is.
        """
        until = self._clock.seconds() + SECONDS_AT_ONCE
        try:
            while self._rest:
                self._carry_out(self._rest.popleft())
                if self._rest and self._clock.seconds() >= until:
                    self._later(self._take_later)
                    if self.until_done is None:
                        self.until_done = Deferred()
                    return self.until_done
        except Exception:
            self._rest.clear()
            self._end()
            raise
        self._end()
        return None

    def _take_later(self) -> None:
        try:
            self.take()
        except Exception:
            self._abort("a failure of the gateway")
            raise

    def _end(self) -> None:
        self._finished(self)
        if self.until_done is not None:
            self.until_done.callback(None)


def is_much(outputs: list[Output]) -> bool:
    """Return whether so much has come that it is carried out in shares."""
    if len(outputs) > STANZAS_AT_ONCE:
        return True
    return any(type(each) is StanzasReceived and len(each.stanzas) > STANZAS_AT_ONCE for each in outputs)


def _in_pieces(outputs: Iterable[Output]) -> Iterator[Output]:
    for output in outputs:
        if type(output) is StanzasReceived and len(output.stanzas) > STANZAS_AT_ONCE:
            stanzas = output.stanzas
            for place in range(0, len(stanzas), STANZAS_AT_ONCE):
                yield StanzasReceived(stanzas=stanzas[place : place + STANZAS_AT_ONCE])
        else:
            yield output
