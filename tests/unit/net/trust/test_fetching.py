"""Documents from the web: what is taken, and what is refused, on real sockets."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol

from gateway.net.dns.destinations import Destinations
from gateway.net.dns.resolver import Resolver
from gateway.net.trust import web_client
from gateway.net.trust.fetching import Fetcher
from gateway.net.trust.web_answers import FetchFailed
from tests.support.dns import Table
from tests.support.reactor import run_in_reactor, running_reactor

HERE = Destinations(allowed=[ip_network("127.0.0.0/8")])
NAMES = {"web.test": {"A": ["127.0.0.1"]}, "near.test": {"A": ["127.0.0.1"]}}


class Web(Protocol):
    """Answers every request with the same bytes."""

    answer = b""
    requests: list[bytes]

    def dataReceived(self, data: bytes) -> None:
        self.requests.append(data)
        self.transport.write(self.answer)  # type: ignore[union-attr]


def fetch(answer: bytes, url: Callable[[int], str], destinations: Destinations = HERE) -> tuple[Any, list[bytes]]:
    """Fetch from a server that answers so; returns the document or the problem, and what the server was asked."""
    requests: list[bytes] = []

    def build() -> Web:
        web = Web()
        web.answer, web.requests = answer, requests
        return web

    async def scenario() -> Any:
        reactor = running_reactor()
        port = reactor.listenTCP(0, Factory.forProtocol(build), interface="127.0.0.1")
        resolver = Resolver(reactor, hosts_file="/dev/null", asks=Table(NAMES), destinations=destinations)
        try:
            return await Fetcher(reactor, resolver).fetch(url(port.getHost().port), most=100, seconds=1)
        except FetchFailed as problem:
            return problem
        finally:
            await port.stopListening()

    return run_in_reactor(scenario), requests


def at(name: str, scheme: str = "http") -> Callable[[int], str]:
    return lambda port: f"{scheme}://{name}:{port}/list.crl"


def answered(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def test_a_document_is_fetched() -> None:
    found, (request,) = fetch(answered(b"a list"), at("web.test"))
    assert found == b"a list"
    assert request.startswith(b"GET /list.crl HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answered(b"a" * 101), "too long"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 101, "too long"),
        (answered(b"", "404 Not Found"), "answered with 404"),
        (answered(b"", "302 Found", "Location: http://web.test/\r\n"), "answered with 302"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 20_000, "cannot be fetched"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot be fetched"),
        (b"", "no answer within 1 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", "no answer within 1 s"),
    ],
    ids=["long", "endless", "absent", "redirect", "headers without end", "no web", "silent", "half"],
)
def test_anything_else_is_refused(answer: bytes, why: str) -> None:
    found, _ = fetch(answer, at("web.test"))
    assert isinstance(found, FetchFailed)
    assert why in str(found)


class ClosingWeb(Web):
    """Answers and closes, as HTTP/1.0 does."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.loseConnection()  # type: ignore[union-attr]


def post(web: type[Web], answer: bytes, *, seconds: float = 30) -> tuple[Any, Web]:
    """Post to a server that answers so, needing only the status; return the answer or the problem, and the server."""
    made = web()
    made.answer, made.requests = answer, []

    async def scenario() -> Any:
        reactor = running_reactor()
        port = reactor.listenTCP(0, Factory.forProtocol(lambda: made), interface="127.0.0.1")
        resolver = Resolver(reactor, hosts_file="/dev/null", asks=Table(NAMES), destinations=HERE)
        url = at("web.test")(port.getHost().port)
        try:
            return await Fetcher(reactor, resolver).exchange(
                "POST", url, content=b"{}", most=100, seconds=seconds, needs_body=False
            )
        except FetchFailed as problem:
            return problem
        finally:
            await port.stopListening()

    return run_in_reactor(scenario), made


def test_without_a_length_the_end_of_the_connection_ends_a_document() -> None:
    answer, _ = post(ClosingWeb, b"HTTP/1.0 200 OK\r\n\r\nok")
    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize(
    ("web", "answer"),
    [
        (Web, b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 101),
        (Web, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"),
        (ClosingWeb, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"),
    ],
    ids=["long", "half", "half and closed"],
)
def test_the_status_counts_where_the_body_is_not_needed(
    web: type[Web], answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_client, "_BODY_SECONDS", 0.1)
    found, _ = post(web, answer)
    assert (found.status, found.body) == (200, b"")


@pytest.mark.parametrize("host", ["near.test", "127.0.0.1", "gone.test"])
def test_nothing_is_fetched_where_other_domains_may_not_lead_us(host: str) -> None:
    found, requests = fetch(answered(b"a secret"), at(host), Destinations())
    assert isinstance(found, FetchFailed)
    assert requests == []
