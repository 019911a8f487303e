"""Resumables: the streams from other servers that can be resumed after they broke (XEP-0198 §5).

By id, how much of each stream was handled. For a stream in one direction that is one number, so it is kept long after
the connection is gone, and a stanza that the other side sends again is never routed twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.stream.acknowledgements import Acknowledgements
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import Stanza

MOST_BROKEN = 10_000
"""How many streams can be resumed whose connection broke."""

KEPT_SECONDS = 600
"""For how long a stream can be resumed after its connection broke."""


class Superseded(Protocol):
    """A session that may still have a connection when its stream is resumed on another."""

    def supersede(self) -> None:
        """Handle nothing more."""


@dataclass(kw_only=True)
class _Kept:
    pair: DomainPair
    acknowledgements: Acknowledgements[Stanza]
    session: Superseded | None
    until: float


class Resumables:
    """The streams from other servers that can be resumed."""

    def __init__(self, new_id: Callable[[], str], seconds: Callable[[], float], most: int = MOST_BROKEN) -> None:
        """`new_id` from a strong source; of more than `most` broken streams the oldest is forgotten."""
        self._new_id = new_id
        self._seconds = seconds
        self._most = most
        self._living: dict[str, _Kept] = {}
        self._broken: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._living) + len(self._broken)

    def keep(self, pair: DomainPair, acknowledgements: Acknowledgements[Stanza], session: Superseded) -> str:
        """A stream can be resumed from now on; the answer is its id."""
        id_ = self._new_id()
        self._living[id_] = _Kept(pair=pair, acknowledgements=acknowledgements, session=session, until=0)
        return id_

    def broke(self, id_: str, session: Superseded) -> None:
        """The stream has lost its connection."""
        kept = self._living.get(id_)
        if kept is not None and kept.session is session:
            kept.session = None
            kept.until = self._seconds() + KEPT_SECONDS
            self._broken[id_] = self._living.pop(id_)
            self._forget_oldest()

    def closed(self, id_: str, session: Superseded) -> None:
        """The stream was closed properly: there is nothing to go on with."""
        kept = self._living.get(id_)
        if kept is not None and kept.session is session:
            del self._living[id_]

    def resume(self, id_: str, pair: DomainPair, session: Superseded) -> Acknowledgements[Stanza] | None:
        """Go on with the stream of that id, if it is one of this very pair; its old connection handles nothing more."""
        self._forget_oldest()
        kept = self._living.get(id_) or self._broken.get(id_)
        if kept is None or kept.pair != pair:
            return None
        if kept.session is not None:
            kept.session.supersede()
        kept.session = session
        self._broken.pop(id_, None)
        self._living[id_] = kept
        return kept.acknowledgements

    def _forget_oldest(self) -> None:
        now = self._seconds()
        while self._broken:
            oldest = next(iter(self._broken.values()))
            if len(self._broken) <= self._most and oldest.until >= now:
                break
            self._broken.popitem(last=False)
