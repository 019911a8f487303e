"""AnswerShares: what a client has sent, taken in shares.

A few bytes can ask for much: a whole roster, a list of blocked addresses, a document, streams to hundreds of domains.
So what came with one read is taken until its answers are large, a question has to wait for the store, or it has taken
some hundredths of a second. The rest is taken in a later turn of the event loop, once the answers are written and there
is room for more; until then nothing more is read. So a client holds up everybody else for one share at most, and
answers that it does not read take no memory.

While too much is unacknowledged (XEP-0198), nothing is taken either, but reading goes on until MOST_UNTAKEN bytes wait:
what comes next may be the acknowledgement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.timing.timers import Timer
from gateway.timing.waiters import Waiters
from gateway.xmpp.stanzas import Stanza

ANSWERS_AT_ONCE = 1 << 16
"""The bytes of answers after which the share ends."""
SECONDS_AT_ONCE = 0.02
"""The seconds after which it ends."""

MOST_UNTAKEN = 1 << 16
"""The bytes of stanzas that may wait for the client's acknowledgement while more is read."""


class AnswerShares:
    """The stanzas of one client that were read and not yet taken."""

    __slots__ = (
        "_is_unacknowledged",
        "_next",
        "_reading",
        "_rest",
        "_settle",
        "_take_share",
        "_until_ready",
        "_until_taken",
    )

    def __init__(
        self,
        clock: IReactorTime,
        take_share: Callable[[Iterable[Stanza]], int],
        settle: Callable[[], Deferred[None] | None],
        until_ready: Callable[[], Deferred[None] | None],
        is_unacknowledged: Callable[[], bool],
    ) -> None:
        """`take_share` takes the first of these stanzas and returns how many; `settle` writes what they have caused,
        and returns a Deferred if their receivers have no room; `until_ready` returns one while the client has no room
        for answers, or some of them wait for the store; `is_unacknowledged` returns whether the client has to
        acknowledge something before it is sent more.
        """
        self._take_share = take_share
        self._settle = settle
        self._until_ready = until_ready
        self._is_unacknowledged = is_unacknowledged
        self._rest: deque[Stanza] | None = None  # hardly any client ever has one
        self._next = Timer(clock)
        self._until_taken = Waiters()
        self._reading = Waiters()  # on which the connection waits

    def take(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Take what was read; return a Deferred if nothing more should be read until it fires."""
        if not self._rest:
            if not self._is_unacknowledged():
                taken = self._take_share(stanzas)
                if taken == len(stanzas):
                    return self._settled()
                stanzas = stanzas[taken:]
                self._settle()
            self._take_more_later()
        if self._rest is None:
            self._rest = deque()
        self._rest.extend(stanzas)
        return None if self._may_read_on() else self._reading.wait()

    def _settled(self) -> Deferred[None] | None:
        wait = self._settle()
        return None if wait is None or self._is_unacknowledged() else wait

    def _may_read_on(self) -> bool:
        return self._is_unacknowledged() and sum([len(stanza.raw) for stanza in self._rest or ()]) <= MOST_UNTAKEN

    def taken(self) -> Deferred[None] | None:
        """Return None if everything that was read is taken, else a Deferred that fires when it is."""
        return self._until_taken.wait() if self._rest else None

    def end(self) -> Iterator[Stanza]:
        """Take no further shares, and yield what is left."""
        self._next.stop()
        yield from _drawn(self._rest)
        self._release()

    def _take_more_later(self) -> None:
        self._next.start(0, self._take_more)

    def _take_more(self) -> None:
        wait = self._until_ready()
        if wait is not None:
            if self._may_read_on():
                self._reading.release()
            wait.addCallback(lambda _: self._take_more_later() if self._rest else None)
            return
        self._take_share(_drawn(self._rest))
        wait = self._settled()
        if self._rest:
            self._take_more_later()
        elif wait is None:
            self._release()
        else:
            wait.addCallback(lambda _: self._release())

    def _release(self) -> None:
        self._until_taken.release()
        self._reading.release()


def _drawn(stanzas: deque[Stanza] | None) -> Iterator[Stanza]:
    """Yield the stanzas, each of which is then no longer there."""
    while stanzas:
        yield stanzas.popleft()
