"""AcceptedIds: the ids of recent requests, so that a repeated one is not carried out twice.

They are kept in the storage of the service, so a restart between the request and its repetition changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from gateway.handlers.storing import ServiceStorage
from gateway.storage.errors import StoreFull, StoreUnavailable

MOST_IDS = 5000
"""The most ids that are remembered; then the oldest is forgotten."""
_PREFIX = "accepted/"


class AcceptedIds:
    """The ids of one service, each with a digest of what was accepted under it."""

    def __init__(self, storage: ServiceStorage, *, seconds: float, now: Callable[[], float]) -> None:
        """An id is forgotten after `seconds`; `now` returns the time of day, which a restart does not reset."""
        self._storage = storage
        self._seconds = seconds
        self._now = now
        self._known: dict[str, tuple[float, str]] = {}  # by key, oldest first

    async def open(self) -> None:
        """Read what was accepted before a restart."""
        found = await self._storage.items(_PREFIX)
        self._known = dict(sorted(((key, tuple(value)) for key, value in found.items()), key=lambda item: item[1]))

    def digest_of(self, id: str) -> str | None:
        """Return the digest of what was accepted under an id; None if nothing was, or too long ago."""
        when, digest = self._known.get(_key(id), (float("-inf"), ""))
        return digest if self._now() - when < self._seconds else None

    def note(self, id: str, digest: str) -> None:
        """Remember an id from now on, in memory."""
        key = _key(id)
        self._known.pop(key, None)
        self._known[key] = (self._now(), digest)

    async def keep(self, id: str) -> bool:
        """Write down an id that was noted, and forget the oldest ones; return False if the store cannot take it now."""
        key = _key(id)
        try:
            while len(self._known) > MOST_IDS or self._is_outdated(next(iter(self._known), key)):
                oldest = next(iter(self._known))
                del self._known[oldest]
                await self._storage.delete(oldest)
            if key in self._known:
                await self._storage.set(key, self._known[key])
        except (StoreFull, StoreUnavailable):
            return False
        return True

    def _is_outdated(self, key: str) -> bool:
        return key in self._known and self._now() - self._known[key][0] >= self._seconds


def digest(*parts: object) -> str:
    """Return a digest by which two requests with the same content are recognised."""
    return sha256(repr(parts).encode()).hexdigest()[:32]


def _key(id: str) -> str:
    return _PREFIX + sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
