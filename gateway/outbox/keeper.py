"""Keeper: the part that all keepers of stanzas share, and the one answer to "is everything safe?".

A stanza counts as handled, and is acknowledged to its sender (XEP-0198 §4), once its transaction is on disk. So code
that counts stanzas calls `unsafe` once for each batch. It returns None while nothing is being written, which is nearly
always; otherwise a Deferred that fires when everything put so far has been kept, or has had another end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime

from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxError, OutboxUnavailable, error_of
from gateway.outbox.followers import Space
from gateway.outbox.interfaces import IOutbox
from gateway.outbox.progress import Progress
from gateway.xmpp.addresses import Domain, DomainPair


class PutRun(Protocol):
    """Stanzas that are put together: a Putter that passes its number on to `Keeper.finished` at the end."""

    put: int
    accepted: float
    expires: float

    def kept(self, numbers: Sequence[int]) -> None: ...
    def not_kept(self, error: OutboxError) -> None: ...


class Keeper:
    """The outbox, once it is open, and the transactions under way to it."""

    def __init__(
        self, clock: IReactorTime, time_of_day: Callable[[], float], name: str = "xg", *, space: Space | None = None
    ) -> None:
        """`name` begins the resource from which we ask whether stanzas have arrived.

        `space` is the memory for stanzas that wait behind kept ones; without it, they are not counted.
        """
        self.clock = clock
        self.time_of_day = time_of_day
        self.space = space
        self.outbox: IOutbox | None = None
        self.held: set[Domain] = set()  # by the operator: kept stanzas are not sent there
        self.expiry_begins = 0.0  # nothing expires before: after a start, components are away, and would get no error
        self.oldest: float | None = None  # when the oldest stanza was accepted; read every few seconds
        self.counts: dict[str, int] = dict.fromkeys(COUNTED, 0)
        self._name = name
        self._numbers = count(1)
        self._puts = Progress()
        self._opening: int | None = None  # the job of opening the outbox for the first time
        self._waiting: deque[tuple[int, Deferred[None]]] = deque()

    @property
    def is_opening(self) -> bool:
        """Return whether it is still unknown what earlier processes have kept, so that anything may have to wait."""
        return self._opening is not None

    def begin_opening(self) -> None:
        """Let everything wait until `end_opening`; nothing counts as safe before."""
        self._opening = self._puts.ask()

    def end_opening(self, tell: Callable[[], None]) -> None:
        """Call `tell`, which lets the routes go on and put what has waited; it counts as safe once that is done."""
        number, self._opening = self._opening, None
        tell()
        if number is not None:
            self._waiting = deque((self._puts.asked, wait) for _, wait in self._waiting)
            self.finished(number)

    @property
    def takes(self) -> bool:
        """Return whether stanzas are accepted now."""
        return self.outbox is not None and self.outbox.condition is Condition.READY and not self.is_opening

    def refusal(self) -> OutboxUnavailable:
        """Return why stanzas are refused."""
        return OutboxUnavailable(self.outbox.condition if self.outbox is not None else Condition.CLOSED)

    def new_resource(self) -> str:
        """Return a resource that nobody else has."""
        return f"{self._name}-{next(self._numbers)}"

    def waiting(self, pair: DomainPair) -> int:
        """Return how many stanzas of a pair are kept, or are being put."""
        return self.outbox.waiting(pair) if self.outbox is not None else 0

    def put(self, run: PutRun, pair: DomainPair, stanzas: Sequence[bytes], key: bytes | None = None) -> None:
        """Keep stanzas in order, or one in place of that with the same key; the run is called with the outcome."""
        run.put = self._puts.ask()
        outbox = self.outbox
        if outbox is None:
            run.not_kept(self.refusal())
        elif key is None:
            outbox.put_for(run, pair, stanzas, accepted=run.accepted, expires=run.expires)
        else:
            asked = outbox.put_newest(pair, key, stanzas[0], accepted=run.accepted, expires=run.expires)
            asked.addCallbacks(lambda number: run.kept((number,)), lambda failure: run.not_kept(error_of(failure)))

    def withhold(self, pair: DomainPair, stanza: bytes, rule: str, accepted: float, expires: float) -> Deferred[Any]:
        """Hold a stanza back for the operator; return as `IOutbox.withhold` does."""
        outbox = self.outbox
        if outbox is None:
            return fail(self.refusal())
        outcome: Deferred[Any] = Deferred()
        asked = outbox.withhold(pair, stanza, accepted=accepted, expires=expires, rule=rule)
        put = self._puts.ask()
        asked.addCallbacks(outcome.callback, outcome.errback)
        asked.addBoth(lambda _: self.finished(put))
        return outcome

    def unsafe(self) -> Deferred[None] | None:
        """Return None if everything put is safe, else a Deferred that fires when everything put so far is."""
        if self._puts.is_complete:
            return None
        wait: Deferred[None] = Deferred()
        self._waiting.append((self._puts.asked, wait))
        return wait

    def finished(self, put: int) -> None:
        """Note that a put has ended. Its stanzas are kept by now, or bounced, or they wait in memory again."""
        self._puts.finish(put)  # a refused put is answered at once, before those that are being written
        while self._waiting and self._waiting[0][0] <= self._puts.done:
            self._waiting.popleft()[1].callback(None)


COUNTED = ("kept", "delivered", "expired", "refused", "set_aside", "maybe_twice", "returned", "in_doubt")
"""The counters since the start, in stanzas."""
