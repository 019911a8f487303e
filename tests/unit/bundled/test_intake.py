"""The HTTP port of a service: its bounds, and what is remembered over a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure
from twisted.web import http

from gateway.bundled.accepted import MOST_IDS, AcceptedIds
from gateway.bundled.intake import MOST_BODY, HTTPIntake, IntakeRules
from gateway.handlers.storing import ServiceStorage
from gateway.net.listen.descriptors import MOST_CONNECTIONS
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.testing import outcome

TOKEN = "a token of some length"


class Wire(StringTransport):
    """A connection from an address, which may be cut."""

    is_cut = False

    def __init__(self, host: str) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", host, 40000))

    def abortConnection(self) -> None:
        self.is_cut = True


def intake(take: Any = lambda said, headers: (200, said)) -> HTTPIntake:
    return HTTPIntake(IntakeRules(path="/in", token=TOKEN, per_minute=60), take, MemoryReactorClock(), Logger())


def connected(port: HTTPIntake, host: str = "192.0.2.1") -> tuple[Wire, Any]:
    wire = Wire(host)
    protocol = port._crowd.buildProtocol(wire.getPeer())
    protocol.makeConnection(wire)
    return wire, protocol


def head(length: str) -> bytes:
    return f"POST /in HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\n{length}\r\n\r\n".encode()


def test_one_address_cannot_take_all_connections() -> None:
    port = intake()
    first, _ = connected(port, "192.0.2.2")
    crowd = [connected(port)[0] for _ in range(MOST_CONNECTIONS)]
    assert not first.is_cut
    assert [wire.is_cut for wire in crowd] == [True] + [False] * (MOST_CONNECTIONS - 1)


def test_a_connection_that_has_ended_takes_no_place() -> None:
    port = intake()
    for _ in range(3):
        wires = [connected(port) for _ in range(MOST_CONNECTIONS)]
        assert not any(wire.is_cut for wire, _ in wires)
        for _, protocol in wires:
            protocol.connectionLost(Failure(ConnectionDone()))


def test_closing_cuts_all_connections() -> None:
    port = intake()
    wire, _ = connected(port)
    outcome(Deferred.fromCoroutine(port.close()))
    assert wire.is_cut


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_large_is_not_kept(is_chunked: bool) -> None:
    port = intake()
    wire, protocol = connected(port)
    piece = b"x" * 1000
    number = MOST_BODY // 1000 + 1
    if is_chunked:
        protocol.dataReceived(head("Transfer-Encoding: chunked"))
        for _ in range(number):
            protocol.dataReceived(b"3e8\r\n" + piece + b"\r\n")
        protocol.dataReceived(b"0\r\n\r\n")
    else:
        protocol.dataReceived(head(f"Content-Length: {number * 1000}"))
        for _ in range(number):
            protocol.dataReceived(piece)
    assert wire.value().startswith(b"HTTP/1.1 413 ")
    assert not wire.is_cut


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_sender_without_an_end_is_cut_off(is_chunked: bool) -> None:
    wire, protocol = connected(intake())
    if is_chunked:
        protocol.dataReceived(head("Transfer-Encoding: chunked"))
        for _ in range(20):
            protocol.dataReceived(b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n")
    else:
        protocol.dataReceived(head("Content-Length: 999999999"))
    assert wire.is_cut


def test_an_answer_that_comes_later_is_written_unless_its_asker_has_left() -> None:
    waits: list[Deferred[Any]] = []

    def take(said: Any, headers: Any) -> Deferred[Any]:
        waits.append(Deferred())
        return waits[-1]

    port = intake(take)
    (stays, one), (leaves, other) = connected(port), connected(port)
    for protocol in (one, other):
        protocol.dataReceived(head("Content-Length: 2") + b"{}")
    other.connectionLost(Failure(ConnectionDone()))
    for wait in waits:
        wait.callback((202, {"well": "done"}))
    assert stays.value().endswith(b'{"well": "done"}\n')
    assert leaves.value() == b""


def test_a_service_that_fails_tells_the_log_and_not_the_sender() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)

    def take(said: Any, headers: Any) -> Any:
        raise RuntimeError("the password is 'hush'")

    try:
        wire, protocol = connected(intake(take))
        protocol.dataReceived(head("Content-Length: 2") + b"{}")
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert json.loads(wire.value().partition(b"\r\n\r\n")[2]) == {"error": "the service failed; its log says why"}
    assert "hush" in str(events[-1]["log_failure"])


def test_wrong_tokens_are_logged_seldom_and_never_shown() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        port = intake()
        for _ in range(100):
            _, protocol = connected(port)
            protocol.dataReceived(head("Content-Length: 2").replace(TOKEN.encode(), b"a wrong one") + b"{}")
    finally:
        globalLogPublisher.removeObserver(events.append)
    (event,) = (each for each in events if "without the right token" in str(each.get("log_format")))
    assert event["host"] == "192.0.2.1"
    assert "a wrong one" not in str(events)
    assert TOKEN not in str(events)


@pytest.mark.parametrize("token", [TOKEN, "a wrong one"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n'),
        ("multipart/form-data", b"abc"),
        ("application/x-www-form-urlencoded", b"a=x"),
    ],
    ids=["multipart", "multipart without a boundary", "urlencoded"],
)
def test_forms_are_not_parsed(token: str, kind: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing one takes seconds if its sender wants it to; it would happen before the token is checked."""
    parsed: list[Any] = []
    monkeypatch.setattr(http, "_getMultiPartArgs", lambda *form: parsed.append(form) or {})
    monkeypatch.setattr(http, "parse_qs", lambda *form: parsed.append(form) or {})
    wire, protocol = connected(intake())
    asks = head(f"Content-Type: {kind}\r\nContent-Length: {len(body)}").replace(TOKEN.encode(), token.encode())
    protocol.dataReceived(asks + body)
    assert parsed == []
    assert wire.value().startswith(b"HTTP/1.1 400 " if token == TOKEN else b"HTTP/1.1 401 ")


