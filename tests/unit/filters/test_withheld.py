"""What is held back waits in the outbox, and is let through once, dropped, or ended by time."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import fail
from twisted.internet.task import Clock

from gateway.filters.withheld import HELD_SECONDS, Withheld
from gateway.notices.notices import Notice, Remark
from gateway.operations.control.door import CommandRefused
from gateway.operations.control.filters import FilterCommands
from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.keeper import Keeper
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import Stanza
from tests.support.border import BorderHarness
from tests.support.trees import stanza

PAIR = DomainPair.make("evil.test", "ours.test")
MESSAGE = stanza("<message from='eve@evil.test/x' to='room@ours.test' id='1'><body>a secret</body></message>")


class Back:
    """What is held back, with a router that writes down what it is given."""

    def __init__(self, *, is_open: bool = True, limits: OutboxLimits | None = None) -> None:
        self.clock = Clock()
        self.passed: list[Stanza] = []
        self.bounced: list[str] = []
        self.notices: list[Notice] = []
        keeper = Keeper(self.clock, self.clock.seconds)
        if is_open:
            keeper.outbox = MemoryOutbox(limits=limits or OutboxLimits())
        self.keeper = keeper
        self.withheld = Withheld(keeper, self, self.clock.seconds, self.notices.append)
        self.commands = FilterCommands(BorderHarness().border, self.withheld).actions

    def pass_on(self, stanza: Stanza) -> None:
        self.passed.append(stanza)

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        self.bounced.append(error.condition)

    def end(self, stanza: Stanza, why: object) -> None:
        raise AssertionError("nothing is dropped here")

    def flush(self) -> None:
        pass

    def do(self, command: str, **arguments: str) -> Any:
        result: list[Any] = []
        self.commands[command](**arguments).addBoth(result.append)
        if hasattr(result[0], "raiseException"):
            result[0].raiseException()
        return result[0]


def test_it_is_listed_without_content_and_shown_with_it() -> None:
    back = Back()
    assert back.withheld.withhold(PAIR, MESSAGE, "a rule")
    (about,) = back.do("held")
    assert "secret" not in str(about)
    assert (about["sender"], about["target"], about["rule"], about["kind"]) == (*PAIR, "a rule", "message")
    assert "a secret" in back.do("held_show", id=str(about["id"]))["xml"]
    assert back.withheld.count == 1


def test_a_released_stanza_passes_once_with_the_time_since_when() -> None:
    back = Back()
    back.withheld.withhold(PAIR, MESSAGE, "a rule")
    back.clock.advance(3600)
    back.do("held_release", id="1")
    (passed,) = back.passed
    assert b"<delay xmlns='urn:xmpp:delay' from='ours.test' stamp='1970-01-01T00:00:00.000Z'/>" in passed.raw
    assert str(passed.to) == "room@ours.test"
    with pytest.raises(CommandRefused):
        back.do("held_release", id="1")
    assert len(back.passed) == 1
    assert back.withheld.count == 0


def test_a_dropped_stanza_is_gone() -> None:
    back = Back()
    back.withheld.withhold(PAIR, MESSAGE, "a rule")
    back.do("held_drop", id="1")
    assert (back.do("held"), back.passed, back.bounced) == ([], [], [])


@pytest.mark.parametrize("id", ["2", "x", "-1", "9" * 30, "1.0"])
def test_what_is_no_number_of_a_held_stanza_is_refused(id: str) -> None:
    back = Back()
    back.withheld.withhold(PAIR, MESSAGE, "a rule")
    for command in ("held_show", "held_release", "held_drop"):
        with pytest.raises(CommandRefused, match="is not the number of a held stanza"):
            back.do(command, id=id)


def test_after_seven_days_it_is_dropped_and_said() -> None:
    back = Back()
    back.withheld.withhold(PAIR, MESSAGE, "a rule")
    back.clock.advance(HELD_SECONDS - 1)
    back.withheld.look()
    assert back.withheld.count == 1
    back.clock.advance(1)
    back.withheld.look()
    assert back.withheld.count == 0
    (notice,) = back.notices
    assert isinstance(notice, Remark)
    assert "1 stanza held back by filters dropped" in notice.text


def test_what_finds_no_room_is_bounced() -> None:
    back = Back(limits=OutboxLimits(withheld_each=1))
    for _ in range(2):
        assert back.withheld.withhold(PAIR, MESSAGE, "a rule")
    assert back.bounced == ["resource-constraint"]
    assert back.withheld.count == 1


def test_without_an_outbox_nothing_is_held() -> None:
    back = Back(is_open=False)
    assert not back.withheld.withhold(PAIR, MESSAGE, "a rule")
    back.withheld.look()
    for command, id in (("held", {}), ("held_show", {"id": "7"}), ("held_drop", {"id": "7"})):
        with pytest.raises(CommandRefused, match="outbox"):
            back.do(command, **id)


def test_what_the_disk_does_not_keep_is_bounced(monkeypatch: pytest.MonkeyPatch) -> None:
    back = Back()
    broken = OutboxUnavailable(Condition.DISK_FULL, "no room")
    monkeypatch.setattr(back.keeper.outbox, "withhold", lambda *_, **__: fail(broken))
    assert back.withheld.withhold(PAIR, MESSAGE, "a rule")
    assert back.bounced == ["resource-constraint"]
    assert back.withheld.count == 0
