"""Elements: what is written is read again as the same tree, whatever is around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.xmpp.elements import (
    Element,
    Oversized,
    UnserializableText,
    escape_attribute,
    escape_text,
    parse_element,
    unescape,
)
from gateway.xmpp.namespaces import CLIENT, DIALBACK, SERVER, STREAMS, XML
from tests.support.elements import NAMESPACES, elements, xml_text

PREFIXES = {STREAMS: "stream", DIALBACK: "db"}


def root(default: str, prefixes: dict[str, str]) -> bytes:
    """A start tag under which an element may have been written."""
    declared = "".join(f" xmlns:{prefix}='{namespace}'" for namespace, prefix in prefixes.items())
    return f"<root xmlns='{escape_attribute(default)}'{declared}>".encode()


@given(elements, st.sampled_from([*NAMESPACES, ""]), st.sampled_from([{}, PREFIXES]))
def test_what_is_written_is_read_again(element: Element, default: str, prefixes: dict[str, str]) -> None:
    raw = element.serialize(default, prefixes)
    assert parse_element(raw, root(default, prefixes)) == element


@given(elements)
def test_what_was_read_is_written_the_same_again(element: Element) -> None:
    once = parse_element(element.serialize()).serialize()
    assert parse_element(once).serialize() == once


@given(xml_text)
def test_an_escaped_value_is_itself_after_unescaping(text: str) -> None:
    assert unescape(escape_attribute(text).encode()) == text


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"a b", "a b"),
        (b"a\tb\nc", "a b c"),
        (b"a\r\nb\rc", "a b c"),
        (b"&lt;&gt;&amp;&apos;&quot;", "<>&'\""),
        (b"&#9;&#xA;&#13;", "\t\n\r"),
        (b"&#x1F600;&#128512;", "\U0001f600\U0001f600"),
        (b"&amp;lt;", "&lt;"),
        (b"&#" + b"0" * 5000 + b"65;", "A"),
        (b"&#x" + b"0" * 5000 + b"41;", "A"),
        ("ü".encode(), "ü"),
    ],
)
def test_a_value_is_read_as_a_parser_reads_it(raw: bytes, value: str) -> None:
    assert unescape(raw) == value
    assert parse_element(b"<a b='" + raw.replace(b"'", b"&apos;") + b"'/>").get("b") == value


WRITTEN = [
    ("of the default namespace", Element(SERVER, "a"), SERVER, b"<a/>"),
    ("of another namespace", Element(CLIENT, "a"), SERVER, b"<a xmlns='jabber:client'/>"),
    ("of no namespace", Element("", "a"), SERVER, b"<a xmlns=''/>"),
    ("with a declared prefix", Element(DIALBACK, "a", {}, [Element(SERVER, "b")]), SERVER, b"<db:a><b/></db:a>"),
    ("inside another", Element(SERVER, "a", {}, [Element("x", "b"), Element(SERVER, "c")]), SERVER,
     b"<a><b xmlns='x'/><c/></a>"),
    ("with attributes", Element(SERVER, "a", {"b": "1", "c": None}), SERVER, b"<a b='1'/>"),
    ("with a language", Element(SERVER, "a", {(XML, "lang"): "de"}), SERVER, b"<a xml:lang='de'/>"),
    ("with a qualified attribute", Element(SERVER, "a", {("x", "b"): "1"}), SERVER, b"<a xmlns:ns0='x' ns0:b='1'/>"),
    ("of the XML namespace", Element(SERVER, "a", {}, [Element(XML, "b")]), SERVER, b"<a><xml:b/></a>"),
    ("with text", Element(SERVER, "a", {"b": "'\"<&\n"}, ["<&>\r'\""]), SERVER,
     b"<a b='&#39;\"&lt;&#38;&#10;'>&lt;&amp;&gt;&#13;'\"</a>"),
]  # fmt: skip


@pytest.mark.parametrize(("element", "default", "raw"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_an_element_is_written_with_as_little_as_it_needs(element: Element, default: str, raw: bytes) -> None:
    assert element.serialize(default, PREFIXES) == raw
    assert parse_element(raw, root(default, PREFIXES)) == element


@pytest.mark.parametrize("character", ["\0", "\x08", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_h_31_what_no_document_can_hold_is_not_written(character: str) -> None:
    for write in (escape_text, escape_attribute, lambda text: Element("x", "a", {"b": text}).serialize()):
        with pytest.raises(UnserializableText, match=f"U\\+{ord(character):04X}"):
            write(f"a{character}b")


def test_a_namespace_written_many_times_stops_at_the_limit() -> None:
    many = Element(SERVER, "a", {}, [Element("x" * 1000, "b") for _ in range(1000)])
    assert len(many.serialize(at_most=2_000_000)) > 1_000_000
    with pytest.raises(Oversized):
        many.serialize(at_most=100_000)


def test_a_tree_deeper_than_our_stack_is_written_and_read() -> None:
    deep = Element(SERVER, "a")
    for _ in range(5000):
        deep = Element(SERVER, "a", {}, [deep])
    raw = deep.serialize()
    assert raw.count(b"<a") == 5001
    assert parse_element(raw).serialize() == raw


@pytest.mark.parametrize("raw", [b"", b"text", b"<a>", b"<a></b>", b"<p:a/>", b"<a>&nbsp;</a>", b"</root>", b"\xff"])
def test_what_is_no_whole_element_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="element"):
        parse_element(raw)


TREE = Element(SERVER, "a", {"b": "1", (XML, "lang"): "de"}, ["x", Element("y", "c"), "z", Element(SERVER, "c")])


def test_children_are_found_by_namespace_and_name() -> None:
    assert [child.namespace for child in TREE.elements(name="c")] == ["y", SERVER]
    assert TREE.first("y", "c") == Element("y", "c")
    assert TREE.first("y", "d") is None
    assert TREE.text == "xz"
    assert (TREE.get("b"), TREE.get("d"), TREE.lang) == ("1", None, "de")


def test_an_element_is_replaced_and_never_changed() -> None:
    changed = TREE.replace(attributes={"b": None, "d": "2"}, children=["new"])
    assert changed == Element(SERVER, "a", {(XML, "lang"): "de", "d": "2"}, ["new"])
    assert TREE.get("b") == "1"
    with pytest.raises(AttributeError):
        TREE.name = "other"  # type: ignore[misc]


def test_trees_are_equal_as_a_parser_would_report_them() -> None:
    assert Element("x", "a", {}, ["b", "", "c"]) == Element("x", "a", {}, ["bc"])
    assert Element("x", "a", {}, ["b", "c"]) != Element("x", "a", {}, ["b"])
    assert hash(Element("x", "a", {}, ["b", "c"])) == hash(Element("x", "a", {}, ["bc"]))
    assert Element("x", "a") != "a"
