"""The codec: items and faults are the same however the bytes are cut."""

from __future__ import annotations

import gc
from itertools import pairwise
from pyexpat import XMLParserType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream.budget import Budget
from gateway.stream.codec import STREAM_END, Codec
from gateway.stream.known import RootTag, known_word
from gateway.xmpp.addresses import Address, AddressCache
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import Stanza

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback'"
    b" xmlns:stream='http://etherx.jabber.org/streams' from='remote.test' to='local.test' version='1.0'>"
)
WORDS = [
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl' />",
    b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
]
MESSAGE = b"<message from='a@remote.test/r' to='b@local.test' type='chat' id='1'><body>hi &lt; there</body></message>"


def read(
    data: bytes, cuts: list[int] | None = None, budget: Budget | None = None, one: bool = False, resting: bool = False
):
    """Return what comes out of the codec, comparable: a list of descriptions, the condition of the fault last."""
    codec = Codec(budget or Budget(), AddressCache())
    seen: list[object] = []
    edges = [0, *(sorted(cuts) if cuts is not None else []), len(data)]
    for start, end in pairwise(edges):
        codec.feed(data[start:end])
        try:
            while items := codec.take(1 if one else -1):
                seen.extend(describe(item) for item in items)
        except StreamError as error:
            seen.append(error.condition)
            break
        if resting:
            codec.rest()
    return seen


def describe(item: object) -> object:
    if isinstance(item, Stanza):
        return (item.name, str(item.from_), str(item.to), item.type, item.id, item.flaw, item.raw)
    if isinstance(item, RootTag):
        return (item.namespace, item.name, item.prefix, item.attributes, item.declarations)
    if isinstance(item, Element):
        return (item.namespace, item.name, item.serialize())
    return item


def same_however_cut(data: bytes, budget: Budget | None = None) -> list[object]:
    whole = read(data, budget=budget)
    assert read(data, list(range(len(data))), budget) == whole
    assert read(data, list(range(0, len(data), 7)), budget) == whole
    assert read(data, list(range(len(data))), budget, resting=True) == whole
    assert read(data, budget=budget, one=True) == whole
    return whole


def test_header_and_stanza_are_read() -> None:
    seen = same_however_cut(HEADER + MESSAGE + b" " + MESSAGE + b"</stream:stream>")
    assert seen[0][:3] == ("http://etherx.jabber.org/streams", "stream", "stream")
    assert seen[1] == ("message", "a@remote.test/r", "b@local.test", "chat", "1", None, MESSAGE)
    assert seen[2] == seen[1]
    assert seen[3] is STREAM_END


@pytest.mark.parametrize(
    "stanza",
    [
        b"<message to='b@local.test'/>",
        b'<message\n to = "b@local.test" />',
        b"<message to='b@local.test'><body>x</body></message >",
        b"<message to='b@local.test'><messages xmlns='x'/></message>",
        b"<message to='b@local.test'><f xmlns='f'><message xmlns='jabber:client'><body/></message></f></message>",
        b"<message to='b@local.test'><body><![CDATA[</message><message>]]></body></message>",
        b"<message to='b@local.test'><body a='>' b=\"/>'\">/ > /></body></message>",
        b"<iq to='b@local.test' id='a&apos;b' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
        b"<presence/>",
        b"<message id=\" to='evil@local.test'\" to='b@local.test'/>",
    ],
)
def test_stanza_ends_where_it_ends(stanza: bytes) -> None:
    seen = same_however_cut(HEADER + stanza + MESSAGE + b"<a xmlns='x'>\n</a>")
    assert [entry[0] for entry in seen[2:]] == ["message", "x"]
    assert seen[1][6] == stanza
    assert seen[1][2] in ("b@local.test", "None")


TO = b"to='b@local.test'"
PLAIN = b"<message " + TO + b"><body>x</body></message>"
BORROWED = {
    b"<message " + TO + b"><db:x/></message>": b"<message " + TO + b"><x xmlns='jabber:server:dialback'/></message>",
    b"<message xmlns='jabber:server' " + TO + b"><body>x</body></message>": PLAIN,
    b"<message " + TO + b"><body xmlns='jabber:server'>x</body></message>": PLAIN,
    b"<message " + TO + b"><body xmlns='jabber:se&#114;ver'>x</body></message>": PLAIN,
    b"<s:message xmlns:s='jabber:server' " + TO + b"><s:body>x</s:body></s:message>": PLAIN,
    b"<message " + TO + b"><x xmlns='x' db:y='1'/></message>": b"<message "
    + TO
    + b"><x xmlns='x' xmlns:ns0='jabber:server:dialback' ns0:y='1'/></message>",
    b"<message xmlns:q='q' q:z='1' " + TO + b"/>": b"<message xmlns:ns0='q' ns0:z='1' " + TO + b"/>",
}


