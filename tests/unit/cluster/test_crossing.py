"""What crosses between nodes: once, in order, acknowledged, with back-pressure, whatever is lost on the way."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.defer import Deferred

from gateway.cluster.crossing import NotAnswered
from gateway.cluster.frames import HEAD_BYTES, MOST_FRAME_BYTES, Frame, FrameKind, read_frame
from gateway.cluster.lanes import MOST_GATHERED, WINDOW, WINDOW_STANZAS
from gateway.cluster.records import node_key
from gateway.xmpp.addresses import Address
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.nodes import World, stanza


def numbered(count: int, first: int = 0) -> list[str]:
    return [str(number) for number in range(first, first + count)]


@pytest.fixture
def world() -> World:
    return World("a", "b")


def test_stanzas_cross_in_order_with_all_that_a_router_needs(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    lane.send([stanza(text) for text in numbered(200)])
    world.advance(1)
    assert b.bodies == numbered(200)
    assert lane.waiting == 0
    assert world.hub.frames < 20, "they share a frame"


def test_what_comes_in_one_turn_shares_a_frame(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    frames = world.hub.frames
    for text in numbered(100):
        lane.send([stanza(text)])
    world.advance(1)
    assert (b.bodies, world.hub.frames - frames) == (numbered(100), 2), "one there, and one back"


def test_a_lane_takes_a_bounded_number_of_bytes_in_one_turn(world: World) -> None:
    lane = world.parties["a"].lane_to("b")
    large = stanza("x" * (MOST_GATHERED // 10))
    sent = 0
    while (room := lane.room()) is None:
        lane.send([large])
        sent += 1
    assert sent == 10
    world.advance(0.05)
    assert room.called


@pytest.mark.parametrize("seed", range(5))
def test_every_stanza_crosses_once_and_in_order_although_frames_get_lost(world: World, seed: int) -> None:
    chance = Random(seed)
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    world.hub.loses = lambda node, data: chance.random() < 0.3
    for number in range(40):
        lane.send([stanza(text) for text in numbered(10, 10 * number)])
        world.advance(0.1)
    world.until(lambda: lane.waiting == 0, 300)
    assert b.bodies == numbered(400)
    assert a.returned == []


def test_what_crosses_waits_while_the_engine_is_away_and_arrives_once(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    lane.send([stanza(text) for text in numbered(10)])
    world.hub.go_away()
    lane.send([stanza(text) for text in numbered(10, 10)])
    world.advance(60)
    assert (b.bodies, a.returned) == ([], [])
    world.hub.come_back()
    world.until(lambda: lane.waiting == 0)
    assert b.bodies == numbered(20)


def test_a_receiver_without_room_stops_the_sender_after_a_window(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    b.room = Deferred()
    for number in range(2 * WINDOW):
        if lane.has_room:
            lane.send([stanza(str(number))])
        world.advance(0.05)
    world.advance(60)
    assert b.bodies == numbered(WINDOW)
    room = lane.room()
    assert room is not None
    assert not room.called
    wait, b.room = b.room, None
    wait.callback(None)
    world.advance(1)
    assert room.called
    assert lane.has_room
    assert b.bodies == numbered(WINDOW), "nothing was taken twice"


def test_a_large_flush_is_in_flight_by_the_window(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    b.room = Deferred()
    lane = a.lane_to("b")
    lane.send([stanza(text) for text in numbered(2 * WINDOW_STANZAS)])
    world.advance(1)
    assert len(b.arrived) == WINDOW_STANZAS
    wait, b.room = b.room, None
    wait.callback(None)
    world.advance(1)
    assert b.bodies == numbered(2 * WINDOW_STANZAS)


def test_one_lane_that_waits_does_not_hold_up_another(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    b.room = Deferred()
    a.lane_to("b").send([stanza("slow")])
    world.advance(1)
    b.room = None
    quick = a.lane_to("b")
    quick.send([stanza("quick")])
    world.advance(1)
    assert (b.bodies, quick.waiting) == (["slow", "quick"], 0)


def test_what_a_dead_node_has_not_acknowledged_comes_back_in_order(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    b.room = Deferred()
    lane = a.lane_to("b")
    lane.send([stanza(text) for text in numbered(3000)])
    world.advance(1)
    world.kill("b")
    assert world.until(lambda: bool(a.returned)) <= 15
    assert a.returned == [stanza(text).raw for text in numbered(3000)]
    assert lane.room() is None
    assert a.node.crossing.waiting == {}


def test_a_restarted_process_is_another_end_although_it_has_the_same_name(world: World) -> None:
    a = world.parties["a"]
    lane = a.lane_to("b")
    world.kill("b")
    again = world.add("b", process="b-2")
    lane.send([stanza("for the old one")])
    world.advance(2)
    assert a.returned == [stanza("for the old one").raw]
    assert again.arrived == []
    a.lane_to("b").send([stanza("for the new one")])
    world.advance(1)
    assert again.bodies == ["for the new one"]


def test_a_node_that_was_cut_off_for_long_gets_only_what_is_new(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    lane.send([stanza("before")])
    world.advance(1)
    world.hub.cut_off("b")
    lane.send([stanza("meanwhile")])
    world.until(lambda: bool(a.returned))
    world.hub.heal("b")
    world.advance(5)
    a.lane_to("b").send([stanza("after")])
    world.advance(1)
    assert b.bodies == ["before", "after"]


def test_a_lane_that_its_receiver_has_forgotten_is_given_up(world: World) -> None:
    """As one does that runs an older version and has lost sight of this node for a moment."""
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    lane.send([stanza("taken")])
    world.advance(1)
    for key in b.node.crossing._intake.lanes():
        b.node.crossing._intake.forget(key)
    lane.send([stanza("further")])
    world.until(lambda: bool(a.returned), 3)
    assert a.returned == [stanza("further").raw]
    a.lane_to("b").send([stanza("further")])
    world.advance(1)
    assert b.bodies == ["taken", "further"]


def test_a_lane_goes_on_although_its_receiver_has_lost_sight_of_its_sender(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    lane.send([stanza("one")])
    world.advance(1)
    world.hub.cut_off("b")
    lane.send([stanza("two")])
    del world.hub.entries[node_key("a")]
    b.node.directory.nodes["a"].is_live = False
    world.advance(1)
    world.hub.heal("b")
    world.advance(0.2)
    assert "a" not in b.node.directory.nodes
    world.until(lambda: lane.waiting == 0, 5)
    assert (b.bodies, a.returned) == (["one", "two"], [])


def test_a_lane_tells_when_everything_so_far_was_taken_over(world: World) -> None:
    told: list[str] = []
    b = world.parties["b"]
    b.room = Deferred()
    lane = world.parties["a"].lane_to("b")
    lane.send([stanza("one")])
    lane.when_taken(lambda: told.append("taken"))
    world.advance(1)
    assert told == []
    wait, b.room = b.room, None
    lane.send([stanza("two")])
    wait.callback(None)
    world.advance(1)
    assert told == ["taken"]
    lane.when_taken(lambda: told.append("nothing was open"))
    world.advance(1)
    assert told == ["taken", "nothing was open"]


def test_a_question_is_answered_by_the_node_that_it_is_for(world: World) -> None:
    answers: list[object] = []
    world.parties["a"].node.crossing.ask("b", {"what": "status"}).addBoth(answers.append)
    world.advance(1)
    assert answers == [{"heard": {"what": "status"}}]


@pytest.mark.parametrize("fault", ["lost", "unknown", "failed"])
def test_a_question_without_an_answer_fails_in_time(world: World, fault: str) -> None:
    problems: list[object] = []

    def fail(content: object) -> object:
        raise NotAnswered("no idea")

    world.parties["b"].answer = fail
    if fault == "lost":
        world.hub.loses = lambda node, data: True
    answer = world.parties["a"].node.crossing.ask("nobody" if fault == "unknown" else "b", {"what": "status"})
    answer.addErrback(lambda failure: problems.append(failure.getErrorMessage()))
    world.advance(6)
    expected = {"lost": "did not answer", "unknown": "cannot be reached", "failed": "no idea"}
    assert len(problems) == 1
    assert expected[fault] in str(problems[0])


@pytest.mark.parametrize("id_", ["x" * 524_000, "\u00e9" * 262_000, '"' * 524_000], ids=["ascii", "beyond", "quotes"])
@pytest.mark.parametrize("attribute", ["id", "type"])
def test_a_stanza_with_a_very_long_attribute_crosses_in_a_frame_that_every_engine_carries(
    world: World, attribute: str, id_: str
) -> None:
    raw = f"<message from='a@far.test' to='b.test' {attribute}='{id_}'/>".encode()
    values = {"id": None, "type": None, attribute: id_}
    to, from_ = Address.parse("b.test"), Address.parse("a@far.test")
    sent = AddressedStanza("message", raw, to, from_, values["type"], values["id"])
    frame = Frame(kind=FrameKind.BATCH, node="a", process="a-1", lane=1, number=1, stanzas=[sent])
    data = frame.to_bytes()
    assert len(data) < len(raw) + HEAD_BYTES < MOST_FRAME_BYTES
    (read,) = read_frame(data).stanzas
    assert (read.raw, read.type, read.id) == (raw, values["type"], values["id"])
    world.parties["a"].lane_to("b").send([sent])
    world.advance(1)
    assert world.parties["b"].arrived == [("a", raw)]


def test_a_stanza_that_is_too_long_for_the_engine_is_refused_and_the_others_cross(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    long = stanza("y" * MOST_FRAME_BYTES)
    lane = a.lane_to("b")
    lane.send([stanza("before"), long, stanza("after")])
    world.advance(1)
    assert (b.bodies, a.refused, lane.waiting) == (["before", "after"], [long], 0)


def test_a_question_that_is_too_long_for_the_engine_fails_at_once(world: World) -> None:
    problems: list[str] = []
    answer = world.parties["a"].node.crossing.ask("b", {"what": "y" * MOST_FRAME_BYTES})
    answer.addErrback(lambda failure: problems.append(failure.getErrorMessage()))
    assert len(problems) == 1
    assert "too much for the engine" in problems[0]


def test_an_answer_that_is_too_long_for_the_engine_fails_with_the_reason(world: World) -> None:
    problems: list[str] = []
    world.parties["b"].answer = lambda content: {"result": "y" * MOST_FRAME_BYTES}
    answer = world.parties["a"].node.crossing.ask("b", {"what": "status"})
    answer.addErrback(lambda failure: problems.append(failure.getErrorMessage()))
    world.advance(1)
    assert len(problems) == 1
    assert "too much for the engine" in problems[0]


def test_a_fault_while_stanzas_are_taken_over_does_not_hold_up_their_lane(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = world.parties["a"], world.parties["b"]
    lane = a.lane_to("b")
    with monkeypatch.context() as patch:
        patch.setattr(b, "stanzas_arrived", lambda node, stanzas: 1 / 0)
        lane.send([stanza("one")])
        world.advance(1)
    lane.send([stanza("two")])
    world.advance(1)
    assert (b.bodies, lane.waiting) == (["two"], 0)


def test_a_node_that_slept_takes_over_nothing_that_waited_in_its_socket(world: World) -> None:
    a, b = world.parties["a"], world.parties["b"]
    caught: list[bytes] = []
    world.hub.loses = lambda node, data: node == "b" and not caught.append(data)  # type: ignore[func-returns-value]
    a.lane_to("b").send([stanza("one")])
    world.advance(0.1)
    world.hub.loses = lambda node, data: False
    batch = next(data for data in caught if read_frame(data).kind is FrameKind.BATCH)
    b.node.membership.lease.lapse()
    b.node.frame_arrived(batch)
    assert b.bodies == []
    world.until(lambda: b.bodies == ["one"], 60)


def test_a_frame_that_cannot_be_read_is_counted_and_nothing_else(world: World) -> None:
    b = world.parties["b"]
    endless = b'{"k":"batch","n":"a","p":"a-1","t":"b-1","l":1e999,"i":1}\n'
    for data in (b"", b"{}", b"[]\n", b"\xff\n", b'{"k":"batch"}\n<message/>', b"[" * 200_000, endless):
        b.node.frame_arrived(data)
    assert b.node.crossing.counts["unreadable"] == 7
    assert b.arrived == []
