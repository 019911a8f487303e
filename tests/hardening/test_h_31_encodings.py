"""H-31: other encodings, overlong UTF-8, surrogates, U+FFFE and separator bytes in namespaces are refused
(CVE-2022-25236, stanza smuggling); what we emit re-parses to the same tree.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream.header import declared_prefixes
from gateway.xmpp.elements import SEPARATOR, Element, parse_element
from gateway.xmpp.namespaces import SERVER
from gateway.xmpp.stanzas import CONTENT, Stanza
from tests.support.elements import elements, xml_text
from tests.support.talk import header, message, proved, talk

NO_UTF_8 = {
    "overlong <": b"\xc0\xbc",
    "overlong NUL": b"\xc0\x80",
    "overlong in three": b"\xe0\x80\xbc",
    "overlong in four": b"\xf0\x80\x80\xbc",
    "surrogate": b"\xed\xa0\x80",
    "pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "continuation": b"\x80",
    "begun": b"\xe2\x82",
    "latin": b"\xe9t",
    "U+FFFE": b"\xef\xbf\xbe",
    "U+FFFF": b"\xef\xbf\xbf",
    "NUL": b"\0",
    "separator": SEPARATOR.encode(),
    "form feed": b"\x0c",
}
PLACES = {
    "text": b"<message><body>%b</body></message>",
    "attribute": b"<message id='%b'/>",
    "namespace": b"<message><x xmlns='jabber:server%b'/></message>",
    "prefixed namespace": b"<message xmlns:p='urn:x%b'><p:x/></message>",
    "name": b"<message><x%b/></message>",
    "CDATA": b"<message><body><![CDATA[%b]]></body></message>",
    "between stanzas": b"%b<message/>",
}


@pytest.mark.parametrize("bad", NO_UTF_8)
@pytest.mark.parametrize("place", PLACES)
def test_h_31_it_is_refused_wherever_it_stands(place: str, bad: str) -> None:
    raw = PLACES[place].replace(b"%b", NO_UTF_8[bad])
    for bytewise in (False, True):
        talking = proved(bytewise=bytewise).hear(message()).forget().hear(raw)
        assert talking.error == "not-well-formed"
        assert not any(isinstance(word, bytes) for word in talking.said)


@pytest.mark.parametrize("reference", ["&#0;", "&#x1F;", "&#xFFFE;", "&#xD800;", "&#x110000;", "&#12;"])
def test_h_31_also_when_it_is_written_as_a_reference(reference: str) -> None:
    for place in ("text", "attribute", "namespace"):
        assert proved().hear(PLACES[place].replace(b"%b", reference.encode())).error == "not-well-formed"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_h_31_another_encoding_is_refused_by_its_first_two_bytes(encoding: str) -> None:
    for bytewise in (False, True):
        assert talk(bytewise=bytewise).hear(header().encode(encoding)[:2]).error == "unsupported-encoding"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "us-ascii", "utf-7", "x"])
def test_h_31_so_is_one_that_is_declared(encoding: str) -> None:
    assert talk().hear(header().replace("?>", f" encoding='{encoding}'?>")).error == "unsupported-encoding"


@given(elements.filter(lambda element: element.namespace not in ("", SERVER)))
def test_h_31_what_we_emit_is_read_as_the_same_tree(element: Element) -> None:
    """By a stream as any other server's, beside a stanza that nothing in it can become."""
    prefixes = declared_prefixes(SERVER)
    talking = proved().hear(b"<message>" + element.serialize(SERVER, prefixes) + b"</message>" + message().encode())
    first, second = talking.said
    assert isinstance(first, bytes)
    assert list(parse_element(first, b"<root xmlns='jabber:server'>").elements()) == [element]
    assert second == message().encode()


# Of other content than that of the stream that it passes, which is content everywhere.
other_content = elements.filter(lambda element: b"'jabber:server'" not in element.serialize())


@given(st.lists(other_content | xml_text, max_size=3), xml_text)
def test_h_31_one_stanza_of_ours_is_one_stanza_everywhere(children: list[Element | str], id_: str) -> None:
    ours = Stanza.from_element(Element(CONTENT, "message", {"id": id_, "to": "b@ours.test"}, children))
    for bytewise in (False, True):
        (raw,) = proved(bytewise=bytewise).hear(ours.raw).said
        assert isinstance(raw, bytes)
        assert parse_element(raw, b"<root xmlns='jabber:client'>") == ours.element
