"""XMLChecker: how far it has agreed, what it refuses, and that no large tag slips by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream import expat
from gateway.stream.expat import XMLChecker
from gateway.xmpp.errors import StreamCondition, StreamError

ROOT = b"<s:s xmlns:s='urn:s' xmlns='urn:d' a='1'>"


def judged(*pieces: bytes) -> XMLChecker:
    judge = XMLChecker()
    for piece in pieces:
        judge.feed(piece)
    return judge


def test_the_root_is_kept_with_its_declarations() -> None:
    root = judged(b"<?xml version='1.0'?>\n", ROOT, b"<b c='2'/>").root
    assert root == (22, "urn:s\x1fs", {"a": "1"}, {"s": "urn:s", "": "urn:d"})


@pytest.mark.parametrize(
    ("behind", "passed"),
    [
        (b"<a>text", 7),
        (b"<a b='", 0),
        (b"<a/><b", 4),
        (b"text &am", 5),
        (b"text]]", 4),
        (b"<a>caf\xc3", 6),
        (b"\r", 0),
        (b"<![CDATA[x]]", 10),
    ],
)
def test_it_passes_whole_tokens_and_text_as_far_as_it_is_certain(behind: bytes, passed: int) -> None:
    assert judged(ROOT, behind).passed - len(ROOT) == passed
    assert judged(ROOT, *(behind[at : at + 1] for at in range(len(behind)))).passed - len(ROOT) == passed


def test_cdata_is_noticed() -> None:
    assert not judged(ROOT, b"<a>").saw_cdata
    assert judged(ROOT, b"<a><![CDATA[").saw_cdata


TAGS = (b"<a>", b"</a>", b"<b c='1'/>", b"<b c='>'/>", b'<b c="\'"/>', b"text > text", b"&amp;", b"<![CDATA[<b>]]>")


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Small things, and now and then a tag, a text or a CDATA section of any size."""
    pieces = []
    for _ in range(draw(st.integers(0, 8))):
        size = draw(st.sampled_from([0, 5, 300, 510, 512, 514, 1020, 1030, 3000]))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            pieces.append(b"<b c='" + b"x" * size + b"'/>")
        elif kind == 1:
            pieces.append(b"x" * size)
        elif kind == 2:
            pieces.append(b"<![CDATA[<b " + b"x" * size + b"]]>")
        else:
            pieces.append(draw(st.sampled_from(TAGS[2:])))
    return b"".join(pieces)


@given(documents(), st.data())
def test_no_tag_larger_than_two_slices_is_shown_before_its_end_is_here(document: bytes, data: st.DataObject) -> None:
    """Tags that are expensive for expat are examined first, however they are cut."""
    shown: list[bytes] = []
    looked_at: list[bytes] = []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(document)), max_size=4)))
    pieces = [document[start:end] for start, end in zip([0, *cuts], [*cuts, len(document)], strict=True)]
    parse, check = XMLChecker._parse, expat._check_large_tag
    try:
        XMLChecker._parse = lambda self, piece: (shown.append(piece), parse(self, piece))[1]  # type: ignore[method-assign]
        expat._check_large_tag = lambda tag, most: looked_at.append(tag)  # type: ignore[assignment]
        judged(ROOT, *pieces)
    finally:
        XMLChecker._parse, expat._check_large_tag = parse, check  # type: ignore[method-assign]
    large = [b"<b c='" + b"x" * size + b"'/>" for size in (1030, 3000)]
    for tag in large:
        assert document.count(tag) == sum(each.startswith(tag) for each in looked_at)
    assert b"".join(shown) == ROOT + document


@pytest.mark.parametrize("size", [1, 100, 5000])
@pytest.mark.parametrize("tag", [b"<a b='", b'<a b="', b"</a ", b"<a", b"<a b='1' ", b"&#"])
def test_a_large_token_that_meets_a_tag_is_an_error_at_once(tag: bytes, size: int) -> None:
    raw = ROOT + b"<a>" + tag + b"0" * 5000 + b"<"
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    with pytest.raises(StreamError) as raised:
        judged(*pieces)
    assert raised.value.condition is StreamCondition.NOT_WELL_FORMED


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("size", [1, 600, 5000])
def test_attributes_of_a_large_tag_are_counted_before_expat_sees_its_end(count: int, size: int) -> None:
    tag = b"<a " + b" ".join(b"a%d='%b'" % (n, b"x" * 500) for n in range(count)) + b"/>"
    judge = judged(ROOT)
    judge.most_attributes = 3
    pieces = [tag[at : at + size] for at in range(0, len(tag), size)]
    if count == 3:
        list(map(judge.feed, pieces))
        assert judge.passed == len(ROOT + tag)
        return
    with pytest.raises(StreamError, match="more than 3 attributes"):
        list(map(judge.feed, pieces))
    assert judge.passed == len(ROOT)
