"""D-6: below an element of another namespace a stanza's own namespace stays what it was, prefixed or not."""

from __future__ import annotations

import pytest

from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.xmpp.elements import Element, parse_element
from gateway.xmpp.namespaces import CLIENT, COMPONENT_ACCEPT, SERVER
from gateway.xmpp.stanzas import Stanza
from tests.support.pair import tools

BELOW = {
    "unprefixed": "<f xmlns='urn:f'><body xmlns='{}'>1</body></f>",
    "prefixed": "<x:f xmlns:x='urn:f'><body>1</body></x:f>",
    "prefix of the stanza": "<x:f><body>1</body></x:f>",
    "prefix of the stream": "<stream:f><body>1</body></stream:f>",
    "deeper": "<x:f xmlns:x='urn:f'><x:g/><x:g><body>1</body></x:g></x:f>",
    "behind another": "<a xmlns='urn:a'/><x:f xmlns:x='urn:f'><b xmlns='urn:b'/><body>1</body></x:f>",
    "in CDATA and out": "<x:f xmlns:x='urn:f'><![CDATA[<b>]]><body>1</body></x:f>",
}
UNTOUCHED = {
    "beside": "<x:f xmlns:x='urn:f'/><body>1</body>",
    "behind": "<x:f xmlns:x='urn:f'><x:g/></x:f><body>1</body>",
    "no prefix is used": "<body xmlns:x='urn:f'>1</body>",
    "another default": "<x:f xmlns:x='urn:f'><body xmlns='urn:f'>1</body></x:f>",
    "another default above": "<f xmlns='urn:f'><x:f xmlns:x='urn:f'><body>1</body></x:f></f>",
}


def taken(namespace: str, inside: str, prefix: str = "") -> Stanza:
    codec = Codec(Budget(), tools().addresses)
    codec.feed(f"<stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams'>".encode())
    codec.take()
    codec.feed(f"<message{prefix}><subject>0</subject>{inside}</message>".encode())
    (stanza,) = codec.take()
    assert isinstance(stanza, Stanza)
    return stanza


def on_stream(stanza: Stanza, namespace: str) -> Element:
    return parse_element(stanza.raw, f"<root xmlns='{namespace}'>".encode())


def body(element: Element) -> Element:
    for child in element.elements():
        if child.name == "body":
            return child
        try:
            return body(child)
        except LookupError:
            continue
    raise LookupError


@pytest.mark.parametrize("came", [SERVER, CLIENT, COMPONENT_ACCEPT])
@pytest.mark.parametrize("leaves", [SERVER, CLIENT, COMPONENT_ACCEPT])
@pytest.mark.parametrize("inside", BELOW.values(), ids=BELOW)
def test_f_d_6_it_stays(came: str, leaves: str, inside: str) -> None:
    prefix = "" if "xmlns" in inside else " xmlns:x='urn:f'"
    element = on_stream(taken(came, inside.format(came), prefix), leaves)
    assert body(element).namespace == came
    assert body(element).text == "1"
    assert element.first(name="subject").namespace == leaves  # type: ignore[union-attr]


@pytest.mark.parametrize("inside", UNTOUCHED.values(), ids=UNTOUCHED)
def test_f_d_6_nothing_else_is_written_anew(inside: str) -> None:
    assert taken(SERVER, inside).raw == f"<message><subject>0</subject>{inside}</message>".encode()
