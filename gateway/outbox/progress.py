"""Progress: how far a sequence of jobs is done, if one may be done before earlier ones."""

from __future__ import annotations


class Progress:
    """The jobs of one sequence, numbered from 1 in the order in which they were requested."""

    def __init__(self) -> None:
        self.asked = 0
        self.done = 0  # every job up to this number is done
        self._ahead: set[int] = set()

    @property
    def is_complete(self) -> bool:
        """Return whether nothing is under way."""
        return self.done == self.asked

    def ask(self) -> int:
        """Record one more job; return its number."""
        self.asked += 1
        return self.asked

    def finish(self, number: int) -> None:
        """Record that a job has ended, successfully or not."""
        if number == self.done + 1 and not self._ahead:
            self.done = number
            return
        self._ahead.add(number)
        while self.done + 1 in self._ahead:
            self.done += 1
            self._ahead.remove(self.done)
