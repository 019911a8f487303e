"""BrokenStreams: streams that broke and may be resumed, and the routes that wait for the outcome (XEP-0198 §5).

A broken stream keeps its unacknowledged stanzas until it is known which of them were handled: from the h with which the
other side resumes or refuses, or never. Then the rest is returned to its routes, which send it again before anything
newer. Senders to that domain wait until then, so nothing is overtaken.

We resume the streams that we opened, in several attempts: at once if stanzas are known to wait, else when somebody
wants to send; and again as soon as the other side opens a stream to us. A stream that breaks again and again with
nothing acknowledged is resumed as well, because its acknowledgements may be what was lost; but each time a little
later, because the other side may be failing over a stanza. The other side resumes its own streams, or begins new ones
instead. All of this happens within RESUME_SECONDS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.federation.delivery_failures import DeliveryFailed
from gateway.federation.stream_end import by_pair
from gateway.stream.acknowledgements import Acknowledgements
from gateway.stream.facts import Resumable, Role
from gateway.timing.waiters import Waiters
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import AddressedStanza

RESUME_SECONDS = 60.0
"""The time for which a broken stream is kept."""
PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0)
"""The pauses before each attempt to resume one of our streams, in seconds.

A stream of which the last connections led to nothing begins with a later one.
"""
ATTEMPT_SECONDS = 10.0
"""The time for one attempt: on a network that loses connections, one that hangs must not be the last."""

Unsafe = Callable[[], "Deferred[None] | None"]
"""Returns None if everything received is kept, else a Deferred that fires when everything received so far is."""


class TakeBack(Protocol):
    """Takes the stanzas that a broken stream has not delivered, as far as is known."""

    def __call__(self, stanzas: Sequence[AddressedStanza], *, is_back: bool = True) -> None:
        """`is_back`: the other side has come back since, so that it is not simply away."""


class BrokenStream:
    """One stream that broke and may be resumed."""

    def __init__(
        self,
        pair: DomainPair,
        id_: str,
        acknowledgements: Acknowledgements[AddressedStanza],
        routes: Mapping[DomainPair, TakeBack],
        *,
        role: Role,
        bidirectional: bool,
        in_vain: int = 0,
    ) -> None:
        """`pair` is that of the stream header, `role` the one that we had; `routes` are those that sent on it.

        `in_vain` is as `ManagedStream.in_vain`.
        """
        self.pair = pair
        self.id = id_
        self.acknowledgements = acknowledgements
        self.in_vain = in_vain
        self.is_over = False
        self._role = role
        self._routes = dict(routes)
        self._bidirectional = bidirectional
        self._waiting = Waiters()

    @property
    def pairs(self) -> Sequence[DomainPair]:
        """The pairs that wait for the outcome."""
        return tuple(self._routes)

    @property
    def is_ours(self) -> bool:
        """Return whether we opened it, so that it is ours to resume."""
        return self._role is Role.INITIATING

    @property
    def is_urgent(self) -> bool:
        """Return whether stanzas are known to wait, or may wait on the other side."""
        return bool(self.acknowledgements) or self._bidirectional

    @property
    def pauses(self) -> Sequence[float]:
        """The pauses before each attempt to resume it, in seconds."""
        first = min(max(self.in_vain - 1, 0), len(PAUSES) - 1)
        return (PAUSES[first], *PAUSES[1:])

    @property
    def resumable(self) -> Resumable:
        """The id and count with which the other side is asked to resume."""
        return Resumable(id=self.id, h=self.acknowledgements.h)

    def settle(self, h: int | None, *, is_back: bool = True) -> None:
        """Note that the other side has handled everything up to `h`, or does not know, or is not back.

        Return the rest to its routes.
        """
        if h is not None:
            with suppress(StreamError):  # an impossible h counts as none
                self.acknowledgements.acknowledge(h)
        returned = by_pair(self.acknowledgements.take_back())
        for pair, take_back in self._routes.items():
            take_back(returned.get(pair, ()), is_back=is_back)

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires when the outcome is known; it fails with DeliveryFailed when it is cancelled."""
        return self._waiting.wait(_given_up)

    def end(self) -> None:
        """Let everybody continue, because the outcome is known."""
        self.is_over = True
        self._waiting.release()


def _given_up(wait: Deferred[None]) -> None:
    wait.errback(DeliveryFailed("the stream broke, and was not resumed in time"))


