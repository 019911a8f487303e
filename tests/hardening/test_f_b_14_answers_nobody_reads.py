"""B-14: a peer that asks and does not read is not read any further, whatever the answers are."""

from __future__ import annotations

import pytest

from gateway.net.connection.writable import MOST_ANSWERS
from gateway.stream.facts import Role
from tests.support.talk import header, server_features
from tests.support.wire import Wire

VERIFY = "<db:verify from='theirs.test' to='ours.test' id='0c7f-1'>6d3c4b</db:verify>"
READ = 100  # questions in one read


def asking() -> Wire:
    """A negotiation with a peer that takes nothing more."""
    wire = Wire(profile=server_features(Role.RECEIVING)).type(header())
    wire.heard()
    wire.clog()
    wire.transport.clear()
    return wire


def reads_until_paused(wire: Wire) -> int:
    for number in range(1, 1000):
        wire.type(VERIFY * READ)
        if "transport: pause" in wire.log:
            return number
    raise AssertionError("it was read for ever")


def test_f_b_14_answers_that_are_not_read_end_the_reading() -> None:
    wire = asking()
    reads_until_paused(wire)
    gathered = len(wire.transport.value())
    assert MOST_ANSWERS < gathered < 2 * MOST_ANSWERS
    wire.type(*[VERIFY * READ] * 100)
    assert len(wire.transport.value()) == gathered  # whatever else the peer sends stays in the socket


def test_f_b_14_reading_goes_on_when_the_answers_are_taken() -> None:
    wire = asking()
    reads_until_paused(wire)
    wire.type(VERIFY)
    wire.transport.clear()
    wire.unclog()
    assert "transport: resume" in wire.log
    assert "db:verify" in wire.heard()


def test_f_b_14_a_few_answers_do_not_end_the_reading() -> None:
    """Both sides of a busy stream have no room at times, and must read on to make some."""
    wire = asking()
    wire.type(VERIFY * READ)
    assert "transport: pause" not in wire.log


@pytest.mark.parametrize("closes", [True, False])
def test_f_b_14_a_stream_that_closes_is_read_to_its_end(closes: bool) -> None:
    wire = asking()
    reads_until_paused(wire)
    if closes:
        wire.connection.close()
        assert wire.log[-1] != "transport: pause"
        assert "transport: resume" in wire.log
    else:
        wire.leave()
