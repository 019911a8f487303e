"""A-5: a stanza that is too large or too deep is answered and skipped; the stream and what stands behind go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.errors import StreamError
from gateway.xmpp.faults import StreamKind
from gateway.xmpp.stanzas import Stanza
from tests.interop.peers import Peer
from tests.interop.peers.site import COMPONENT
from tests.interop.probe import dial
from tests.support.ends import ENDS, STANZA_BYTES, End, ServerEnd, condition_of
from tests.support.talk import header

TOO_MUCH = {
    "bytes": "<body>" + "x" * STANZA_BYTES + "</body>",
    "five times the bytes": "<body>" + "x" * 5 * STANZA_BYTES + "</body>",
    "CDATA": "<body><![CDATA[" + "]]<message/>" * (STANZA_BYTES // 12) + "]]></body>",
    "depth": "<a xmlns='b'>" * 11 + "</a>" * 11,
    "hundred times the depth": "<a>" * 990 + "</a>" * 990,
    "elements": "<b/>" * 60,
    "stanzas in a stanza": "<message><iq/>" * 12 + "</message>" * 12,
}


def bad(end: End, inside: str, kind: str = "message") -> str:
    type_ = " type='set'" if kind == "iq" else ""
    return f"<{kind} from='{end.sender}' to='{end.recipient}' id='bad'{type_}>{inside}</{kind}>"


def in_pieces(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20], ids=["byte by byte", "by 7", "by 1000", "whole"])
@pytest.mark.parametrize("inside", TOO_MUCH.values(), ids=TOO_MUCH)
@pytest.mark.parametrize("kind", StreamKind)
def test_f_a_5_it_is_answered_and_the_stream_goes_on(kind: StreamKind, inside: str, size: int) -> None:
    if size == 1 and len(inside) > STANZA_BYTES:
        size = 5  # which cuts the CDATA at each place of what is repeated in it
    end = ENDS[kind]()
    others = "".join(end.good(str(number)) for number in range(10))
    end.type(*in_pieces(end.good("before") + bad(end, inside) + others + bad(end, inside, "iq") + others, size))
    assert end.condition is None
    assert end.arrived() == ["before", *map(str, range(10)), *map(str, range(10))]
    told = end.told()
    assert [(each.name, each.id, condition_of(each), str(each.from_), str(each.to)) for each in told] == [
        (name, "bad", "policy-violation", end.recipient, end.sender) for name in ("message", "iq")
    ]
    if isinstance(end, ServerEnd):
        assert end.handled() == 23


@pytest.mark.parametrize("kind", StreamKind)
def test_f_a_5_whose_it_is_counts_first(kind: StreamKind) -> None:
    end = ENDS[kind]()
    end.type(end.good("1"), bad(end, TOO_MUCH["bytes"]).replace(end.sender, "somebody@else.test"), end.good("2"))
    assert (end.condition, end.arrived(), end.told()) == ("invalid-from", ["1"], [])


ENDLESS: dict[str, Callable[[], Iterator[str]]] = {
    "text": lambda: ("x" * 1000 for _ in range(1000)),
    "levels": lambda: ("<a>" * 100 for _ in range(1000)),
    "elements": lambda: ("<a/>" * 100 for _ in range(1000)),
    "names": lambda: (f"<a{number} b{number}='c'/>" for number in range(10_000)),
    "a tag": lambda: iter(["<a b='", *["x" * 1000] * 100]),
    "an end tag": lambda: iter(["</message", *[" " * 1000] * 100]),
}


@pytest.mark.parametrize("pieces", ENDLESS.values(), ids=ENDLESS)
def test_f_a_5_what_has_no_end_ends_the_stream_and_is_not_kept(pieces: Callable[[], Iterator[str]]) -> None:
    end = ENDS[StreamKind.COMPONENT]()
    end.type(end.good("1"), f"<message from='{end.sender}' to='{end.recipient}'>" + "<a/>" * 60)
    assert len(end.told()) == 1
    for piece in pieces():
        end.type(piece)
        assert len(end.stream._codec._buffer) <= STANZA_BYTES + 2000
        if end.condition:
            break
    assert end.condition == "policy-violation"


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize(
    ("behind", "condition", "good"),
    [
        ("</a></message><message id='1'/><!-- -->", "restricted-xml", 1),
        ("</a></message><message id='1'/></b>", "not-well-formed", 1),
        ("<?a b?></a></message><message id='1'/>", "restricted-xml", 0),
        ("</b></message><message id='1'/>", "not-well-formed", 0),
    ],
)
def test_f_a_5_a_fault_behind_it_is_found_where_it_is(behind: str, condition: str, good: int, size: int) -> None:
    codec = Codec(Budget(elements=5, depth=5), AddressCache())
    codec.feed(header().encode())
    codec.take()
    codec.may_skip = True
    got: list[Stanza] = []
    text = "<message id='0'>" + "<b/>" * 5 + "<a>" + behind

    def read() -> None:
        for piece in in_pieces(text, size):
            codec.feed(piece.encode())
            while items := codec.take():
                got.extend(items)  # type: ignore[arg-type]

    with pytest.raises(StreamError) as raised:
        read()
    assert raised.value.condition == condition
    assert [(each.id, each.flaw is not None) for each in got] == [("0", True), ("1", False)][: 1 + good]


async def test_f_a_5_on_the_wire(gateway: Peer) -> None:
    async with dial(gateway.address, COMPONENT) as probe:
        await probe.attach("component.gateway.test", "secret")
        for inside in ("<a xmlns='b'>" * 150 + "</a>" * 150, "<body>" + "x" * 1_500_000 + "</body>"):
            await probe.type(f"<message from='component.gateway.test' to='gateway.test' id='bad'>{inside}</message>")
            answer = await probe.element()
            assert (answer.get("id"), answer.get("type")) == ("bad", "error")
            assert "policy-violation" in answer[0][0].tag
