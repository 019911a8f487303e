"""When revocation lists are fetched, how often, what is said when they cannot be, and who waits for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.net.certificates.revocation import FetchedLists
from gateway.net.trust.revocations import AT_ONCE, Revocations
from gateway.net.trust.web_answers import FetchFailed
from gateway.notices.notices import Notice
from tests.support.ca import NOW, authority
from tests.unit.net.certificates.test_revocation import ISSUED, URL, naming

PATH = (ISSUED.certificate, authority().certificate)
LIST = authority().revoke(moment=NOW - timedelta(hours=1))


class Fetching:
    """Revocations over a web in which each fetch waits for the test."""

    def __init__(self, *, is_wanted: bool = True) -> None:
        self.clock = Clock()
        self.lists = FetchedLists()
        self.fetched: list[str] = []
        self.under_way: list[Deferred[bytes]] = []
        self.said: list[Notice] = []
        self.changes = 0
        self.revocations = Revocations(
            self.clock,
            self.lists,
            self.fetch,
            self.said.append,
            self.changed,
            is_wanted=lambda: is_wanted,
            now=lambda: NOW + timedelta(seconds=self.clock.seconds()),
        )
        self.revocations.startService()

    def fetch(self, url: str, **bounds: Any) -> Deferred[bytes]:
        self.fetched.append(url)
        self.under_way.append(Deferred())
        return self.under_way[-1]

    def changed(self) -> None:
        self.changes += 1

    def arrive(self, data: bytes | None = LIST) -> None:
        waiting = self.under_way.pop(0)
        waiting.errback(FetchFailed("no answer within 30 s")) if data is None else waiting.callback(data)

    def pass_time(self, **time: float) -> None:
        self.clock.pump([60.0] * int(timedelta(**time).total_seconds() / 60))


def test_a_list_is_fetched_once_and_again_before_the_next_is_due() -> None:
    fetching = Fetching()
    fetching.revocations.want(PATH)
    fetching.revocations.want(PATH)
    assert fetching.fetched == [URL]
    fetching.arrive()
    assert fetching.changes == 1
    assert fetching.lists.get(URL) is not None
    for _ in range(6):
        fetching.pass_time(days=1)
        fetching.revocations.want(PATH)
    assert fetching.fetched == [URL, URL]


def test_nothing_is_fetched_unless_it_is_wanted() -> None:
    fetching = Fetching(is_wanted=False)
    fetching.revocations.want(PATH)
    assert not fetching.fetched


def test_a_list_that_nobody_names_any_longer_is_forgotten() -> None:
    fetching = Fetching()
    fetching.revocations.want(PATH)
    fetching.arrive()
    fetching.pass_time(days=3)
    assert fetching.lists.get(URL) is None
    assert fetching.fetched == [URL]


def test_a_list_that_cannot_be_had_is_told_once_and_tried_again_and_its_return_is_told() -> None:
    fetching = Fetching()
    fetching.revocations.want(PATH)
    fetching.arrive(None)
    fetching.pass_time(minutes=11)
    fetching.arrive(b"nonsense")
    fetching.pass_time(minutes=11)
    fetching.arrive()
    told = [notice.sentence for notice in fetching.said]
    assert len(told) == 2
    assert f"cannot be fetched from {URL}: no answer within 30 s" in told[0]
    assert "is available again" in told[1]
    assert fetching.fetched == [URL] * 3


def test_few_are_fetched_at_once_and_the_others_follow() -> None:
    fetching = Fetching()
    for number in range(AT_ONCE + 2):
        fetching.revocations.want((naming(f"http://crl.test/{number}.crl").certificate, authority().certificate))
    assert len(fetching.under_way) == AT_ONCE
    fetching.arrive()
    assert len(fetching.fetched) == AT_ONCE + 1


def test_a_stream_that_needs_a_list_waits_for_it() -> None:
    fetching = Fetching()
    fetching.revocations.want(PATH)
    settled = fetching.revocations.settled(ISSUED.chain)
    assert not settled.called
    fetching.arrive()
    assert settled.called
    assert fetching.revocations.settled(ISSUED.chain).called
