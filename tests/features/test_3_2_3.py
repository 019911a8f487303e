"""Feature 3.2-3: the prefix is `stream:`; another one is accepted and never confused (RFC 6120 §4.8.5)."""

from __future__ import annotations

from gateway.stream.events import StreamClosed, StreamErrorReceived
from gateway.stream.facts import Role
from tests.support.talk import header, message, talk, under_tls

OTHER = header().replace("stream:", "s:").replace("xmlns:stream", "xmlns:s")
ERROR = "<s:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></s:error>"


def test_our_prefix_is_the_usual_one() -> None:
    assert b"<stream:stream " in talk(Role.INITIATING).open().sent


def test_another_prefix_is_accepted() -> None:
    talking = under_tls().hear(OTHER, ERROR, "</s:stream>")
    assert [type(event) for event in talking.events][1:3] == [StreamErrorReceived, StreamClosed]


def test_the_usual_prefix_means_nothing_where_it_was_not_declared() -> None:
    assert under_tls().hear(OTHER, ERROR.replace("s:", "stream:")).error == "not-well-formed"
    assert under_tls().hear(OTHER, "</stream:stream>").error == "not-well-formed"


def test_the_usual_prefix_means_what_it_was_declared_as() -> None:
    confusing = header().replace("<stream:stream", "<s:stream xmlns:s='http://etherx.jabber.org/streams'")
    confusing = confusing.replace("xmlns:stream='http://etherx.jabber.org/streams'", "xmlns:stream='urn:x'")
    talking = under_tls(proofs={}).hear(confusing, "<stream:features/>")
    assert talking.error == "unsupported-stanza-type"
    assert message().encode() not in talking.said
