"""H-32: one huge token, fed byte by byte, stays linear also with an old expat (CVE-2023-52425), in the bytes that expat
is shown and in our own looks at them; depth is capped first (CVE-2024-8176); nothing small becomes large inside of
expat (CVE-2025-59375).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.stream import codec as codec_module
from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.stream.expat import XMLChecker
from gateway.stream.framing import Count
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.errors import StreamCondition, StreamError
from tests.support.talk import header, message

SIZE = 100_000
LARGE = Budget(stanza_bytes=4 * SIZE, attributes=SIZE)
# By their size.
TOKENS: dict[str, Callable[[int], bytes]] = {
    "attribute": lambda size: b"<message a='" + b"x" * size + b"'/>",
    "attribute of '>'": lambda size: b"<message a='" + b">" * size + b"'/>",
    "attribute of quotes": lambda size: b"<message a='" + b'"' * size + b"'/>",
    "many attributes": lambda size: b"<message " + b" ".join(b"a%d='>'" % n for n in range(size // 10)) + b"/>",
    "space in a start tag": lambda size: b"<message" + b" " * size + b"/>",
    "space in an end tag": lambda size: b"<message></message" + b" " * size + b">",
    "name": lambda size: b"<" + b"x" * size + b"/>",
    "character reference": lambda size: b"<message>&#" + b"0" * size + b"65;</message>",
    "text": lambda size: b"<message>" + b"x" * size + b"</message>",
    "text of ']'": lambda size: b"<message>" + b"]" * size + b"</message>",
    "CDATA": lambda size: b"<message><![CDATA[" + b"]" * size + b"]]></message>",
    "text of '&lt;'": lambda size: b"<message>" + b"&lt;" * (size // 4) + b"</message>",
    "white space between": lambda size: b" " * size + b"<message/>",
    "stanzas in a stanza": lambda size: b"<message>" + b"<message xmlns='x'></message>" * (size // 30) + b"</message>",
    "tags of CDATA": lambda size: b"<message><![CDATA[" + b"<a '" * (size // 4) + b"]]></message>",
}


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return how many bytes expat was shown, again or not; how many our own searches went over."""
    seen = {"expat": 0, "count": 0, "codec": 0}
    parse, end, take = XMLChecker._parse, Count.end, Codec._take_elements

    def parsing(self: XMLChecker, data: bytes) -> None:
        seen["expat"] += len(self._tail) + len(data)
        parse(self, data)

    def counting(self: Count, buffer: bytes, start: int, passed: int) -> int:
        seen["count"] += passed - start - self._resume
        return end(self, buffer, start, passed)

    def taking(self: Codec, *arguments: Any) -> None:
        seen["codec"] += len(self._buffer)
        take(self, *arguments)

    monkeypatch.setattr(XMLChecker, "_parse", parsing)
    monkeypatch.setattr(Count, "end", counting)
    monkeypatch.setattr(codec_module.Codec, "_take_elements", taking)
    return seen


def begun(budget: Budget) -> Codec:
    codec = Codec(budget, AddressCache())
    codec.feed(header().encode())
    codec.take()
    return codec


@pytest.mark.parametrize(("piece", "size"), [(1, SIZE // 5), (7, SIZE // 5), (1460, SIZE)])  # dozens of pieces at least
@pytest.mark.parametrize("name", TOKENS)
def test_h_32_a_token_in_pieces_is_linear(name: str, piece: int, size: int, looked: dict[str, int]) -> None:
    raw, codec, items = TOKENS[name](size), begun(LARGE), []
    for at in range(0, len(raw), piece):
        codec.feed(raw[at : at + piece])
        items += codec.take()
    assert len(items) == 1
    # A token is shown again while it is small, at most 512 bytes at a time; what is large is shown twice.
    assert looked["expat"] < 16 * len(raw) + 512 * 512
    assert looked["count"] < 8 * len(raw)
    assert looked["codec"] < 4 * len(raw)


def test_h_32_small_tokens_in_single_bytes_cost_no_more_than_their_size_each(looked: dict[str, int]) -> None:
    raw, codec, count = message().encode() * 200, begun(LARGE), 0
    for at in range(len(raw)):
        codec.feed(raw[at : at + 1])
        count += len(codec.take())
    assert count == 200
    assert looked["expat"] < 64 * len(raw)


def refused_after(codec: Codec, endless: Iterator[bytes]) -> int:
    """Return how many bytes of something without end are taken."""
    taken = 0
    for piece in endless:
        taken += len(piece)
        if condition_of(codec, piece) is StreamCondition.POLICY_VIOLATION:
            return taken
    raise AssertionError


def condition_of(codec: Codec, piece: bytes) -> StreamCondition | None:
    codec.feed(piece)
    try:
        codec.take()
    except StreamError as error:
        return error.condition
    return None


def for_ever(piece: bytes, start: bytes = b"<message>") -> Iterator[bytes]:
    yield start
    while True:
        yield piece


@pytest.mark.parametrize("depth", [5, 100, 1000])
def test_h_32_depth_is_capped_as_soon_as_it_is_reached(depth: int) -> None:
    taken = refused_after(begun(Budget(depth=depth)), for_ever(b"<a>"))
    assert taken == len("<message>") + depth * len("<a>")


def test_h_32_also_in_one_read() -> None:
    codec = begun(Budget(depth=100))
    codec.feed(b"<message>" + b"<a>" * 20_000)
    with pytest.raises(StreamError):
        codec.take()


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
def test_h_32_a_long_namespace_is_refused_before_it_is_multiplied(size: int) -> None:
    """expat would write it in front of each of the attributes: 280 KB would become 300 MB."""
    tag = b"<message xmlns:p='" + b"u" * 100_000 + b"' " + b" ".join(b"p:a%d=''" % n for n in range(3000)) + b"/>"
    codec = begun(Budget(attributes=100_000))
    pieces = (tag[at : at + size] for at in range(0, len(tag), size))
    assert next(filter(None, (condition_of(codec, piece) for piece in pieces))) is StreamCondition.POLICY_VIOLATION
    with pytest.raises(StreamError, match="namespace"):
        codec.take()


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_h_32_a_namespace_as_long_as_real_ones_passes(size: int) -> None:
    raw = b"<message><x xmlns='" + b"u" * 1000 + b"'>" + b"y" * 5000 + b"</x></message>"
    codec, items = begun(Budget()), []
    for at in range(0, len(raw), size):
        codec.feed(raw[at : at + size])
        items += codec.take()
    assert len(items) == 1


def test_h_32_text_about_namespaces_is_text() -> None:
    body = b"xmlns='" + b"x" * 20_000
    for raw in (b"<message><body>" + body + b"</body></message>", b"<message><![CDATA[<a " + body + b"]]></message>",
                b'<message a="' + body + b'"/>'):  # fmt: skip
        codec = begun(Budget())
        codec.feed(raw)
        assert len(codec.take()) == 1
