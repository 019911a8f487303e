"""Stanzas and elements for tests, written as XML."""

from __future__ import annotations

from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.elements import Element, parse_element
from gateway.xmpp.stanzas import CONTENT, Stanza


def element(xml: str, namespace: str = CONTENT) -> Element:
    """The tree of this XML, which stands where `namespace` is the default namespace."""
    return parse_element(xml.encode(), f"<root xmlns='{namespace}'>".encode())


def stanza(xml: str) -> Stanza:
    """The stanza of this XML, as it would come from a stream."""
    codec = _streams.pop() if _streams else _stream()
    codec.feed(xml.encode())
    (read,) = codec.take()
    assert isinstance(read, Stanza)
    _streams.append(codec)  # unless it has ended by an error
    return read


def _stream() -> Codec:
    codec = Codec(Budget(), AddressCache())
    codec.feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    codec.take()
    return codec


_streams: list[Codec] = []  # to open one takes longer than to read a stanza


def swelling() -> str:
    """Return an element of about 100 kB whose tree takes about 9 MB if every namespace is declared again."""
    return f"<q xmlns='urn:q' xmlns:p='u:{'x' * 1000}'>" + "<a p:b=''/>" * 9000 + "</q>"
