"""ResumableStreams: the streams from other servers that can be resumed after they broke (XEP-0198 §5).

Each is kept by id, with how much of it was handled. For a one-way stream that is one number, so it is kept long after
the connection is gone, and a stanza that the other side sends again is never routed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from gateway.bounds.tables import Bounded, family
from gateway.stream.acknowledgements import Acknowledgements
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import AddressedStanza

MOST_BROKEN = 10_000
"""The most broken streams that can be resumed."""

KEPT_SECONDS = 600
"""The time for which a stream can be resumed after its connection broke."""


Seek = Callable[[str, DomainPair, int], "Deferred[int | None]"]


def _nowhere(id_: str, pair: DomainPair, h: int) -> Deferred[int | None]:
    return succeed(None)


class Superseded(Protocol):
    """A session that may still have a connection when its stream is resumed on another."""

    def supersede(self) -> None:
        """Handle nothing more."""


@dataclass(kw_only=True)
class _ResumableStream:
    pair: DomainPair
    acknowledgements: Acknowledgements[AddressedStanza]
    session: Superseded | None
    until: float


class ResumableStreams:
    """The streams from other servers that can be resumed."""

    def __init__(self, new_id: Callable[[], str], seconds: Callable[[], float], most: int = MOST_BROKEN) -> None:
        """`new_id` needs a strong source; beyond `most` broken streams the domain with the most loses its oldest."""
        self.new_id = new_id
        self.seek: Seek = _nowhere  # has the node that has a stream give it up; fires with its h, None if there is none
        self._seconds = seconds
        self._living: dict[str, _ResumableStream] = {}
        self._broken: Bounded[str, _ResumableStream] = Bounded(most)

    def __len__(self) -> int:
        return len(self._living) + len(self._broken)

    def keep(self, pair: DomainPair, acknowledgements: Acknowledgements[AddressedStanza], session: Superseded) -> str:
        """Make a stream resumable from now on; return its id."""
        id_ = self.new_id()
        self.adopt(id_, pair, acknowledgements, session)
        return id_

    def adopt(
        self, id_: str, pair: DomainPair, acknowledgements: Acknowledgements[AddressedStanza], session: Superseded
    ) -> None:
        """Keep a stream that another node has given up, by the id that it has."""
        self._living[id_] = _ResumableStream(pair=pair, acknowledgements=acknowledgements, session=session, until=0)

    def give_up(self, id_: str, pair: DomainPair) -> Acknowledgements[AddressedStanza] | None:
        """Forget a stream of exactly this pair, which is resumed at another node: its old connection handles nothing
        more.
        """
        kept = self._taken_out(id_, pair)
        return None if kept is None else kept.acknowledgements

    def broke(self, id_: str, session: Superseded) -> None:
        """Note that the stream has lost its connection."""
        kept = self._living.get(id_)
        if kept is not None and kept.session is session:
            kept.session = None
            kept.until = self._seconds() + KEPT_SECONDS
            del self._living[id_]
            self._forget_late()
            self._broken.put(id_, kept, family(kept.pair.sender))

    def closed(self, id_: str, session: Superseded) -> None:
        """Forget the stream, because it was closed properly."""
        kept = self._living.get(id_)
        if kept is not None and kept.session is session:
            del self._living[id_]

    def supersede(self, id_: str, pair: DomainPair) -> None:
        """Let the old connection of a stream of exactly this pair handle nothing more, so that its count stays."""
        kept = self._living.get(id_)
        if kept is not None and kept.pair == pair and kept.session is not None:
            kept.session.supersede()

    def resume(self, id_: str, pair: DomainPair, session: Superseded) -> Acknowledgements[AddressedStanza] | None:
        """Resume the stream of that id, if it is one of exactly this pair; its old connection handles nothing more."""
        kept = self._taken_out(id_, pair)
        if kept is None:
            return None
        kept.session = session
        self._living[id_] = kept
        return kept.acknowledgements

    def _taken_out(self, id_: str, pair: DomainPair) -> _ResumableStream | None:
        self._forget_late()
        kept = self._living.get(id_) or self._broken.get(id_)
        if kept is None or kept.pair != pair:
            return None
        self.supersede(id_, pair)
        self._living.pop(id_, None)
        self._broken.pop(id_)
        return kept

    def _forget_late(self) -> None:
        now = self._seconds()
        while (id_ := next(iter(self._broken), None)) is not None:
            kept = self._broken.get(id_)
            if kept is not None and kept.until >= now:
                break
            self._broken.pop(id_)
