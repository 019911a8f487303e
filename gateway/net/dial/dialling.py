"""Dialling the targets of a remote domain until one connection is up (RFC 8305 §5).

    dialled = await dial(reactor, resolution.targets, lambda target: StreamProtocol(...))

The targets are tried in order; the next one's turn comes when every address of the one before has failed. The addresses
of one target race: a new attempt starts when the last one failed or has not answered for a quarter of a second, the
first connection wins, and the open attempts are given up. Cancelling the Deferred gives up everything. Each attempt and
its end becomes a sentence for the operator.

Twisted's HostnameEndpoint runs such a race, too, but does not report the result for each address.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionRefusedError, TCPTimedOutError, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from gateway.net.dns.target_search import Note
from gateway.net.dns.targets import Target, endpoint_text
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import DiallingFailed

ATTEMPT_DELAY = 0.25
ATTEMPT_SECONDS = 10.0

ProtocolT = TypeVar("ProtocolT", bound=Protocol)
Build = Callable[[Target], ProtocolT]


@dataclass(frozen=True, kw_only=True)
class Dialled(Generic[ProtocolT]):
    """An open connection: its protocol, its target, and everything tried before it.

    `untried` are the addresses of the same target that did not fail: another server may answer there.
    """

    protocol: ProtocolT
    target: Target
    address: str
    steps: tuple[str, ...]
    untried: tuple[str, ...] = ()


async def dial(
    reactor: IReactor,
    targets: Sequence[Target],
    build: Build[ProtocolT],
    *,
    note: Note = lambda step: None,
    attempt_delay: float = ATTEMPT_DELAY,
    attempt_seconds: float = ATTEMPT_SECONDS,
) -> Dialled[ProtocolT]:
    """Connect to the first target that accepts; `build` makes the protocol for the connection that won.

    Raise DiallingFailed if no address accepted a connection. It is `permanent` if none of the targets came from a
    service record or from the configuration, so that port 5269 was only the convention (RFC 6120 §8.3.3.16).
    """
    steps: list[str] = []

    def say(step: str) -> None:
        steps.append(step)
        note(step)

    silent = bool(targets)
    for target in targets:
        race = Race(reactor, target, build, say, attempt_delay, attempt_seconds)
        won = await race.run()
        if won is not None:
            protocol, address = won
            return Dialled(
                protocol=protocol,
                target=target,
                address=address,
                steps=tuple(steps),
                untried=tuple(other for other in target.addresses if other not in (address, *race.failed)),
            )
        silent = silent and race.silent
    permanent = all(target.source == "fallback" for target in targets)
    sentence = "; ".join(steps) or "there is nothing to dial"
    raise DiallingFailed(sentence, permanent=permanent, steps=steps, silent=silent)


class Race(Generic[ProtocolT]):
    """The attempts to connect to one target."""

    def __init__(
        self,
        reactor: IReactor,
        target: Target,
        build: Build[ProtocolT],
        say: Note,
        attempt_delay: float,
        attempt_seconds: float,
    ) -> None:
        self._reactor = reactor
        self._target = target
        self._factory: Any = Factory.forProtocol(partial(build, target))
        self._factory.noisy = False
        self.silent = True  # until any address answers in any way
        self.failed: list[str] = []
        self._say = say
        self._delay = attempt_delay
        self._seconds = attempt_seconds
        self._ahead = deque(dict.fromkeys(target.addresses))
        self._attempts: dict[str, Deferred[IProtocol]] = {}
        self._timer: IDelayedCall | None = None
        self._end: Deferred[tuple[ProtocolT, str] | None] = Deferred(lambda end: self._give_up())

    def run(self) -> Deferred[tuple[ProtocolT, str] | None]:
        """Start; the Deferred fires with the protocol and address of the winner, or with None
        if all attempts failed.
        """
        self._start_next()
        return self._end

    def _start_next(self) -> None:
        self._stop_timer()
        if self._ahead:
            self._attempt(self._ahead.popleft())
        elif not self._attempts:
            self._end.callback(None)

    def _attempt(self, address: str) -> None:
        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        endpoint = kind(self._reactor, address, self._target.port, timeout=self._seconds)
        if self._ahead:
            self._timer = self._reactor.callLater(self._delay, self._start_next)
        attempt = self._attempts[address] = endpoint.connect(self._factory)
        attempt.addCallbacks(self._won, self._lost, callbackArgs=(address,), errbackArgs=(address,))
        attempt.addErrback(self._broke)

    def _won(self, protocol: ProtocolT, address: str) -> None:
        del self._attempts[address]
        self._give_up()
        self._tell(address, "connected")
        self._end.callback((protocol, address))

    def _lost(self, failure: Failure, address: str) -> None:
        if self._attempts.pop(address, None) is None:
            return  # given up
        error = failure.value
        if not isinstance(error, ConnectError):
            failure.raiseException()  # our own bug
        self.failed.append(address)
        self.silent = self.silent and isinstance(error, TimeoutError)
        self._tell(address, self._in_words(error))
        self._start_next()

    def _broke(self, failure: Failure) -> None:
        """Fail, because not the network but our own code failed."""
        self._give_up()
        self._end.errback(failure)

    def _give_up(self) -> None:
        self._stop_timer()
        self._factory.protocol = None  # build nothing more; Twisted's parts of the connection refer to the factory
        attempts, self._attempts = self._attempts, {}
        for address, attempt in attempts.items():
            self._tell(address, "had not answered yet, so it was given up")
            attempt.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _tell(self, address: str, what: str) -> None:
        self._say(f"{endpoint_text(address, self._target.port)} {what}")

    def _in_words(self, error: ConnectError) -> str:
        match error:
            case ConnectionRefusedError():
                return "refused"
            case TimeoutError():
                return f"timed out after {self._seconds:g} s"
            case TCPTimedOutError():
                return "timed out"
        return f"not reached: {os.strerror(error.osError) if isinstance(error.osError, int) else error}"
