"""Feature 3.2-2: every element of the streams namespace is prefixed, theirs and ours (RFC 6120 §4.8.1, §4.8.5)."""

from __future__ import annotations

from gateway.xmpp.errors import StreamCondition, StreamError
from tests.support.talk import header, proved, under_tls


def test_an_unprefixed_root_is_refused() -> None:
    talking = under_tls().hear("<stream xmlns='http://etherx.jabber.org/streams' to='ours.test' version='1.0'>")
    assert talking.error == "bad-namespace-prefix"
    assert talking.is_closed


def test_all_that_we_send_of_it_is_prefixed() -> None:
    sent = under_tls().hear(header()).close(StreamError(StreamCondition.RESET)).sent
    for name in (b"stream", b"features", b"error"):
        assert b"<stream:" + name in sent
        assert b"<" + name + b" " not in sent
        assert b"<" + name + b">" not in sent
    assert sent.count(b"http://etherx.jabber.org/streams") == 1


def test_what_they_send_is_known_by_its_namespace_and_not_by_its_prefix() -> None:
    named = (
        "<error xmlns='http://etherx.jabber.org/streams'><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></error>"
    )
    assert len(proved().hear(named).events) == 1
    assert proved().hear("<stream:error xmlns:stream='urn:x'/>").error == "unsupported-stanza-type"
