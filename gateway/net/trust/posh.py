"""POSH documents, fetched where streams need them, and kept as long as they say (RFC 7711 §4).

Anybody can have us fetch, by claiming a domain. So few are fetched at once, each domain once, and failures are kept for
a while, too. One address that connects to us may use as many places as are still free, so it alone gets half of them,
however many domains it claims and however long their web servers say nothing.

A document may lead to one other document, which must have the fingerprints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.bounds.tables import Bounded, family
from gateway.net.certificates.posh import (
    MOST_DOCUMENT_BYTES,
    PoshDocument,
    UnusableDocument,
    posh_url,
    read_posh,
)
from gateway.net.trust.fetching import Fetch
from gateway.net.trust.web_answers import FetchFailed
from gateway.xmpp.addresses import Domain

MOST_DOCUMENTS = 1000
MOST_AT_ONCE = 16
FETCH_SECONDS = 4.0  # of each document; a stream waits a little longer for both
FAILURE_SECONDS = 300.0

KnownDocument = tuple[PoshDocument | None, str]
"""A document with fingerprints and its URL, or nothing."""


class PoshDocuments:
    """The documents of other domains."""

    def __init__(
        self,
        clock: IReactorTime,
        fetch: Fetch,
        url_of: Callable[[Domain], str] = posh_url,
        most: int = MOST_DOCUMENTS,
    ) -> None:
        self._clock = clock
        self._fetch = fetch
        self._url_of = url_of
        self._known: Bounded[Domain, tuple[float, KnownDocument]] = Bounded(most)
        self._waiting: dict[Domain, list[Deferred[KnownDocument]]] = {}
        self._places: Counter[str] = Counter()  # by the address for which a document is being fetched

    async def of(self, domain: Domain, address: str = "") -> KnownDocument:
        """Return the document of a domain; None if there is none, or too many are being fetched.

        `address` is who claims the domain; empty for a stream that we open.
        """
        until, known = self._known.get(domain) or (0.0, (None, ""))
        if until > self._clock.seconds():
            return known
        if domain in self._waiting:
            wait: Deferred[KnownDocument] = Deferred()
            self._waiting[domain].append(wait)
            return await wait
        if not self._has_place(address):
            return None, ""
        self._waiting[domain] = []
        self._places[address] += 1
        known, seconds = (None, ""), FAILURE_SECONDS
        try:
            known = await self._found(domain)
            seconds = known[0].seconds if known[0] is not None else FAILURE_SECONDS
        except (FetchFailed, UnusableDocument):
            pass
        finally:
            self._places -= Counter([address])  # without those that have none
            self._known.put(domain, (self._clock.seconds() + seconds, known), family(domain))
            for waiting in self._waiting.pop(domain):
                waiting.callback(known)
        return known

    def _has_place(self, address: str) -> bool:
        free = MOST_AT_ONCE - len(self._waiting)
        return self._places[address] < free if address else free > 0

    async def _found(self, domain: Domain) -> KnownDocument:
        url = self._url_of(domain)
        document = await self._read(url)
        if not document.url:
            return document, url
        further = await self._read(document.url)
        if further.url:
            raise UnusableDocument("it leads to one that leads on")
        seconds = min(document.seconds, further.seconds)
        return PoshDocument(fingerprints=further.fingerprints, seconds=seconds), document.url

    async def _read(self, url: str) -> PoshDocument:
        return read_posh(await self._fetch(url, most=MOST_DOCUMENT_BYTES, seconds=FETCH_SECONDS))
