"""An object that lives in its own process: calls are begun here, done there, and collected here.

    counter = Remote(Counter, address, secret)
    counter.begin("take", 1000)
    ...
    answer = counter.collect()

Each answer comes with the time and the processor time that the call took over there.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

ANSWER_SECONDS = 120
STOP_SECONDS = 5


class RemoteFailure(Exception):
    """The call failed in the other process, or did not return; with the traceback."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of a call, and the wall and processor seconds that it took in its process."""

    value: Any
    seconds: float
    cpu_seconds: float


class Remote:
    """The object that `factory(*arguments)` makes, in a process that ends with this one."""

    def __init__(self, factory: Callable[..., Any], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = factory.__name__
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, factory, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.collect()

    def begin(self, method: str, *arguments: Any) -> None:
        """Start a call; its result is collected later."""
        self._connection.send((method, arguments))

    def collect(self, timeout: float = ANSWER_SECONDS) -> Answer:
        """Wait for the result of the call."""
        if not self._connection.poll(timeout):
            raise RemoteFailure(f"{self._name} gave no answer within {timeout:g} s")
        try:
            answer = self._connection.recv()
        except EOFError:
            raise RemoteFailure(f"the process of {self._name} has ended") from None
        if isinstance(answer, str):
            raise RemoteFailure(f"{self._name} failed:\n{answer}")
        return answer

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method and wait for it; return only the value."""
        self.begin(method, *arguments)
        return self.collect().value

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def _serve(connection: Connection, factory: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Run the calls in the other process, until there are no more."""
    try:
        actor: Any = None

        def make() -> None:
            nonlocal actor
            actor = factory(*arguments)

        connection.send(_done(make))
        while True:
            method, given = connection.recv()
            connection.send(_done(lambda m=method, g=given: getattr(actor, m)(*g)))
    except (EOFError, OSError, KeyboardInterrupt):
        pass


def _done(call: Callable[[], Any]) -> Answer | str:
    began, cpu_began = time.perf_counter(), time.process_time()
    try:
        value = call()
    except Exception:
        return traceback.format_exc()
    return Answer(value=value, seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu_began)