class BrokenStreams:
    """All broken streams that may still be resumed."""

    def __init__(
        self,
        clock: IReactorTime,
        reopen: Callable[[BrokenStream], Deferred[Any]],
        unsafe: Unsafe = lambda: None,
    ) -> None:
        """`reopen` opens a stream that resumes a broken one of ours; it fails with DeliveryFailed.

        Before a stream is resumed, `unsafe` is waited for, so that its h counts everything that came.
        """
        self._unsafe = unsafe
        self._clock = clock
        self._reopen = reopen
        self._by_pair: dict[DomainPair, BrokenStream] = {}
        self._by_id: dict[str, BrokenStream] = {}
        self._timers: dict[BrokenStream, IDelayedCall] = {}
        self._attempts: dict[BrokenStream, Deferred[Any]] = {}
        self._pauses: dict[BrokenStream, IDelayedCall] = {}
        self._is_stopped = False

    def __len__(self) -> int:
        return len(self._timers)

    def expect(self, broken: BrokenStream) -> None:
        """Keep a stream that broke."""
        for pair in broken.pairs:
            self._by_pair[pair] = broken
        self._by_id[broken.id] = broken
        self._timers[broken] = self._clock.callLater(RESUME_SECONDS, self.give_up, broken, is_back=False)
        if self._is_stopped:
            self.give_up(broken)
        elif broken.is_urgent:
            self._resume(broken)

    def outcome(self, pair: DomainPair) -> Deferred[None] | None:
        """Return None if stanzas of this pair wait for no broken stream, else a Deferred that fires when they no longer
        must.
        """
        broken = self._by_pair.get(pair)
        if broken is None:
            return None
        wait = broken.wait()
        self._resume(broken)
        return wait

    def hurry(self, domain: Domain) -> None:
        """End the pauses between attempts, because the other server has shown that it is there."""
        for broken, pause in self._pauses.items():
            if broken.pair.target == domain and pause.active():
                pause.reset(0)

    def settle(self, id_: str, h: int) -> None:
        """Let the other side resume a stream; return what is left over to its routes."""
        if id_ in self._by_id:
            self._by_id[id_].settle(h)

    def resumed(self, id_: str) -> None:
        """Note that the other side has resumed a stream."""
        if id_ in self._by_id:
            self._end(self._by_id[id_])

    def forgotten(self, pair: DomainPair) -> None:
        """Note that the other side begins a new stream of this pair: it will not resume the one that broke."""
        for broken in tuple(self._timers):
            if not broken.is_ours and broken.pair == pair:
                self.give_up(broken)

    def give_up(self, broken: BrokenStream, *, is_back: bool = True) -> None:
        """Return everything in doubt to its routes, because it will not be resumed."""
        attempt = self._attempts.pop(broken, None)
        if not broken.is_over:
            broken.is_over = True
            if attempt is not None:
                attempt.cancel()
            broken.settle(None, is_back=is_back)
            self._end(broken)

    def stop(self) -> None:
        """Stop waiting for anything."""
        self._is_stopped = True
        for broken in tuple(self._timers):
            self.give_up(broken)

    def _resume(self, broken: BrokenStream) -> None:
        if broken.is_ours and broken not in self._attempts:
            self._attempts[broken] = Deferred.fromCoroutine(self._try(broken))

    async def _try(self, broken: BrokenStream) -> None:
        is_back = False
        with suppress(CancelledError):
            for pause in broken.pauses:
                await self._pause(broken, pause)
                if (unsafe := self._unsafe()) is not None:
                    await unsafe
                with suppress(DeliveryFailed, TimeoutError):
                    await self._reopen(broken).addTimeout(ATTEMPT_SECONDS, self._clock)
                    is_back = True
                    break
                if broken.is_over:
                    break
        if not broken.is_over:
            broken.settle(None, is_back=is_back)  # if it could not be resumed
            self._end(broken)

    def _pause(self, broken: BrokenStream, seconds: float) -> Deferred[None]:
        wait: Deferred[None] = Deferred(lambda _: pause.cancel())
        pause = self._pauses[broken] = self._clock.callLater(seconds, wait.callback, None)
        return wait

    def _end(self, broken: BrokenStream) -> None:
        for pair in broken.pairs:
            if self._by_pair.get(pair) is broken:
                del self._by_pair[pair]
        if self._by_id.get(broken.id) is broken:
            del self._by_id[broken.id]
        timer = self._timers.pop(broken, None)
        if timer is not None and timer.active():
            timer.cancel()
        self._attempts.pop(broken, None)
        self._pauses.pop(broken, None)
        broken.end()
