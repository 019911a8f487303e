"""Framing: both ways to the end of an element agree, on any well-formed element, whole or in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream.framing import INCOMPLETE, UNUSUAL, Count, attributes, search, tags
from gateway.xmpp.elements import parse_element

NAMES = (b"message", b"presence", b"iq")
ATTRIBUTES = (b"", b" a='>'", b' b="/>"', b"\n c = '/message>'", b" d='&lt;'", b" e='\"'", b' f="\'"')
TEXTS = (b"", b"text", b" > ", b"]]", b"/>", b"'", b'"', b"message>", b"/message>")
CDATA = (
    b"<![CDATA[</message>]]>",
    b"<![CDATA[<message>]]>",
    b"<![CDATA[]]>",
    b"<![CDATA[<a b='>]]>",
    b"<![CDATA[]]]]>",
)


@st.composite
def inner(draw: st.DrawFn, *, cdata: bool = True) -> bytes:
    """Well-formed content: text, CDATA sections and elements, some of them named as stanzas are."""
    pieces = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.integers(0, 3))
        if kind == 0:
            pieces.append(draw(st.sampled_from(TEXTS)))
        elif kind == 1 and cdata:
            pieces.append(draw(st.sampled_from(CDATA)))
        else:
            pieces.append(draw(element(st.sampled_from([*NAMES, b"messages", b"iqx", b"a", b"p:iq"]), cdata=cdata)))
    return b"".join(pieces)


@st.composite
def element(draw: st.DrawFn, names: st.SearchStrategy[bytes], *, cdata: bool = True) -> bytes:
    """One well-formed element (prefixes are nobody's business here)."""
    name, written = draw(names), draw(st.sampled_from(ATTRIBUTES))
    if draw(st.booleans()):
        return b"<" + name + written + b"/>"
    space = draw(st.sampled_from([b"", b"", b" ", b"\n"]))
    return b"<" + name + written + b">" + draw(inner(cdata=cdata)) + b"</" + name + space + b">"


def tag_ends(raw: bytes) -> list[int]:
    """Return where expat may have stopped in the middle: behind any whole token."""
    ends, position = [], 0
    for tag in tags(raw):
        position = raw.index(tag, position) + len(tag)
        ends.append(position)
    return ends


def with_content(raw: bytes) -> bool:
    return not next(tags(raw)).endswith(b"/>")


@given(element(st.sampled_from(NAMES)), st.binary(max_size=5))
def test_count_finds_the_end(raw: bytes, behind: bytes) -> None:
    parse_element(raw.replace(b"p:", b"p"))
    assert Count().end(raw, 0, len(raw)) == len(raw)
    assert Count().end(b"xyz" + raw + b"<iq/>", 3, len(raw) + 8) == 3 + len(raw)


@given(element(st.sampled_from(NAMES), cdata=False).filter(with_content))
def test_search_finds_the_same_end_or_asks_for_a_count(raw: bytes) -> None:
    name = next(name for name in NAMES if raw.startswith(b"<" + name))
    begin = len(next(tags(raw)))
    for behind in (b"", b"<message></message>", b"</stream:stream>"):
        found = search(raw + behind, name, begin, len(raw + behind))
        assert found in (len(raw), UNUSUAL)


@given(element(st.sampled_from(NAMES), cdata=False).filter(with_content), st.data())
def test_search_goes_on_where_it_stopped(raw: bytes, data: st.DataObject) -> None:
    name = next(name for name in NAMES if raw.startswith(b"<" + name))
    ends = tag_ends(raw)
    stops = [*sorted(data.draw(st.sets(st.sampled_from(ends)))), len(raw)]
    resume, found = ends[0], INCOMPLETE
    for stop in stops:
        if stop >= resume and found == INCOMPLETE:
            found = search(raw, name, resume, stop)
            resume = stop
    assert found in (len(raw), UNUSUAL)


@given(element(st.sampled_from(NAMES)), st.data())
def test_count_goes_on_where_it_stopped(raw: bytes, data: st.DataObject) -> None:
    count, ends = Count(), tag_ends(raw)
    for stop in sorted(data.draw(st.sets(st.sampled_from(ends)))):
        if stop < len(raw):
            assert count.end(raw, 0, stop) == INCOMPLETE
    assert count.end(raw, 0, len(raw)) == len(raw)
    whole = Count()
    whole.end(raw, 0, len(raw))
    assert (count.deepest, count.elements) == (whole.deepest, whole.elements)


@given(element(st.sampled_from(NAMES)))
def test_all_tags_are_seen_and_nothing_else(raw: bytes) -> None:
    opened = [tag for tag in tags(raw) if not tag.startswith(b"</")]
    count = Count()
    count.end(raw, 0, len(raw))
    assert len(opened) == count.elements
    assert all(tag.startswith(b"<") and tag.endswith(b">") for tag in tags(raw))


@pytest.mark.parametrize(
    ("raw", "end"),
    [
        (b"<message>x</message>y", 20),
        (b"<message><body/></message><message>", 26),
        (b"<message>x", INCOMPLETE),
        (b"<message></body>", INCOMPLETE),
        (b"<message></message >", 20),
        (b"<message></messages>", UNUSUAL),
        (b"<message><message", UNUSUAL),
        (b"<message><messages/></message>", UNUSUAL),
        (b"<message></message", UNUSUAL),
    ],
)
def test_search_is_exact_or_unusual(raw: bytes, end: int) -> None:
    assert search(raw, b"message", 9, len(raw)) == end
    assert search(bytearray(raw), b"message", 9, len(raw)) == end


@pytest.mark.parametrize(
    ("tag", "read"),
    [
        (b"<a>", []),
        (b"<a b='1' c = \"2\"\n\td='>'/>", [(b"b", b"1"), (b"c", b"2"), (b"d", b">")]),
        (b"<a x='y=\"z\"' xmlns:b=''/>", [(b"x", b'y="z"'), (b"xmlns:b", b"")]),
        (b"<a b='1' c=2 d='3'>", [(b"b", b"1")]),
        (b"<a b='1", []),
        (b"</a >", []),
    ],
)
def test_attributes_are_read_as_far_as_they_are_any(tag: bytes, read: list[tuple[bytes, bytes]]) -> None:
    assert list(attributes(tag)) == read
