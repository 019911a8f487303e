"""Ages: since when the oldest stanza waits in the outbox for each other domain, read in the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from gateway.outbox.errors import ignore_failure
from gateway.outbox.keeper import Keeper
from gateway.outbox.records import PairState

T = TypeVar("T")


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
            outbox.pairs().addCallbacks(self._found, ignore_failure).addBoth(self._done)

    def _found(self, pairs: Sequence[PairState]) -> None:
        oldest: dict[str, float] = {}
        for each in pairs:
            target = each.pair.target
            oldest[target] = min(each.oldest, oldest.get(target, each.oldest))
        self.oldest = oldest

    def _done(self, result: T) -> T:
        self._is_reading = False
        return result
