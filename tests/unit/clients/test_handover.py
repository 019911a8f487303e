"""What the store keeps for a client is forgotten when the client has it, and not before (XEP-0160, XEP-0198)."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from gateway.clients.handover import CONFIRM_SECONDS
from tests.support.doors import CLOSING, House, Line

SM = "xmlns='urn:xmpp:sm:3'"
WAITING = "<message from='bob@example.net/x' to='alice@example.com' type='chat'><body>{}</body></message>"


@pytest.fixture
def house() -> House:
    """Somewhere three messages wait for alice."""
    house = House("alice")
    house.arrive(*map(WAITING.format, range(3)))
    return house


def handed_out(house: House, *before_presence: str) -> Line:
    """A client that was sent what waits."""
    line = house.connect().login("alice", "phone").say(*before_presence, "<presence/>")
    assert "<body>2</body>" in line.heard()
    return line


class TestManaged:
    """A stream on which the client acknowledges."""

    @pytest.fixture
    def line(self, house: House) -> Line:
        return handed_out(house, f"<enable {SM} resume='true'/>")

    def test_each_message_is_kept_until_it_is_acknowledged(self, house: House, line: Line) -> None:
        house.clock.advance(10 * CONFIRM_SECONDS)
        assert len(house.kept("alice")) == 3
        line.say(f"<a {SM} h='2'/>")  # its own presence, and the first message
        assert len(house.kept("alice")) == 2

    def test_what_was_not_acknowledged_is_still_kept_when_the_client_is_gone(self, house: House, line: Line) -> None:
        line.say(f"<a {SM} h='2'/>", CLOSING)
        assert len(house.kept("alice")) == 2
        assert "<body>0</body>" not in house.connect().login("alice").say("<presence/>").heard()

    def test_a_client_that_is_parked_is_the_only_one_to_get_it(self, house: House, line: Line) -> None:
        line.cut()
        assert "<body>" not in house.connect().login("alice", "desk").say("<presence/>").heard()
        assert len(house.kept("alice")) == 3


class TestUnmanaged:
    """A stream on which nobody says what has arrived."""

    def test_it_is_forgotten_when_the_connection_has_stood_for_some_seconds(self, house: House) -> None:
        handed_out(house)
        house.clock.advance(CONFIRM_SECONDS - 1)
        assert len(house.kept("alice")) == 3
        house.clock.advance(1)
        assert house.kept("alice") == []

    def test_it_is_kept_while_the_connection_has_no_room(self, house: House) -> None:
        line = handed_out(house)
        line.full = Deferred()
        house.clock.advance(CONFIRM_SECONDS)
        assert len(house.kept("alice")) == 3
        line.full = None
        house.clock.advance(CONFIRM_SECONDS)
        assert house.kept("alice") == []

    def test_it_is_kept_when_the_connection_breaks(self, house: House) -> None:
        handed_out(house).cut()
        house.clock.advance(CONFIRM_SECONDS)
        assert len(house.kept("alice")) == 3
        handed_out(house)

    def test_it_is_forgotten_when_the_client_closes_its_stream(self, house: House) -> None:
        handed_out(house).say(CLOSING)
        assert house.kept("alice") == []

    def test_it_is_kept_when_we_close_the_stream(self, house: House) -> None:
        line = handed_out(house)
        line.say("<not-well-formed></wrong>")
        line.cut()
        assert len(house.kept("alice")) == 3
