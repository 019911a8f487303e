"""The TLS layer: two of them talk to each other, over transports that are strings or a real connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from gateway.net.certificates.judge import CertificateJudge
from gateway.net.tls.buffers import keep_buffers, renew_buffers
from gateway.net.tls.contexts import TLSRules
from gateway.net.tls.layer import TLSLayer
from gateway.net.tls.records import ByMethods, openssl
from gateway.net.tls.session import judge_peer, tls_exporter
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, trusting
from tests.support.reactor import run_in_reactor
from tests.support.tls import contexts

OURS, PEER = prepare_domain("ours.test"), prepare_domain("peer.test")
DONE = Failure(ConnectionDone())


class End:
    """A layer on a string."""

    def __init__(self, connection: SSL.Connection) -> None:
        self.transport: Any = StringTransport()
        self.layer = TLSLayer(self.transport, connection, self.transport.write)
        self.layer.begin()

    def take(self) -> bytes:
        """Return what it has written."""
        self.layer.send_answers()
        written: bytes = self.transport.value()
        self.transport.clear()
        return written


def connecting(**more: Any) -> End:
    return End(contexts(authority().issue("ours.test"), **more).connecting(OURS, PEER, direct=False))


def accepting(**more: Any) -> End:
    return End(contexts(authority().issue("peer.test"), **more).accepting(PEER))


def talk(one: End, other: End) -> list[bytes]:
    """Carry over what both have written until neither says more; what the other read, read by read."""
    heard = []
    while any(written := [one.take(), other.take()]):
        for data, reader in zip(written, (other, one), strict=True):
            if data and (read := reader.layer.received(data)) and reader is other:
                heard.append(read)
    return heard


@pytest.fixture(params=[openssl, ByMethods()])
def ends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[End, End]:
    monkeypatch.setattr("gateway.net.tls.layer.openssl", request.param)
    pair = connecting(), accepting()
    talk(*pair)
    assert all(end.layer.is_established for end in pair)
    return pair


def test_many_records_of_one_read_are_one_piece(ends: tuple[End, End]) -> None:
    one, other = ends
    for word in (b"one ", b"two ", b"three"):
        one.layer.write(word)
    assert talk(one, other) == [b"one two three"]


def test_a_record_may_come_in_any_pieces(ends: tuple[End, End]) -> None:
    one, other = ends
    one.layer.write(b"whole")
    *first, last = one.take()
    for byte in first:
        assert other.layer.received(bytes([byte])) == b""
    assert other.layer.received(bytes([last])) == b"whole"


@pytest.mark.parametrize("cut", range(1, 12))
def test_records_may_be_cut_anywhere(ends: tuple[End, End], cut: int) -> None:
    one, other = ends
    one.layer.write(b"one ")
    one.layer.write(b"two")
    records = one.take()
    assert other.layer.received(records[:cut]) + other.layer.received(records[cut:]) == b"one two"


@pytest.mark.parametrize("size", [1, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, 1_000_000])
def test_what_is_written_goes_out_at_once_and_whole(ends: tuple[End, End], size: int) -> None:
    one, other = ends
    data = bytes(range(256)) * (size // 256 + 1)
    one.layer.write(data[:size])
    assert talk(one, other) == [data[:size]]


def test_records_are_read_by_the_quick_way() -> None:
    assert type(openssl) is not ByMethods


@pytest.mark.parametrize("renew", [renew_buffers, keep_buffers])
def test_a_connection_goes_on_after_a_rest(
    ends: tuple[End, End], renew: Callable[[SSL.Connection], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.net.tls.layer.renew_buffers", renew)
    one, other = ends
    for word in (b"before", b"after"):
        one.layer.write(word)
        assert talk(one, other) == [word]
        for end in ends:
            end.layer.rest()


def test_a_rest_loses_nothing_that_waits(ends: tuple[End, End]) -> None:
    one, other = ends
    one.layer.getHandle().send(b"encrypted, not yet taken")
    one.layer.rest()
    one.layer.write(b" and more")
    [record] = [one.take()]
    other.layer.getHandle().bio_write(record[:1])
    other.layer.rest()
    assert other.layer.received(record[1:]) == b"encrypted, not yet taken and more"


def test_a_rest_gives_back_the_memory_of_the_handshake() -> None:
    ends = connecting(), accepting()
    talk(*ends)
    handles: list[Any] = [end.layer.getHandle() for end in ends]
    before = [(handle._into_ssl, handle._from_ssl) for handle in handles]
    for end in ends:
        end.layer.rest()
    assert all(
        handle._into_ssl != read_from and handle._from_ssl != written_to
        for handle, (read_from, written_to) in zip(handles, before, strict=True)
    )


def test_buffers_are_renewed_by_the_quick_way() -> None:
    assert renew_buffers is not keep_buffers


def test_what_is_written_during_the_handshake_follows_it() -> None:
    one, other = connecting(), accepting()
    one.layer.write(b"first ")
    one.layer.write(b"second")
    assert talk(one, other) == [b"first second"]


def test_what_comes_with_the_end_of_the_handshake_is_read() -> None:
    one, other = connecting(), accepting()
    other.layer.received(one.take())
    one.layer.received(other.take())
    one.layer.write(b"at once")
    assert other.layer.received(one.take()) == b"at once"


def test_a_connection_is_done_when_both_have_said_so(ends: tuple[End, End]) -> None:
    one, other = ends
    one.layer.write(b"last words")
    one.layer.loseConnection()
    assert not one.transport.disconnecting  # what the other has to say is still read
    other.layer.write(b"wait")
    assert other.layer.received(one.take()) == b"last words"
    assert other.layer.has_ended
    other.layer.loseConnection()
    assert other.transport.disconnecting
    assert one.layer.received(other.take()) == b"wait"
    one.layer.loseConnection()
    assert one.transport.disconnecting
    assert one.layer.why_lost(DONE) is DONE


def test_behind_our_goodbye_nothing_is_written(ends: tuple[End, End]) -> None:
    one, other = ends
    one.layer.loseConnection()
    one.layer.write(b"too late")
    one.layer.loseConnection()
    assert talk(one, other) == []


def test_who_only_ends_tcp_may_have_been_cut_off(ends: tuple[End, End]) -> None:
    one, _ = ends
    assert one.layer.why_lost(DONE).check(ConnectionLost)


def test_another_reason_stays_what_it_is(ends: tuple[End, End]) -> None:
    reason = Failure(TimeoutError())
    assert ends[0].layer.why_lost(reason) is reason


def test_a_handshake_that_fails_tells_both_sides_why() -> None:
    old = TLSRules(minimum="1.2", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(b"ECDHE-RSA-AES256-GCM-SHA384")
    client = SSL.Connection(context, None)
    client.set_connect_state()
    one, other = End(client), accepting(rules=old)
    talk(one, other)
    assert "no shared cipher" in str(other.layer.why_lost(DONE).value)
    assert "handshake failure" in str(one.layer.why_lost(DONE).value)
    for end in (one, other):
        assert not end.layer.is_established
        end.layer.loseConnection()
        assert end.transport.disconnecting


def test_a_handshake_that_is_not_wanted_any_longer_is_broken_off() -> None:
    one = connecting()
    one.layer.write(b"early")
    one.layer.loseConnection()
    assert one.layer.has_ended
    assert not one.layer.is_established
    assert one.transport.disconnecting
    one.take()
    one.layer.write(b"late")
    assert one.take() == b""


@pytest.mark.parametrize("junk", [b"\x17\x03\x03\x00\x20" + b"?" * 32, b"<presence/>" * 100], ids=["record", "text"])
def test_what_is_no_tls_ends_it(ends: tuple[End, End], junk: bytes) -> None:
    one, other = ends
    one.layer.write(b"before")
    assert other.layer.received(one.take() + junk) == b"before"
    assert other.layer.has_ended
    assert other.layer.why_lost(DONE).check(SSL.Error)
    other.layer.write(b"lost")
    one.layer.received(other.take())
    assert one.layer.why_lost(DONE).check(SSL.Error)  # it got an alert
    one.layer.write(b"behind it")
    assert other.layer.received(one.take()) == b""


def test_who_is_cut_off_is_not_heard_any_more(ends: tuple[End, End]) -> None:
    one, other = ends
    one.layer.write(b"unheard")
    other.layer.abortConnection()
    other.layer.write(b"nor said")
    assert other.layer.received(one.take()) == b""
    assert other.take() == b""
    assert other.transport.disconnected


# Over a real connection.


class Talker(Protocol):
    """Starts TLS as soon as it is connected, says something once it is up, and leaves when it has read something."""

    def __init__(self, make: Callable[[], SSL.Connection], word: bytes) -> None:
        self.make = make
        self.word = word
        self.heard = b""
        self.shown: list[Any] = []
        self.lost: Deferred[BaseException] = Deferred()

    def connectionMade(self) -> None:
        self.layer = TLSLayer(self.transport, self.make(), self.transport.write)
        self.layer.begin()
        self.layer.write(self.word)

    def dataReceived(self, data: bytes) -> None:
        self.heard += self.layer.received(data)
        if self.layer.is_established and not self.shown:
            verdict = judge_peer(CertificateJudge(trusting()), self.layer, NOW)
            self.shown = [verdict.names, tls_exporter(self.layer)]
        self.layer.send_answers()
        if self.heard or self.layer.has_ended:
            self.layer.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(self.layer.why_lost(reason).value)


async def conversation() -> tuple[Talker, Talker]:
    from twisted.internet import reactor

    ours, theirs = contexts(authority().issue("ours.test")), contexts(authority().issue("peer.test"))
    accepted = Talker(lambda: theirs.accepting(PEER), b"welcome")
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(lambda: accepted))
    dialling = Talker(lambda: ours.connecting(OURS, PEER, direct=False), b"hello")
    await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), dialling)
    try:
        for each in (dialling, accepted):
            assert isinstance(await each.lost, ConnectionDone)
        return dialling, accepted
    finally:
        await port.stopListening()


def test_two_sides_of_a_real_connection_part_in_good_order() -> None:
    dialling, accepted = run_in_reactor(conversation)
    assert (dialling.heard, accepted.heard) == (b"welcome", b"hello")
    assert dialling.shown[0].prove(PEER)
    assert accepted.shown[0].prove(OURS)
    assert dialling.shown[1] == accepted.shown[1] is not None
