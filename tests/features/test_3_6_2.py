"""Feature 3.6-2: a stream error has its condition first, then perhaps a text with its language, then perhaps an element
of the application, and nothing else (RFC 6120 §4.9.2).
"""

from __future__ import annotations

import pytest

from gateway.stream.errors import read_error, write_error
from gateway.stream.events import StreamErrorReceived
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError

NAMESPACE = "urn:ietf:params:xml:ns:xmpp-streams"
DETAIL = Element("urn:xmpp:sm:3", "handled-count-too-high", {"h": "10"})


@pytest.mark.parametrize("condition", StreamCondition)
@pytest.mark.parametrize("text", ["", "what is <wrong> & why"])
@pytest.mark.parametrize("detail", [None, DETAIL])
def test_the_parts_stand_in_their_order(condition: StreamCondition, text: str, detail: Element | None) -> None:
    written = write_error(StreamError(condition, text, reason="our secret", detail=detail))
    parts = [Element(NAMESPACE, str(condition))]
    if text:
        parts.append(Element(NAMESPACE, "text", {("http://www.w3.org/XML/1998/namespace", "lang"): "en"}, [text]))
    if detail is not None:
        parts.append(detail)
    assert written == Element("http://etherx.jabber.org/streams", "error", {}, parts)
    assert b"secret" not in written.serialize()


@pytest.mark.parametrize("text", ["", "why"])
def test_what_we_write_we_read(text: str) -> None:
    for condition in StreamCondition:
        read = read_error(write_error(StreamError(condition, text, detail=DETAIL)))
        assert read == StreamErrorReceived(condition=condition, text=text)
