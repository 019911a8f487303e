"""Messages of TLS itself: a peer that sends them without content is cut off before they have cost us much."""

from __future__ import annotations

import hmac
from contextlib import suppress
from hashlib import sha384
from itertools import count

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL
from twisted.internet.testing import StringTransport

from gateway.net.tls.layer import TLSLayer
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import authority
from tests.support.tls import contexts

PEER = prepare_domain("peer.test")
FLOOD = 2000
FEW = 64
STANZA = b"<message to='a@ours.test' from='b@peer.test'><body>" + b"hello " * 100 + b"</body></message>"
HANDSHAKE, CONTENT = 22, 23  # kinds of records


class RecordWriter:
    """A client that has shaken hands with our layer, and encrypts its records itself: OpenSSL would not flood.

    It speaks TLS_AES_256_GCM_SHA384 (RFC 8446 §5.2, §7.2, §7.3).
    """

    def __init__(self) -> None:
        self.written = StringTransport()
        ours = contexts(authority().issue("peer.test")).accepting(PEER)
        self.layer = TLSLayer(self.written, ours, self.written.write)
        secrets: list[bytes] = []
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_keylog_callback(lambda _, line: secrets.append(line))
        client = SSL.Connection(context, None)
        client.set_connect_state()
        while not self.layer.is_established:
            with suppress(SSL.WantReadError):
                client.do_handshake()
            self.layer.received(client.bio_read(1 << 16))
            self.layer.send_answers()
            if self.written.value():
                client.bio_write(self.written.value())
            self.written.clear()
        assert client.get_cipher_name() == "TLS_AES_256_GCM_SHA384"
        [line] = [each for each in secrets if each.startswith(b"CLIENT_TRAFFIC_SECRET_0 ")]
        self._begin(bytes.fromhex(line.split()[2].decode()))

    def _begin(self, secret: bytes) -> None:
        self._secret = secret
        self._key, self._start = AESGCM(expand(secret, b"key", 32)), int.from_bytes(expand(secret, b"iv", 12), "big")
        self._numbers = count()

    def record(self, kind: int, content: bytes) -> bytes:
        head = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        nonce = (self._start ^ next(self._numbers)).to_bytes(12, "big")
        return head + self._key.encrypt(nonce, content + bytes([kind]), head)

    def new_keys(self, *, is_asking: bool) -> bytes:
        """Return a KeyUpdate; the next record is encrypted with the new key."""
        said = self.record(HANDSHAKE, b"\x18\x00\x00\x01" + bytes([is_asking]))
        self._begin(expand(self._secret, b"traffic upd", 48))
        return said


def expand(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446 §7.1, for results that need one block of the hash."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\x00"
    return hmac.new(secret, info + b"\x01", sha384).digest()[:length]


@pytest.mark.parametrize("is_asking", [False, True])
def test_a_flood_of_new_keys_is_cut_off_within_one_read(is_asking: bool) -> None:
    peer = RecordWriter()
    few = b"".join(peer.new_keys(is_asking=is_asking) for _ in range(FEW // 4))
    peer.layer.received(few)
    assert not peer.layer.has_ended
    peer.layer.received(b"".join(peer.new_keys(is_asking=is_asking) for _ in range(FLOOD)))
    peer.layer.send_answers()
    assert peer.layer.has_ended
    assert len(peer.written.value()) < 2 * FEW * 32  # a record each


def test_content_of_a_byte_does_not_pay_for_new_keys() -> None:
    peer = RecordWriter()
    reads = (peer.new_keys(is_asking=False) + peer.record(CONTENT, b" ") for _ in range(FLOOD))
    read = b"".join(peer.layer.received(data) for data in reads)
    assert peer.layer.has_ended
    assert len(read) < 2 * FEW


def test_a_peer_that_talks_may_change_its_keys_as_often_as_it_likes() -> None:
    peer = RecordWriter()
    for _ in range(FLOOD // 4):
        data = peer.new_keys(is_asking=False) + peer.record(CONTENT, STANZA)
        assert peer.layer.received(data) == STANZA
    several = b"".join(peer.new_keys(is_asking=True) + peer.record(CONTENT, 2 * STANZA) for _ in range(FEW))
    assert peer.layer.received(several) == 2 * STANZA * FEW
    assert not peer.layer.has_ended


def test_one_connection_does_not_pay_for_another() -> None:
    honest, other = RecordWriter(), RecordWriter()
    for _ in range(2 * FEW):
        other.layer.received(other.new_keys(is_asking=True) + other.record(CONTENT, 2 * STANZA))
        other.layer.write(b"this sends the answer")
        assert honest.layer.received(honest.record(CONTENT, b" ")) == b" "
