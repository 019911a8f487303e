"""Feature 9-1: comments, processing instructions, DTDs, entity references and unescaped characters are never sent
(RFC 6120 §11.1).
"""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.stream.expat import XMLChecker
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import SERVER, XML
from gateway.xmpp.stanzas import CONTENT, Stanza
from tests.support.elements import elements, xml_text
from tests.support.talk import header, message, proved, under_tls

PREDEFINED = re.compile(rb"&(?!(?:amp|lt|gt|apos|quot|#[0-9]+);)")


def check(sent: bytes, *, root: str = header()) -> None:
    """Check that a stream is well-formed, and has nothing that is forbidden."""
    XMLChecker().feed(root.encode() + sent)
    assert not re.search(rb"<[!?]", sent)
    assert not PREDEFINED.search(sent)


@given(elements.filter(lambda element: element.namespace != XML))
def test_what_we_make(element: Element) -> None:
    check(element.serialize(SERVER))


@given(st.lists(elements | xml_text, max_size=3), xml_text)
def test_the_stanzas_that_we_make(children: list[Element | str], id_: str) -> None:
    check(Stanza.from_element(Element(CONTENT, "message", {"id": id_}, children)).raw)


@given(xml_text)
def test_what_we_say_of_an_error(text: str) -> None:
    check(proved().close(StreamError(StreamCondition.BAD_FORMAT, text)).sent.removesuffix(b"</stream:stream>"))


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_what_we_say_to_what_they_say(text: str) -> None:
    """Our answer is well-formed from its start, whatever the header's attributes and the element's name are."""
    quoted = text.replace("&", "").replace("<", "").replace("'", "")
    for heard in (header(quoted), header(to=quoted), header(id_=quoted), header(version=quoted)):
        XMLChecker().feed(under_tls().hear(heard).sent)
    XMLChecker().feed(header().encode() + proved().hear(f"<x xmlns='{quoted}'/>", text).sent)


def test_what_passes_is_what_came() -> None:
    """References and CDATA sections are allowed, and a reader of our stream reads the same content."""
    for body in ("&amp;&lt;&gt;&apos;&quot;", "&#60;&#x3C;", "<![CDATA[<&]]>", "&#x10FFFF;"):
        (passed,) = proved().hear(message(body=body)).said
        assert isinstance(passed, bytes)
        XMLChecker().feed(header().encode() + passed)
        assert passed == message(body=body).encode()
