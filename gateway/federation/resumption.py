"""Resumption: what becomes of the stanzas on a stream between servers that broke (XEP-0198 §5).

A BrokenStream keeps what was not acknowledged until it is known what of it was handled: from the h with which the other
side resumes or refuses, or never. Then everything else goes back to the routes that it came from, which send it again
before anything newer. Whoever wants to send to that domain waits until then, so nothing is overtaken.

Resumables is the receiving side: by id, how much of each stream was handled. For a stream in one direction that is one
number, so it is kept long after the stream is gone, and a stanza that the other side sends again is never routed twice.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.addresses import DomainPair
from gateway.errors import StreamError
from gateway.federation.delivery import DeliveryFailed
from gateway.stanzas import Stanza
from gateway.stream.acknowledgements import Acknowledgements
from gateway.stream.facts import Resumable

KEPT_SECONDS = 600
"""For how long a stream can be resumed after its connection broke."""

TakeBack = Callable[[Sequence[Stanza]], None]


@dataclass(frozen=True, kw_only=True)
class StreamEnd:
    """How a stream ended, for the routes that sent on it."""

    reason: str
    cleanly: bool = False  # closed properly: what was written has arrived
    stalled: bool = False  # cut, as the other side took nothing any more
    stuck: bool = False  # the other side took nothing when it ended
    resuming: bool = False  # what was not acknowledged is given back later
    returned: Mapping[DomainPair, list[Stanza]] = field(default_factory=dict)  # not acknowledged: to be sent again
    blamed: Stanza | None = None  # the stanza over which the other side ended the stream, most likely


def by_pair(stanzas: Sequence[Stanza]) -> dict[DomainPair, list[Stanza]]:
    """Stanzas by the pair of domains that they are of."""
    sorted_: defaultdict[DomainPair, list[Stanza]] = defaultdict(list)
    for stanza in stanzas:
        assert stanza.from_ is not None
        assert stanza.to is not None
        sorted_[DomainPair(stanza.from_.domain, stanza.to.domain)].append(stanza)
    return dict(sorted_)


class BrokenStream:
    """One stream that broke and may be resumed."""

    def __init__(
        self,
        pair: DomainPair,
        id_: str,
        acknowledgements: Acknowledgements[Stanza],
        routes: Mapping[DomainPair, TakeBack],
    ) -> None:
        """`pair` is that of the stream header, `routes` are those that sent on it."""
        self.pair = pair
        self.id = id_
        self.acknowledgements = acknowledgements
        self._routes = dict(routes)
        self._waiting: list[Deferred[None]] = []

    @property
    def pairs(self) -> Collection[DomainPair]:
        """The pairs that wait for the outcome."""
        return self._routes.keys()

    @property
    def resumable(self) -> Resumable:
        """What the other side is asked to go on with."""
        return Resumable(id=self.id, h=self.acknowledgements.h)

    def settle(self, h: int | None) -> None:
        """The other side has handled everything up to `h`, or does not know; the rest goes back to its routes."""
        if h is not None:
            with suppress(StreamError):  # an h that cannot be is none
                self.acknowledgements.acknowledge(h)
        returned = by_pair(self.acknowledgements.take_back())
        for pair, take_back in self._routes.items():
            if stanzas := returned.get(pair):
                take_back(stanzas)

    def wait(self) -> Deferred[None]:
        """Fires when the outcome is known; fails with DeliveryFailed when it is cancelled."""
        wait: Deferred[None] = Deferred(_given_up)
        self._waiting.append(wait)
        return wait

    def decided(self) -> None:
        """The outcome is known, and whoever waited for it may go on."""
        waiting, self._waiting = self._waiting, []
        for wait in waiting:
            if not wait.called:
                wait.callback(None)


def _given_up(wait: Deferred[None]) -> None:
    wait.errback(DeliveryFailed("the stream broke, and was not resumed in time"))


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

    def __init__(self, new_id: Callable[[], str], seconds: Callable[[], float], most: int = 10_000) -> None:
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
