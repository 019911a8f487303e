"""The real reactor for tests that need sockets: started once, in a thread, for the whole pytest session.

    async def scenario() -> None:
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        ...

    run_in_reactor(scenario)

The coroutine runs in the reactor's thread, where everything of Twisted may be called; its result or its exception
comes back to the test. Nothing of it goes on after the timeout. `from twisted.internet import reactor` gives the same
reactor. Signals stay with pytest, so `reactor.spawnProcess` would not see its children end: use `subprocess`.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

T = TypeVar("T")

PATIENCE_SECONDS = 60  # of a busy machine
STOP_SECONDS = 5


def run_in_reactor(scenario: Callable[[], Coroutine[Deferred[Any], Any, T]], timeout: float = PATIENCE_SECONDS) -> T:
    """Run `scenario()` in the reactor's thread and return what it returns, or raise what it raises.

    After `timeout` seconds it is cancelled, and this raises the built-in `TimeoutError`.
    """
    reactor = running_reactor()

    def too_late(result: object, seconds: float) -> object:
        raise TimeoutError(f"the scenario took longer than {seconds:g} s: {result}")

    def start() -> Deferred[T]:
        return Deferred.fromCoroutine(scenario()).addTimeout(timeout, reactor, too_late)

    return blockingCallFromThread(reactor, start)


@cache
def running_reactor() -> Any:
    """The reactor of this process, running in its thread."""
    from twisted.internet import reactor

    running = threading.Event()
    reactor.callWhenRunning(running.set)
    thread = threading.Thread(
        target=reactor.run, kwargs={"installSignalHandlers": False}, name="reactor of the tests", daemon=True
    )
    thread.start()
    if not running.wait(STOP_SECONDS):
        raise RuntimeError("the reactor of the tests did not start")
    atexit.register(_stop, reactor, thread)
    return reactor


def _stop(reactor: Any, thread: threading.Thread) -> None:
    reactor.callFromThread(reactor.stop)
    thread.join(STOP_SECONDS)
