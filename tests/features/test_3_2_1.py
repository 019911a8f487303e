"""Feature 3.2-1: the root is `stream` in the streams namespace, and another namespace is refused (RFC 6120 §4.8.1)."""

from __future__ import annotations

import pytest

from gateway.stream.facts import Role
from tests.support.talk import header, talk, under_tls

STREAMS = "http://etherx.jabber.org/streams"


def test_our_root_is_in_the_streams_namespace() -> None:
    for sent in (talk(Role.INITIATING).open().sent, talk().hear(header()).sent):
        assert sent.startswith(b"<?xml version='1.0'?><stream:stream ")
        assert b" xmlns:stream='http://etherx.jabber.org/streams'" in sent


@pytest.mark.parametrize("other", ["http://etherx.jabber.org/streams/", "HTTP://etherx.jabber.org/streams", "urn:x"])
def test_another_namespace_is_refused_behind_our_header(other: str) -> None:
    talking = under_tls().hear(header().replace(STREAMS, other))
    assert talking.error == "invalid-namespace"
    assert talking.sent.startswith(b"<?xml version='1.0'?><stream:stream ")
    assert talking.is_closed


def test_another_root_of_that_namespace_is_refused() -> None:
    assert under_tls().hear(header().replace("<stream:stream", "<stream:steam")).error == "bad-format"


def test_a_root_without_namespace_is_refused() -> None:
    assert under_tls().hear("<stream to='ours.test'>").error == "invalid-namespace"
