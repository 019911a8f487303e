"""Feature 10.6-1: extended content is routed as it came, by whom does not know it too [stanza-extension], also prefixes
that the sender declared on its stream header (RFC 6120 §8.4, §4.8.3).
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream.facts import Means
from gateway.stream.profiles import client_profile, component_profile
from gateway.xmpp.elements import Element, parse_element
from gateway.xmpp.namespaces import CLIENT, SERVER, XML
from tests.support.elements import elements
from tests.support.talk import INBOUND, Talk, header, talk, under_tls

MORE = " xmlns:x='urn:x' xmlns:own='jabber:server'"
AS_IT_CAME = [
    "<body>hi</body>",
    "<x xmlns='urn:unknown'><y a='1' z:b='2' xmlns:z='urn:z'>text<y/></y></x>",
    "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>&#x1F600;</body></html>",
    "<x xmlns='urn:unknown'><![CDATA[<&]]></x>",
    "<x xmlns='urn:unknown' xml:space='preserve'> \n\t</x>",
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>hi</body></message></forwarded>",
    "<x xmlns=''><y/></x>",
]


def sender(namespace: str = SERVER) -> Talk:
    if namespace == SERVER:
        return under_tls(proofs={INBOUND: Means.EXTERNAL}).hear(header(more=MORE)).forget()
    profile = client_profile() if namespace == CLIENT else component_profile()
    return talk(profile=profile).hear(header(namespace=namespace, more=" xmlns:x='urn:x'")).forget()


def message(content: str) -> str:
    return f"<message from='a@theirs.test/r' to='b@ours.test'>{content}</message>"


@pytest.mark.parametrize("content", AS_IT_CAME)
def test_the_very_bytes_pass(content: str) -> None:
    assert sender().hear(message(content)).said == [message(content).encode()]


def is_declared(element: Element) -> bool:
    """Return whether every name in a tree is declared somewhere: those of the XML namespace need not be."""
    return element.namespace != XML and all(map(is_declared, element.elements()))


BORROWED = [
    ("<x:a/>", Element("urn:x", "a")),
    ("<a xmlns='urn:y' x:b='1'/>", Element("urn:y", "a", {("urn:x", "b"): "1"})),
    ("<db:a><x:b/></db:a>", Element("jabber:server:dialback", "a", {}, [Element("urn:x", "b")])),
    ("<own:body>hi</own:body>", Element(CLIENT, "body", {}, ["hi"])),
    ("<body xmlns='jabber:server'>hi</body>", Element(CLIENT, "body", {}, ["hi"])),
    ("<a xmlns='urn:y'><own:b/></a>", Element("urn:y", "a", {}, [Element(SERVER, "b")])),
    ("<xml:a/>", Element("http://www.w3.org/XML/1998/namespace", "a")),
]


@pytest.mark.parametrize(("content", "meant"), BORROWED)
def test_what_leans_on_the_header_is_written_into_the_stanza(content: str, meant: Element) -> None:
    (raw,) = sender().hear(message(content + "<own:x/>")).said
    assert isinstance(raw, bytes)
    element = parse_element(raw, b"<root xmlns='jabber:client'>")
    assert next(element.elements()) == meant


@given(st.lists(elements.filter(is_declared), max_size=3), st.sampled_from([SERVER, CLIENT, "jabber:component:accept"]))
def test_any_content_means_the_same_on_the_next_stream(children: list[Element], namespace: str) -> None:
    """Written as a peer might, with the prefixes of its header; read as the next one will."""
    prefixes = {"urn:x": "x", "http://etherx.jabber.org/streams": "stream"}
    content = b"".join(child.serialize(namespace, prefixes) for child in children).decode()
    (raw,) = sender(namespace).hear(message(content)).said
    assert isinstance(raw, bytes)
    for onwards in (SERVER, CLIENT, "jabber:component:accept"):
        read = parse_element(raw, f"<root xmlns='{onwards}'>".encode())
        expected = [_moved(child, namespace, onwards) for child in children]
        assert list(read.elements()) == expected


def _moved(element: Element, before: str, after: str) -> Element:
    """Content of the stream's own namespace takes on the next stream's; what stands inside other content stays."""
    if element.namespace == before:
        inside = [child if isinstance(child, str) else _moved(child, before, after) for child in element.children]
        return Element(after, element.name, element.attributes, inside)
    return element
