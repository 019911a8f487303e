"""Steps that wait in the queue of an account: those of its owner, and those of everybody else.

Nobody waits behind somebody else's flood. The steps of one *cause* keep their order: an account of this domain, or
another domain with its subdomains. Between the causes, one step of each is taken in turn. When there are too many, the
newest of the cause that has most is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from twisted.internet.defer import Deferred

from gateway.bounds.tables import family
from gateway.xmpp.addresses import Address, Domain

Later: TypeAlias = Coroutine[Deferred[Any], Any, None] | None
# A job returns None when it is done, or a coroutine if it has to wait for something.
AccountJob: TypeAlias = Callable[..., Later]
# Called for a step that fails, with the step's own arguments and then the Failure.
Failed: TypeAlias = Callable[..., None]


def cause_of(sender: Address, here: Domain) -> str:
    """Return what counts as one sender: an account of this domain, or another domain with its subdomains."""
    return sender.bare if sender.domain == here else family(sender.domain)


class StepKind(Enum):
    """What a step is for."""

    STANZA = "a stanza"
    STATE = "a client that comes or goes"  # must not be refused, nor overtaken by steps of others
    MARK = "a Deferred"  # must not be refused


class WaitingStep(NamedTuple):
    """A step with its arguments, and the bytes that it keeps in memory."""

    job: AccountJob
    failed: Failed
    arguments: tuple[Any, ...]
    size: int = 0
    kind: StepKind = StepKind.STANZA


class Steps:
    """Steps in order."""

    __slots__ = ("number", "size", "steps")

    def __init__(self) -> None:
        self.steps: deque[WaitingStep] = deque()
        self.number = 0  # of stanzas
        self.size = 0

    def put(self, step: WaitingStep, *, is_first: bool = False) -> None:
        """Put a step behind the others, or before them."""
        if is_first:
            self.steps.appendleft(step)
        else:
            self.steps.append(step)
        self.count(step, 1)

    def take(self) -> WaitingStep:
        """Take the first step."""
        step = self.steps.popleft()
        self.count(step, -1)
        return step

    def take_newest(self) -> WaitingStep:
        """Take the last step for a stanza."""
        place = next(place for place in reversed(range(len(self.steps))) if self.steps[place].kind is StepKind.STANZA)
        step = self.steps[place]
        del self.steps[place]
        self.count(step, -1)
        return step

    def count(self, step: WaitingStep, by: int) -> None:
        """Change the numbers."""
        if step.kind is StepKind.STANZA:
            self.number += by
            self.size += by * step.size


class SharedSteps:
    """The steps for stanzas of others, by their causes."""

    __slots__ = ("_all", "_most", "_most_bytes", "_shares")

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._all = Steps()  # its numbers only
        self._shares: dict[str, Steps] = {}  # the cause whose turn is next comes first

    def __bool__(self) -> bool:
        return bool(self._shares)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._shares))

    def __contains__(self, cause: object) -> bool:
        return cause in self._shares

    def put(self, cause: str, step: WaitingStep) -> list[WaitingStep]:
        """Put a step behind those of its cause; return the steps for which there is no more room."""
        share = self._shares.get(cause)
        if share is None:
            share = self._shares[cause] = Steps()
        share.put(step)
        self._all.count(step, 1)
        refused = []
        while self._all.number > self._most:
            refused.append(self._newest_of(max((share, *self._shares.values()), key=lambda each: each.number)))
        while self._all.size > self._most_bytes:
            refused.append(self._newest_of(max((share, *self._shares.values()), key=lambda each: each.size)))
        if refused:
            self._shares = {cause: share for cause, share in self._shares.items() if share.steps}
        return refused

    def take(self) -> WaitingStep:
        """Take the first step of the cause whose turn it is."""
        cause, share = next(iter(self._shares.items()))
        del self._shares[cause]
        step = share.take()
        self._all.count(step, -1)
        if share.steps:
            self._shares[cause] = share
        return step

    def _newest_of(self, share: Steps) -> WaitingStep:
        step = share.take_newest()
        self._all.count(step, -1)
        return step
