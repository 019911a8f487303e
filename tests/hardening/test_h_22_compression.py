"""H-22, the part of the stream: neither compression (XEP-0138) nor TLS within TLS (CVE-2014-8760, CVE-2021-32920)."""

from __future__ import annotations

import pytest

from gateway.stream.events import SecureTransport
from gateway.stream.facts import Role
from tests.support.talk import IN_CLEAR, header, proved, talk, under_tls

COMPRESS = "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>"
OFFER = "<compression xmlns='http://jabber.org/features/compress'><method>zlib</method></compression>"
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def test_h_22_compression_is_not_offered() -> None:
    for talking in (talk(), talk(terms=IN_CLEAR), under_tls()):
        assert b"compress" not in talking.hear(header()).sent


@pytest.mark.parametrize("begin", [under_tls, proved])
def test_h_22_compression_is_not_taken(begin) -> None:
    talking = begin()
    if begin is under_tls:
        talking.hear(header())
    assert talking.hear(COMPRESS).error == "unsupported-stanza-type"


def test_h_22_compression_is_not_asked_for() -> None:
    talking = under_tls(Role.INITIATING).open().hear(header(id_="1"), f"<stream:features>{OFFER}</stream:features>")
    assert b"compress" not in talking.sent


@pytest.mark.parametrize("begin", [under_tls, proved])
def test_h_22_tls_is_started_once(begin) -> None:
    talking = begin()
    if begin is under_tls:
        talking.hear(header())
    talking.hear(STARTTLS)
    assert talking.error == "unsupported-stanza-type"
    assert SecureTransport() not in talking.events