@pytest.mark.parametrize(("borrowing", "independent"), BORROWED.items())
def test_what_a_stanza_borrows_from_its_stream_is_written_into_it(borrowing: bytes, independent: bytes) -> None:
    seen = same_however_cut(HEADER + borrowing + MESSAGE)
    assert seen[1][6] == independent
    assert seen[2][6] == MESSAGE


def test_language_of_the_stream_is_put_on_a_stanza_without_one() -> None:
    header = HEADER[:-1] + b" xml:lang='de'>"
    seen = same_however_cut(header + b"<message to='b@local.test'/><message xml:lang='fr' to='b@local.test'/>")
    assert [entry[6] for entry in seen[1:]] == [
        b"<message xml:lang='de' to='b@local.test'/>",
        b"<message xml:lang='fr' to='b@local.test'/>",
    ]


REFUSED = {
    b"<!-- x -->": StreamCondition.RESTRICTED_XML,
    b"<?php ?>": StreamCondition.RESTRICTED_XML,
    b"<!DOCTYPE x>": StreamCondition.RESTRICTED_XML,
    b"<a xmlns='x'>&nbsp;</a>": StreamCondition.RESTRICTED_XML,
    b"<a xmlns='x'><!-- x --></a>": StreamCondition.RESTRICTED_XML,
    b"<a xmlns='x'></b>": StreamCondition.NOT_WELL_FORMED,
    b"<p:a/>": StreamCondition.NOT_WELL_FORMED,
    b"<a b='1' b='2'/>": StreamCondition.NOT_WELL_FORMED,
    b"<a b='<'/>": StreamCondition.NOT_WELL_FORMED,
    b"<a>\xc0\xbc</a>": StreamCondition.NOT_WELL_FORMED,
    b"<a>\xed\xa0\x80</a>": StreamCondition.NOT_WELL_FORMED,
    b"<a>\xef\xbf\xbe</a>": StreamCondition.NOT_WELL_FORMED,
    b"<a>&#0;</a>": StreamCondition.NOT_WELL_FORMED,
    b"<?x <presence/>\xff": StreamCondition.RESTRICTED_XML,
    b"<!-- <presence/>\xff": StreamCondition.RESTRICTED_XML,
    b"<a b='<presence/>'": StreamCondition.NOT_WELL_FORMED,
    b"hello": StreamCondition.BAD_FORMAT,
    b"<![CDATA[x]]>": StreamCondition.BAD_FORMAT,
}


@pytest.mark.parametrize(("bad", "condition"), REFUSED.items())
def test_what_may_not_be_in_a_stream_is_refused_after_what_came_before(bad: bytes, condition: StreamCondition) -> None:
    seen = same_however_cut(HEADER + MESSAGE + bad + MESSAGE)
    assert seen[1][6] == MESSAGE
    assert seen[2:] == [condition]


@pytest.mark.parametrize("start", [b"<!-", b"<!D", b"<?p", b"<?x"])
def test_the_forbidden_is_refused_before_it_is_complete(start: bytes) -> None:
    assert read(HEADER + start)[1:] == [StreamCondition.RESTRICTED_XML]


