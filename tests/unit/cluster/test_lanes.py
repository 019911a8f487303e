"""Lanes and frames by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cluster.frames import Frame, FrameError, FrameKind, in_batches, read_frame
from gateway.cluster.lanes import MOST_BYTES, MOST_STANZAS, WINDOW, WINDOW_STANZAS, Arrival, Intake, LaneSender
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import Misuse
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.nodes import stanza


def test_a_lane_numbers_from_one_and_is_full_after_a_window() -> None:
    lane: LaneSender[str] = LaneSender()
    assert [lane.send("x").number for _ in range(WINDOW)] == list(range(1, WINDOW + 1))
    assert not lane.has_room_for(1)
    with pytest.raises(Misuse):
        lane.send("x")
    assert lane.acknowledged(3) == 3
    assert lane.acknowledged(3) == 0
    assert [each.number for each in lane.needed(6)] == list(range(6, WINDOW + 1))


def test_a_lane_is_full_of_stanzas_before_it_is_full_of_batches() -> None:
    lane: LaneSender[str] = LaneSender()
    lane.send("x" * (WINDOW_STANZAS - MOST_STANZAS))
    assert lane.has_room_for(MOST_STANZAS)
    assert not lane.has_room_for(MOST_STANZAS + 1)
    lane.send("x" * MOST_STANZAS)
    with pytest.raises(Misuse):
        lane.send("x")
    lane.acknowledged(1)
    assert lane.stanzas == MOST_STANZAS


def test_an_acknowledgement_never_skips_a_batch_that_takes_longer() -> None:
    intake: Intake[str] = Intake()
    for number in (1, 2, 3):
        assert intake.receive("lane", number) is Arrival.TAKE
    assert [intake.done("lane", number) for number in (3, 2, 1)] == [0, 0, 3]
    assert intake.receive("lane", 3) is Arrival.AGAIN


def test_a_missing_number_is_asked_for_once() -> None:
    intake: Intake[str] = Intake()
    assert intake.receive("lane", 2) is Arrival.GAP
    assert (intake.asks_for("lane"), intake.asks_for("lane")) == (1, None)
    assert intake.receive("lane", 1) is Arrival.TAKE
    assert intake.receive("lane", 3) is Arrival.GAP
    assert intake.asks_for("lane") == 2


def test_the_lanes_into_one_process_are_bounded() -> None:
    intake: Intake[str] = Intake(most=1)
    intake.receive("one", 1)
    assert intake.has_room_for("one")
    assert not intake.has_room_for("two")
    intake.forget("one")
    assert intake.has_room_for("two")


@given(st.lists(st.integers(1, 30), max_size=200))
def test_whatever_order_batches_come_in_each_is_taken_once_and_in_order(numbers: list[int]) -> None:
    intake: Intake[str] = Intake()
    taken = [number for number in numbers if intake.receive("lane", number) is Arrival.TAKE]
    assert taken == list(range(1, len(taken) + 1))


def test_a_frame_comes_back_as_it_was() -> None:
    iq = AddressedStanza(
        "iq",
        "<iq from='ä@x.test/\U0001f600' to='y.test' type='get' id='&lt;'><q xmlns='u'/></iq>".encode(),
        Address.parse("y.test"),
        Address.parse("ä@x.test/\U0001f600"),
        "get",
        b"'&lt;'",  # as the codec has it
    )
    bare = AddressedStanza("presence", b"<presence/>", Address.parse("y.test"), Address.parse("x.test"), None, None)
    sent = Frame(kind=FrameKind.BATCH, node="a", process="p", to_process="q", lane=3, number=4, stanzas=[iq, bare])
    frame = read_frame(sent.to_bytes())
    assert (frame.kind, frame.node, frame.process, frame.to_process) == (FrameKind.BATCH, "a", "p", "q")
    assert (frame.lane, frame.number) == (3, 4)
    for before, after in zip(sent.stanzas, frame.stanzas, strict=True):
        for name in ("name", "raw", "to", "from_", "type", "id"):
            assert getattr(after, name) == getattr(before, name), name
    assert frame.stanzas[0].id == "<"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        read_frame(data)


@pytest.mark.parametrize(
    "change",
    [
        (b'"batch"', b'"bath"'),
        (b'"message"', b'"stream"'),
        (b'"b.test"', b'"@"'),
        (b"</message>", b"</message>x"),
        (b'"l":0', b'"l":"x"'),
        (b'"l":0', b'"c":[],"l":0'),
    ],
)
def test_a_frame_with_a_fault_is_refused_as_a_whole(change: tuple[bytes, bytes]) -> None:
    whole = Frame(kind=FrameKind.BATCH, node="a", process="p", stanzas=[stanza()]).to_bytes()
    assert change[0] in whole
    with pytest.raises(FrameError):
        read_frame(whole.replace(*change, 1))


def test_batches_are_bounded_in_stanzas_and_bytes() -> None:
    many = [stanza(str(number)) for number in range(2 * MOST_STANZAS + 1)]
    assert [len(batch) for batch in in_batches(many)] == [MOST_STANZAS, MOST_STANZAS, 1]
    large = [stanza("x" * (MOST_BYTES // 2)) for _ in range(3)]
    assert [len(batch) for batch in in_batches(large)] == [1, 1, 1]
    assert in_batches([]) == []
