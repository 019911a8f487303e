"""Connections that died silently are found, also where the client manages its stream."""

from __future__ import annotations

from gateway.clients.liveness import ANSWER_SECONDS, QUIET_SECONDS
from tests.support.doors import House
from tests.unit.clients.test_stream_management import managed, resume


def test_quiet_client_is_asked_and_closed_when_nothing_comes() -> None:
    house = House("alice")
    line = house.connect().online("alice", "phone")
    house.clock.advance(QUIET_SECONDS)
    assert line.heard() == ""
    house.clock.advance(QUIET_SECONDS)
    assert line.told("<iq type='get' id='alive' from='example.com' to='alice@example.com/phone'><ping")
    house.clock.advance(ANSWER_SECONDS)
    assert line.told("<(connection-timeout)")


def test_client_that_answers_is_left_in_peace() -> None:
    house = House("alice")
    line = house.connect().online("alice", "phone")
    for _ in range(10):
        house.clock.advance(QUIET_SECONDS)
        if "<ping" in line.heard():
            line.say("<iq type='result' id='alive' to='example.com'/>")
        house.clock.advance(ANSWER_SECONDS)
    assert line.error is None


def test_managed_client_is_asked_for_an_acknowledgement_and_may_come_back() -> None:
    house = House("alice")
    line, id_ = managed(house)
    for _ in range(3):
        house.clock.advance(QUIET_SECONDS)
    assert line.told("<r xmlns='urn:xmpp:sm:3'/>.*<(connection-timeout)")
    line.cut()
    assert "<resumed" in house.connect().authenticate("alice").say(resume(id_, 1)).heard()
