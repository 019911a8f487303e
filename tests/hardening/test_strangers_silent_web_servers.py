"""Domains whose web servers say nothing: one address that claims them leaves places for the documents of others."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.net.trust.posh import MOST_AT_ONCE, PoshDocuments
from gateway.xmpp.addresses import Domain

DOCUMENT = b'{"fingerprints": [], "expires": 60}'


class SilentWeb:
    """Every web server is silent until it is told to answer; `answers` has what was found, by domain."""

    def __init__(self) -> None:
        self.fetches: list[Deferred[bytes]] = []
        self.answers: dict[str, Any] = {}
        self._posh = PoshDocuments(Clock(), self._fetch)

    def _fetch(self, url: str, **bounds: Any) -> Deferred[bytes]:
        self.fetches.append(Deferred())
        return self.fetches[-1]

    def claim(self, domain: str, address: str = "") -> None:
        found = Deferred.fromCoroutine(self._posh.of(Domain(domain), address))
        found.addCallback(lambda known: self.answers.update({domain: known}))

    def flood(self, address: str) -> int:
        """Return how many documents are fetched for an address that claims very many domains."""
        before = len(self.fetches)
        for number in range(10 * MOST_AT_ONCE):
            self.claim(f"{number}.of-{address}.test", address)
        return len(self.fetches) - before


@pytest.mark.parametrize("address", ["192.0.2.66", ""])
def test_one_address_leaves_half_of_the_places(address: str) -> None:
    web = SilentWeb()
    assert web.flood("192.0.2.1") == MOST_AT_ONCE // 2
    web.claim("honest.test", address)
    assert "honest.test" not in web.answers
    web.fetches[-1].callback(DOCUMENT)
    document, url = web.answers["honest.test"]
    assert document is not None
    assert url == "https://honest.test/.well-known/posh/xmpp-server.json"


def test_several_addresses_leave_a_place_for_the_next_and_for_us() -> None:
    web = SilentWeb()
    assert [web.flood(f"192.0.2.{number}") for number in range(1, 4)] == [8, 4, 2]
    web.claim("honest.test")
    assert "honest.test" not in web.answers


def test_places_are_given_back() -> None:
    web = SilentWeb()
    for _ in range(3):
        web.flood("192.0.2.1")
        for fetch in web.fetches:
            if not fetch.called:
                fetch.callback(b"nonsense")
        web.answers.clear()
    assert len(web.fetches) == 3 * (MOST_AT_ONCE // 2)
