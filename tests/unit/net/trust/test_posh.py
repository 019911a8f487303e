"""POSH documents: fetched once for all who wait, kept as long as they say, and never more than one hop away."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.net.certificates.posh import posh_url
from gateway.net.trust.posh import FAILURE_SECONDS, MOST_AT_ONCE, PoshDocuments
from gateway.net.trust.web_answers import FetchFailed
from gateway.xmpp.addresses import Domain

FAR = Domain("far.test")
FINGERPRINTS = [{"sha-256": b64encode(b"a" * 32).decode()}]
GOOD = {"fingerprints": FINGERPRINTS, "expires": 60}


class Web:
    """Documents by URL; a fetch waits where there is none yet."""

    def __init__(self, **documents: Any) -> None:
        self.clock = Clock()
        self.documents: dict[str, Any] = {posh_url(FAR): documents} if documents else {}
        self.fetched: list[str] = []
        self.waiting: list[Deferred[bytes]] = []
        self.posh = PoshDocuments(self.clock, self.fetch)

    async def fetch(self, url: str, **bounds: Any) -> bytes:
        self.fetched.append(url)
        if url not in self.documents:
            self.waiting.append(Deferred())
            return await self.waiting[-1]
        found = self.documents[url]
        if found is None:
            raise FetchFailed("the server answered with 404")
        return json.dumps(found).encode()

    def ask(self, domain: Domain = FAR) -> list[Any]:
        """Ask for a document; the list takes the answer."""
        answers: list[Any] = []
        Deferred.fromCoroutine(self.posh.of(domain)).addBoth(answers.append)
        return answers


def test_a_document_is_kept_as_long_as_it_says() -> None:
    web = Web(**GOOD)
    for seconds, fetched in ((0, 1), (59, 1), (1, 2)):
        web.clock.advance(seconds)
        ((document, url),) = web.ask()
        assert document.fingerprints == ({"sha-256": b"a" * 32},)
        assert url == posh_url(FAR)
        assert len(web.fetched) == fetched


def test_a_failure_is_kept_for_a_while() -> None:
    web = Web()
    web.documents[posh_url(FAR)] = None
    assert web.ask() == web.ask() == [(None, "")]
    assert len(web.fetched) == 1
    web.clock.advance(FAILURE_SECONDS)
    web.ask()
    assert len(web.fetched) == 2


def test_a_document_leads_to_one_other_and_no_further() -> None:
    web = Web(url="https://host.test/posh.json", expires=3600)
    web.documents["https://host.test/posh.json"] = GOOD
    ((document, url),) = web.ask()
    assert (document.seconds, url) == (60, "https://host.test/posh.json")  # the shorter of the two
    further = Web(url="https://host.test/posh.json", expires=3600)
    further.documents["https://host.test/posh.json"] = {"url": "https://third.test/", "expires": 60}
    assert further.ask() == [(None, "")]
    assert further.fetched == [posh_url(FAR), "https://host.test/posh.json"]


def test_an_expired_document_proves_nothing() -> None:
    assert Web(fingerprints=FINGERPRINTS, expires=0).ask() == [(None, "")]


def test_all_who_ask_meanwhile_wait_for_one_fetch() -> None:
    web = Web()
    first, second = web.ask(), web.ask()
    assert (first, second, len(web.fetched)) == ([], [], 1)
    web.waiting[0].callback(json.dumps(GOOD).encode())
    assert first == second
    assert first[0][0] is not None


def test_few_are_fetched_at_once() -> None:
    web = Web()
    for number in range(MOST_AT_ONCE):
        web.ask(Domain(f"d{number}.test"))
    assert web.ask() == [(None, "")]
    assert len(web.fetched) == MOST_AT_ONCE
