"""Ages: since when the oldest stanza waits in the outbox for each other domain, read in the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.python.failure import Failure

from gateway.outbox.errors import OutboxError
from gateway.outbox.keeper import Keeper
from gateway.outbox.records import PairState


class Ages:
    """The times of day at which the oldest stanzas were accepted, by domain, as of the last reading."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._is_reading = False
        self.oldest: Mapping[str, float] = {}

    def read(self) -> None:
        """Begin to read them, if anything waits and no reading is under way."""
        outbox = self._keeper.outbox
        if outbox is None or not outbox.stanzas:
            self.oldest = {}
        elif not self._is_reading:
            self._is_reading = True
            outbox.pairs().addCallbacks(self._found, _told_elsewhere).addBoth(self._done)

    def _found(self, pairs: Sequence[PairState]) -> None:
        oldest: dict[str, float] = {}
        for each in pairs:
            target = each.pair.target
            oldest[target] = min(each.oldest, oldest.get(target, each.oldest))
        self.oldest = oldest

    def _done(self, result: Any) -> Any:
        self._is_reading = False
        return result


def _told_elsewhere(failure: Failure) -> None:
    """Pass over a failure of the outbox: its condition is a trouble of its own."""
    failure.trap(OutboxError)