@pytest.mark.parametrize(
    "start",
    ["<?xml version='1.0'?><stream/>".encode("utf-16"), "<a/>".encode("utf-16-le"), "<a/>".encode("utf-32-be"),
     b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>"],
)  # fmt: skip
def test_other_encodings_are_refused(start: bytes) -> None:
    assert read(start) == [StreamCondition.UNSUPPORTED_ENCODING]


SMALL = Budget(stanza_bytes=4000, depth=5, elements=300, attributes=70)


@pytest.mark.parametrize(
    "costly",
    [
        b"<message><body>" + b"x" * 4000 + b"</body></message>",
        b"<message>" + b"<a xmlns='x'>" * 6 + b"</a>" * 6 + b"</message>",
        b"<message>" + b"<a/>" * 301 + b"</message>",
        b"<message " + b" ".join(b"a%d=''" % n for n in range(71)) + b"/>",
        b"<message a='" + b">" * 4000 + b"'/>",
    ],
)
def test_what_costs_too_much_is_a_policy_violation(costly: bytes) -> None:
    seen = same_however_cut(HEADER + MESSAGE + costly, SMALL)
    assert seen[2:] == [StreamCondition.POLICY_VIOLATION]


def test_a_codec_at_rest_has_no_parser() -> None:
    codec = Codec(Budget(), AddressCache())
    codec.feed(HEADER)
    codec.feed(MESSAGE)
    codec.take()
    awake = parsers()
    codec.rest()
    assert parsers() == awake - 1
    codec.feed(MESSAGE)
    assert parsers() == awake
    assert [describe(item) for item in codec.take()] == read(HEADER + MESSAGE)[1:]


def test_header_that_is_known_by_its_bytes_needs_no_parser() -> None:
    read(HEADER)
    awake = parsers()
    codec = Codec(Budget(), AddressCache())
    codec.feed(HEADER)
    assert codec.has_more
    assert [describe(item) for item in codec.take()] == read(HEADER)
    assert not codec.has_more
    assert parsers() == awake


@pytest.mark.parametrize("word", WORDS)
def test_word_that_is_known_by_its_bytes_needs_no_parser(word: bytes) -> None:
    expected = same_however_cut(HEADER + word + MESSAGE + word)
    assert expected[1] == expected[3]
    codec = Codec(Budget(), AddressCache())
    codec.feed(HEADER)
    codec.take()
    awake = parsers()
    codec.feed(word)
    assert parsers() == awake
    assert codec.has_more
    codec.feed(MESSAGE)
    codec.feed(word)
    assert [describe(item) for _ in range(3) for item in codec.take(1)] == expected[1:]


@pytest.mark.parametrize(
    "word",
    [
        b"<starttls xmlns='a' xmlns='b'/>",
        b"<starttls a:b='c' xmlns='d'/>",
        b"<proceed xmlns='a' b/>",
        b"<auth xmlns='a' mechanism='EXTERNAL'/></auth>",
    ],
)
def test_what_only_looks_like_a_word_is_judged(word: bytes) -> None:
    assert read(HEADER + word, [len(HEADER)]) == same_however_cut(HEADER + word)
    assert same_however_cut(HEADER + word)[-1] is StreamCondition.NOT_WELL_FORMED


def test_secrets_are_not_remembered() -> None:
    plain = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AEVYVEVSTkFMAHNlY3JldA==</auth>"
    assert known_word(plain, b"<stream:stream>", Budget()) is None


@pytest.mark.parametrize("budget", [Budget(stanza_bytes=len(HEADER) - 1), Budget(attributes=1)])
def test_header_that_is_known_passes_no_smaller_budget(budget: Budget) -> None:
    read(HEADER)
    codec = Codec(budget, AddressCache())
    codec.feed(HEADER)
    with pytest.raises(StreamError) as raised:
        codec.take()
    assert raised.value.condition is StreamCondition.POLICY_VIOLATION


def parsers() -> int:
    return sum(isinstance(each, XMLParserType) for each in gc.get_objects())


def test_an_unfinished_costly_element_is_refused_before_its_end() -> None:
    assert read(HEADER + b"<message>" + b"<a>" * 6, budget=SMALL)[-1] == StreamCondition.POLICY_VIOLATION
    assert read(HEADER + b"<message to='" + b"x" * 4001, budget=SMALL)[-1] == StreamCondition.POLICY_VIOLATION


def test_a_large_token_is_shown_to_expat_once() -> None:
    tag = b"<message id='" + b">" * 5000 + b"'/>"
    data = HEADER + tag + MESSAGE
    assert len(same_however_cut(data)) == 3


@given(
    st.lists(
        st.sampled_from([MESSAGE, *BORROWED, b"<db:result>x</db:result>", b" \n", b"<iq/>", *REFUSED]), max_size=6
    ),
    st.data(),
)
def test_cutting_changes_nothing(parts: list[bytes], data: st.DataObject) -> None:
    whole = HEADER + b"".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=12))
    assert read(whole, cuts) == read(whole)


class _Counting(AddressCache):
    """Counts how often an attribute value is looked up."""

    looked_up = 0

    def read_canonical(self, quoted: bytes) -> Address:
        self.looked_up += 1
        return super().read_canonical(quoted)


@pytest.mark.parametrize("odd", ["a b@c", "a@\u00c4.test"])
def test_an_odd_address_is_looked_up_once(odd: str) -> None:
    for from_, to in ((odd, "b@ours.test"), ("a@theirs.test", odd), (odd, odd)):
        addresses = _Counting()
        codec = Codec(Budget(), addresses)
        codec.feed(HEADER + f"<message from='{from_}' to='{to}'/>".encode())
        [_, stanza] = codec.take()
        assert isinstance(stanza, Stanza)
        assert addresses.looked_up == 2, (from_, to)