def test_a_token_that_is_not_text_is_a_wrong_one() -> None:
    wire, protocol = connected(intake())
    protocol.dataReceived(head("Content-Length: 2").replace(TOKEN.encode(), b"\xff") + b"{}")
    assert wire.value().startswith(b"HTTP/1.1 401 ")


def test_the_headers_of_a_request_are_not_logged() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        port = intake()
        port._crowd.doStart()
        wire, protocol = connected(port)
        protocol.dataReceived(head("User-Agent: a browser\r\nContent-Length: 2") + b"{}")
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert wire.value().startswith(b"HTTP/1.1 200 ")
    assert "a browser" not in str(events)


def ids(store: MemoryStore, clock: Clock) -> AcceptedIds:
    found = AcceptedIds(ServiceStorage("hooks.test", lambda: store), seconds=100, now=clock.seconds)
    outcome(Deferred.fromCoroutine(found.open()))
    return found


def test_ids_are_forgotten_when_they_are_old_or_too_many() -> None:
    clock, store = Clock(), MemoryStore(token=lambda: "1", limits=StoreLimits())
    known = ids(store, clock)
    for number in range(MOST_IDS + 5):
        known.note(str(number), "digest")
        assert outcome(Deferred.fromCoroutine(known.keep(str(number))))
    for each in (known, ids(store, clock)):
        assert [each.digest_of(id) for id in ("4", "5", str(MOST_IDS + 4))] == [None, "digest", "digest"]
    clock.advance(100)
    known.note("new", "digest")
    outcome(Deferred.fromCoroutine(known.keep("new")))
    assert len(outcome(store.values("hooks.test"))) == 1


def test_a_store_without_room_does_not_stop_the_service() -> None:
    known = ids(MemoryStore(token=lambda: "1", limits=StoreLimits(service_values=0)), Clock())
    known.note("1", "digest")
    assert not outcome(Deferred.fromCoroutine(known.keep("1")))
    assert known.digest_of("1") == "digest"
