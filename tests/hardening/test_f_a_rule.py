"""The rule behind A: every row of the table of faults, on every kind of stream, with stanzas of others behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pytest

from gateway.xmpp import faults
from gateway.xmpp.errors import StanzaCondition, StreamCondition
from gateway.xmpp.faults import TABLE, TAKEN, Fault, Silence, StreamKind
from tests.support.ends import ENDS, STANZA_BYTES, End, ServerEnd, condition_of
from tests.support.talk import header, talk

PAGE = Path(__file__).parents[2] / "docs" / "delivery.md"


def message(end: End, inside: str = "", **attributes: str | None) -> str:
    """A message from this end of the stream, but for these attributes; None leaves one out."""
    given = {"from_": end.sender, "to": end.recipient, **attributes}
    written = "".join(f" {name.strip('_')}='{value}'" for name, value in given.items() if value is not None)
    return f"<message{written} id='bad'>{inside}</message>"


def no_address(end: End) -> str:
    if end.kind is StreamKind.CLIENT:
        return "alice@example.com/\uf8ff"
    return f"a b@{end.sender.partition('@')[2]}"


# What is typed for a fault, one or more ways of it, on an established stream.
WAYS: dict[Fault, tuple[Callable[[End], str], ...]] = {
    Fault.NOT_WELL_FORMED: (lambda end: "<message></x>", lambda end: "<message to=''a/>", lambda end: "<a:b/>"),
    Fault.RESTRICTED_XML: (
        lambda end: "<!-- -->",
        lambda end: "<?a b?>",
        lambda end: "<!DOCTYPE a>",
        lambda end: message(end, "<body>&a;</body>"),
        lambda end: message(end, "<!-- -->"),
    ),
    Fault.TEXT_BETWEEN_STANZAS: (lambda end: "text", lambda end: "<![CDATA[text]]>"),
    Fault.UNKNOWN_ELEMENT: (
        lambda end: "<x xmlns='y'/>",
        lambda end: "<message xmlns='y'/>",
        lambda end: "<messages/>",
        lambda end: f"<message xmlns='y'>{'<x/>' * 9}</message>",
    ),
    Fault.TOO_LARGE: (
        lambda end: message(end, "x" * STANZA_BYTES),
        lambda end: message(end, "x" * 7 * STANZA_BYTES),
        lambda end: message(end, "<body><![CDATA[" + "</" * STANZA_BYTES + "]]></body>"),
    ),
    Fault.TOO_DEEP: (
        lambda end: message(end, "<a>" * 10 + "</a>" * 10),
        lambda end: message(end, "<a xmlns='b'>" * 500 + "</a>" * 500),
    ),
    Fault.TOO_MANY_ELEMENTS: (lambda end: message(end, "<a/>" * 50), lambda end: message(end, "<a/>" * 5000)),
    Fault.TOO_MANY_ATTRIBUTES: (
        lambda end: message(end, "<a" + "".join(f" a{number}='{number}'" for number in range(30)) + "/>"),
        lambda end: message(end, "<a" + "".join(f" a{number}='{number * 9**9}'" for number in range(300)) + "/>"),
    ),
    Fault.ENDLESS: (
        lambda end: message(end, "x" * 9 * STANZA_BYTES),
        lambda end: message(end, "<a>" * 1100 + "</a>" * 1100),
        lambda end: message(end, b=2 * STANZA_BYTES * "x"),
        lambda end: f"<x xmlns='y'>{'x' * STANZA_BYTES}</x>",
        lambda end: "<" + 2 * STANZA_BYTES * "x",
    ),
    Fault.FROM_MISSING: (lambda end: message(end, from_=None),),
    Fault.FROM_NOT_PROVED: (
        lambda end: message(end, from_="a@else.test"),
        lambda end: message(end, from_=f"a@else.{end.sender.partition('@')[2]}.test"),
        lambda end: message(end, from_="@"),
        lambda end: message(end, from_=""),
        lambda end: message(end, "x" * STANZA_BYTES, from_="a@else.test"),
        lambda end: message(end, from_="a@else.test", to="@"),
    ),
    Fault.FROM_MALFORMED: (
        lambda end: message(end, from_=no_address(end)),
        lambda end: message(end, from_=no_address(end), to="@"),
    ),
    Fault.TO_MISSING: (lambda end: message(end, to=None),),
    Fault.TO_NOT_PROVED: (lambda end: message(end, to="a@component.test"),),
    Fault.TO_UNKNOWN: (lambda end: message(end, to="a@third.test"),),
    Fault.TO_MALFORMED: (
        lambda end: message(end, to="@"),
        lambda end: message(end, to=""),
        lambda end: message(end, to="a b@c"),
    ),
    Fault.INVALID_IQ: (
        lambda end: message(end, type="get").replace("message", "iq"),
        lambda end: message(end, "<a/><b/>", type="set").replace("message", "iq"),
        lambda end: message(end, "<a/>", type="got").replace("message", "iq"),
        lambda end: message(end, "<a/>", type="get").replace("message", "iq").replace(" id='bad'", ""),
    ),
    Fault.UNKNOWN_PRESENCE: (lambda end: message(end, type="unheard-of").replace("message", "presence"),),
}
# Which a stream that others have opened and that is established cannot meet; see tests/unit/federation for the last.
AT_THE_START = {Fault.OTHER_ENCODING, Fault.TOO_EARLY, Fault.ONE_WAY}


def cases() -> list[object]:
    return [
        pytest.param(fault, kind, way, id=f"{fault}-{kind}-{number}".replace(" ", "-"))
        for fault, ways in WAYS.items()
        for kind in StreamKind
        for number, way in enumerate(ways)
    ]


def test_every_fault_is_walked() -> None:
    assert set(WAYS) | AT_THE_START == set(Fault) == set(TABLE)


@pytest.mark.parametrize("size", [97, 1 << 20], ids=["in pieces", "at once"])
@pytest.mark.parametrize(("fault", "kind", "way"), cases())
def test_a_row_on_the_wire(fault: Fault, kind: StreamKind, way: Callable[[End], str], size: int) -> None:
    end = ENDS[kind]()
    others = [str(number) for number in range(10)]
    typed = (end.good("before") + way(end) + "".join(map(end.good, others))).encode()
    end.type(*(typed[start : start + size] for start in range(0, len(typed), size)))
    arrived = [each for each in end.arrived() if each not in ("bad", None)]
    outcome = TABLE[fault].outcome(kind)
    if isinstance(outcome, StreamCondition):
        assert end.condition == outcome
        assert arrived == ["before"]
        return
    assert end.condition is None
    assert arrived == ["before", *others]
    told = [condition_of(each) for each in end.told()]
    assert told == ([str(outcome)] if isinstance(outcome, StanzaCondition) else [])
    assert end.dropped() == ([str(outcome)] if isinstance(outcome, Silence) else [])
    if outcome is not TAKEN:
        assert "bad" not in end.arrived()
    if isinstance(end, ServerEnd):
        assert end.handled() == 12


def test_what_ends_a_stream_on_its_own_account_ends_every_kind() -> None:
    """Faults of XML and of limits are found before anybody knows what kind of stream it is."""
    for fault in (
        Fault.NOT_WELL_FORMED,
        Fault.RESTRICTED_XML,
        Fault.OTHER_ENCODING,
        Fault.TEXT_BETWEEN_STANZAS,
        Fault.UNKNOWN_ELEMENT,
        Fault.TOO_EARLY,
        Fault.TOO_MANY_ATTRIBUTES,
        Fault.ENDLESS,
    ):
        (outcome,) = {TABLE[fault].outcome(kind) for kind in StreamKind}
        assert isinstance(outcome, StreamCondition)


@pytest.mark.parametrize("kind", StreamKind)
def test_a_stanza_that_comes_too_early(kind: StreamKind) -> None:
    end = ENDS[kind](proves=False)
    end.type(message(end) + end.good("1"))
    assert end.condition == TABLE[Fault.TOO_EARLY].outcome(kind)
    assert end.arrived() == []


@pytest.mark.parametrize("start", [b"\xff\xfe<\x00", b"<?xml version='1.0' encoding='latin1'?>"])
def test_another_encoding_shows_at_the_start_of_a_stream(start: bytes) -> None:
    assert talk().hear(start + header().encode()).error == TABLE[Fault.OTHER_ENCODING].server


def test_the_code_is_driven_by_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another outcome in a row is another outcome on the wire."""
    row = TABLE[Fault.FROM_MALFORMED]._replace(server=StreamCondition.CONFLICT, component=StanzaCondition.GONE)
    monkeypatch.setattr(faults, "TABLE", MappingProxyType({**TABLE, Fault.FROM_MALFORMED: row}))
    server, component = ENDS[StreamKind.SERVER](), ENDS[StreamKind.COMPONENT]()
    for end in (server, component):
        end.type(message(end, from_=no_address(end)))
    assert server.condition == "conflict"
    assert [condition_of(each) for each in component.told()] == ["gone"]


def test_the_page_shows_the_table() -> None:
    assert faults.manual() in PAGE.read_text(), "run: python -m gateway.xmpp.faults, and put it into docs/delivery.md"
