"""Revocation lists, fetched from the URLs in verified certificates, and kept until the next one is due.

A list is fetched when a certificate that leads to one of our authorities names it, and again a quarter of its life
before the next one is due, as long as such certificates are used. Nothing is fetched for any other certificate, because
anybody can make up its URLs. A list that cannot be fetched is tried again after a while, and logged once until it is
there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from gateway.net.certificates.certificate_paths import CertificationPath
from gateway.net.certificates.revocation import (
    MOST_LISTS,
    FetchedList,
    FetchedLists,
    UnusableList,
    distribution_points,
    named_lists,
    read_list,
)
from gateway.net.certificates.trust_store import name_of
from gateway.net.trust.fetching import Fetch
from gateway.net.trust.web_answers import FetchFailed
from gateway.notices.notices import Level, Publish, Remark

MOST_LIST_BYTES = 10 * 1024 * 1024
FETCH_SECONDS = 30.0
AT_ONCE = 4
LOOK_SECONDS = 60.0
_RETRY = timedelta(minutes=10)
_UNUSED = timedelta(days=2)
_EARLY = 4  # the last part of a list's life, in which the next one is fetched


@dataclass
class _ListPlace:
    """A URL that verified certificates name: the issuer of its list, and when it is fetched."""

    url: str
    issuer: x509.Certificate
    wanted: datetime
    next: datetime
    is_lacking: bool = False
    waits: list[Deferred[None]] = field(default_factory=list)


class Revocations(Service):
    """Fetches the lists; `changed` is called when there is a new one, because streams may have to be closed."""

    def __init__(
        self,
        reactor: IReactorTime,
        lists: FetchedLists,
        fetch: Fetch,
        publish: Publish,
        changed: Callable[[], object],
        is_wanted: Callable[[], bool] = lambda: True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lists = lists
        self._fetch = fetch
        self._publish = publish
        self._changed = changed
        self._is_wanted = is_wanted
        self._now = now
        self._places: dict[str, _ListPlace] = {}
        self._fetching: set[str] = set()
        self._looking = LoopingCall(self.look)
        self._looking.clock = reactor
        lists.want = self.want

    def startService(self) -> None:
        super().startService()
        self._looking.start(LOOK_SECONDS, now=False)

    def stopService(self) -> None:
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    def want(self, path: CertificationPath) -> None:
        """Fetch the lists that a verified path names, if they are missing."""
        if not self._is_wanted():
            return
        now = self._now()
        for urls, _, issuer in named_lists(path):
            url = urls[0]
            place = self._places.get(url)
            if place is not None:
                place.wanted = now
            elif len(self._places) < MOST_LISTS:
                self._places[url] = _ListPlace(url=url, issuer=issuer, wanted=now, next=now)
        self.look()

    def settled(self, chain: Sequence[x509.Certificate]) -> Deferred[list[tuple[bool, None]]]:
        """Return a Deferred that fires when no list that these certificates name is being fetched."""
        waits: list[Deferred[None]] = []
        for url in (url for certificate in chain for url in distribution_points(certificate)):
            if url in self._fetching:
                waits.append(Deferred())
                self._places[url].waits.append(waits[-1])
        return DeferredList(waits)

    def look(self) -> None:
        """Fetch the lists that are due, a few at a time, and forget those that have long been unused."""
        now = self._now()
        for place in list(self._places.values()):
            if place.url in self._fetching:
                continue
            if now - place.wanted > _UNUSED:
                del self._places[place.url]
                self._lists.drop(place.url)
            elif place.next <= now and len(self._fetching) < AT_ONCE:
                self._fetching.add(place.url)
                Deferred.fromCoroutine(self._renew(place))

    async def _renew(self, place: _ListPlace) -> None:
        try:
            data = await self._fetch(place.url, most=MOST_LIST_BYTES, seconds=FETCH_SECONDS)
            found = read_list(data, place.url, place.issuer, self._now())
        except (FetchFailed, UnusableList) as problem:
            self._lacks(place, str(problem))
        else:
            self._has(place, found, len(data))
        finally:
            self._fetching.discard(place.url)
            waits, place.waits = place.waits, []
            for wait in waits:
                wait.callback(None)
        self.look()

    def _has(self, place: _ListPlace, found: x509.CertificateRevocationList, size: int) -> None:
        now, due = self._now(), found.next_update_utc
        assert due is not None
        place.next = due - (due - now) / _EARLY
        if place.is_lacking:
            self._tell(f"the revocation list of {name_of(place.issuer.subject)} is available again", Level.INFO)
        place.is_lacking = False
        self._lists.put(place.url, FetchedList(revocations=found, issuer=place.issuer, due=due), size)
        self._changed()

    def _lacks(self, place: _ListPlace, problem: str) -> None:
        place.next = self._now() + _RETRY
        if not place.is_lacking:
            whose = name_of(place.issuer.subject)
            self._tell(
                f"the revocation list of {whose} cannot be fetched from {place.url}: {problem}. Its certificates still"
                ' count, but not for domains with revocation = "hard" in [peers]',
                Level.WARN,
            )
        place.is_lacking = True

    def _tell(self, text: str, weight: Level) -> None:
        self._publish(Remark(text=text, weight=weight))
