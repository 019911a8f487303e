"""Scope: what leans on a stream header is found, and cheaply ruled out where nothing does."""

from __future__ import annotations

import pytest

from gateway.stream.scope import Scope

DECLARED = {
    "": "jabber:server", "stream": "http://etherx.jabber.org/streams", "db": "jabber:server:dialback", "x.y": "z",
}  # fmt: skip
SCOPE = Scope(b"<stream:stream>", DECLARED, "de")

LEANS = [
    b"<message><db:x/></message>",
    b"<message><a></a></message></db:x>",
    b"<message x.y:a='1'/>",
    b"<message\tdb:a='1'/>",
    b"<message><a xmlns='jabber:server'/></message>",
    b"<s:message xmlns:s='jabber:server'/>",
    b"<message><a xmlns='jabber:se&#114;ver'/></message>",
    b'<message><a xmlns:b="jabber:&#x73;erver"/></message>',
]
STANDS = [
    b"<message/>",
    b"<message from='a:b@c' to='xdb:y'><body>a:b xdb:c</body></message>",
    b"<message><a xmlns='jabber:client'/></message>",
    b"<message><adb:a xmlns:adb='urn:x'/></message>",
    b"<message><xzy:a xmlns:xzy='urn:x'/></message>",
    b"<message id='&#65;'><a xmlns='urn:x' b='&#65;'>xmlns='&#65;'</a></message>",
]


@pytest.mark.parametrize("raw", LEANS)
def test_what_leans_is_found(raw: bytes) -> None:
    assert SCOPE.may_be_borrowed_from(b"<message/>" + raw)
    assert SCOPE.is_borrowed_from(raw)


@pytest.mark.parametrize("raw", STANDS)
def test_what_stands_by_itself_is_left_alone(raw: bytes) -> None:
    assert not SCOPE.is_borrowed_from(raw)


def test_a_read_in_which_nothing_leans_is_ruled_out_at_once() -> None:
    assert not SCOPE.may_be_borrowed_from((STANDS[0] + STANDS[2]) * 100)


@pytest.mark.parametrize(
    ("lang", "written"), [("de", b" xml:lang='de'"), ("", b""), (None, b""), ("x" * 65, b""), ("'", b"")]
)
def test_a_language_is_put_behind_the_name(lang: str | None, written: bytes) -> None:
    raw = Scope(b"<stream:stream>", DECLARED, lang).with_language(b"<iq a='1'/>", 3)
    assert raw == b"<iq" + written + b" a='1'/>"


@pytest.mark.parametrize("namespace", ["", "urn", "urn:x:y", "jabber:server"])
def test_any_content_namespace_is_found(namespace: str) -> None:
    scope = Scope(b"<stream:stream>", {"": namespace, "p": "urn:p"} if namespace else {"p": "urn:p"}, None)
    named = b"<message><a xmlns='%b'/></message>" % namespace.encode()
    assert scope.may_be_borrowed_from(named) or not namespace
    assert scope.is_borrowed_from(named) == bool(namespace)
    assert scope.is_borrowed_from(b"<message><p:a/></message>")
