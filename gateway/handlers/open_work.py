"""OpenWork: the stanzas that handlers have been given and have not answered, each with the time it is given up.

Requests are here until they have an answer, other stanzas only while a handler works on them. The table is bounded; the
domain that has sent the most makes room.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twisted.internet.defer import Deferred

from gateway.bounds.tables import Bounded, family
from gateway.routing.requests import RequestKey
from gateway.xmpp.stanzas import AddressedStanza, Stanza

_WorkKey = RequestKey | Stanza


class Begun(NamedTuple):
    """A stanza, when it is given up, and the answer that a handler is working on, if any."""

    stanza: AddressedStanza
    due: float
    work: Deferred[None] | None


class OpenWork:
    """The stanzas to one domain that wait for an answer, oldest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: Bounded[_WorkKey, Begun] = Bounded(most + 1)  # what makes room is answered by the owner

    def __len__(self) -> int:
        return len(self._begun)

    def __iter__(self) -> Iterator[Begun]:
        return iter(list(self._begun.values()))

    def begin(self, stanza: AddressedStanza, due: float, work: Deferred[None] | None = None) -> Begun | None:
        """Wait for the answer to a stanza; return what must end now to make room, if anything must.

        A stanza that is here already stays until its own time, with new work.
        """
        key = _key_of(stanza)
        begun = self._begun.get(key)
        if begun is not None and begun.stanza is stanza:
            due = begun.due
        self._begun.put(key, Begun(stanza, due, work), family(stanza.from_.domain))
        first = self._begun.first_to_go() if len(self._begun) > self._most else None
        return None if first is None else self._begun.get(first)

    def end(self, stanza: Stanza) -> bool:
        """Wait no longer; return False if the stanza was not here."""
        return self._begun.pop(_key_of(stanza)) is not None

    def answer(self, answer: Stanza) -> bool:
        """Wait no longer for what this answers; return False if nothing waits for it."""
        return self._begun.pop((str(answer.to), str(answer.from_), answer.id)) is not None

    def oldest(self) -> Begun | None:
        """Return the stanza that was put here first."""
        return next(self._begun.values(), None)


def _key_of(stanza: Stanza) -> _WorkKey:
    return (str(stanza.from_), str(stanza.to), stanza.id) if stanza.is_request else stanza
