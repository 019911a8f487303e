"""The questions that the running service answers, and the commands that it carries out."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.config.settings import PeerSettings
from gateway.federation.backoff import Backoff, Waits
from gateway.notices.attempts.known_keys import KnownKeys
from gateway.notices.attempts.records import Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.operations.control.door import CommandRefused
from gateway.operations.control.operator import MOST_BODIES, MOST_BODY_LETTERS, MOST_VERBOSE, Operator
from gateway.operations.history import History
from gateway.operations.log import LogLevels
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.timing.turns import Turns
from gateway.xmpp.addresses import Domain, DomainPair
from tests.unit.operations.test_status import Fixed, GatewayAtRest, connection, read
from tests.unit.outbox.contract import now

NOW = 1000.0


class Steered:
    """A gateway with some connections, which notes what it is told to do."""

    def __init__(self, *connections: Any) -> None:
        self.gateway = GatewayAtRest(*connections)
        self.status = read(self.gateway)
        self.history: History = self.gateway.history
        self.backoff = Backoff(Waits(), Fixed())  # type: ignore[arg-type]
        self.known_keys = KnownKeys(lambda: NOW)
        self.did: list[str] = []
        self.keeper = self.gateway.keeper
        self.routes: list[Any] = []
        for each in connections:
            each.stream.facts = each.stream.facts
            each.close = lambda each=each: self.did.append(f"closed {each.stream.facts.remote}")

    def connections(self) -> Any:
        return self.gateway.connections()

    def peer(self, domain: str) -> PeerSettings:
        return PeerSettings()

    def routes_to(self, domain: str) -> Any:
        return self.routes

    def origins(self, domain: str) -> dict[str, str]:
        return {"allow": "default"}

    def filters_about(self, domain: str) -> list[str]:
        return ["a rule"]

    def forget_names(self) -> None:
        self.did.append("asks the DNS again")

    def close_account(self, account: object) -> int:
        return 0

    def reload(self) -> Any:
        return {}


numbers = count(1)


def fail(steered: Steered, domain: str, reason: str = "it was closed") -> None:
    log = StreamLog(steered.gateway.publish, lambda: NOW, next(numbers), Direction.OUT, local="im.test", remote=domain)
    log.end(Verdict.CLOSED_BY_PEER, reason)


def test_explain_has_state_rules_streams_and_attempts_of_one_domain() -> None:
    steered = Steered(connection(1, "far.test"), connection(2, "other.test"))
    fail(steered, "far.test")
    explained = Operator(steered, Turns(Clock())).explain("FAR.test")
    assert explained["domain"] == "far.test"
    assert explained["rules"]["authenticate"] == ["external", "dane", "dialback"]
    assert [stream["remote"] for stream in explained["streams"]] == ["far.test"]
    assert [attempt["verdict"] for attempt in explained["attempts"]] == ["closed-by-peer"]
    assert explained["peer"]["state"] == "failing"


def test_a_text_that_is_no_domain_is_refused() -> None:
    with pytest.raises(CommandRefused):
        Operator(Steered(), Turns(Clock())).explain("not a domain")


def test_close_concerns_the_streams_of_one_domain() -> None:
    steered = Steered(connection(1, "far.test"), connection(2, "other.test"), connection(3, "far.test"))
    assert Operator(steered, Turns(Clock())).close("far.test") == {"domain": "far.test", "closed": 2}
    assert steered.did == ["closed far.test", "closed far.test"]


def test_retry_forgets_and_tries_what_waits() -> None:
    steered = Steered()
    steered.backoff.failed("far.test", NOW)
    steered.routes = [
        SimpleNamespace(queued=3, retry=lambda: steered.did.append("tried")),
        SimpleNamespace(queued=0, retry=lambda: steered.did.append("tried for nothing")),
    ]
    assert Operator(steered, Turns(Clock())).retry("far.test") == {"domain": "far.test", "tried": 1, "stanzas": 3}
    assert steered.did == ["asks the DNS again", "tried"]
    assert steered.backoff.waiting(NOW) == {}


def kept(*raws: bytes) -> Steered:
    """A gateway whose outbox has these for far.test."""
    steered = Steered()
    outbox = steered.keeper.outbox = MemoryOutbox(limits=OutboxLimits())
    outbox.put(DomainPair(Domain("im.test"), Domain("far.test")), raws, accepted=NOW - 60, expires=NOW + 60)
    return steered


def test_what_is_kept_is_shown_without_what_it_says_unless_that_is_asked_for() -> None:
    operator = Operator(kept(b"<message><body>\x1b[2Jpsst</body></message>"), Turns(Clock()))
    shown = now(operator.show("far.test"))
    assert shown["pairs"][0]["stanzas"] == 1
    assert "psst" not in str(shown)
    (stanza,) = now(operator.show("far.test", "yes"))["stanzas"]
    assert (stanza["sender"], stanza["accepted"]) == ("im.test", NOW - 60)
    assert "psst" in stanza["raw"]
    assert "\x1b" not in stanza["raw"]


def test_not_more_than_a_hundred_bodies_are_shown_each_of_bounded_length() -> None:
    operator = Operator(kept(*(b"<message>%s</message>" % (b"x" * 9000) for _ in range(150))), Turns(Clock()))
    stanzas = now(operator.show("far.test", "yes"))["stanzas"]
    assert len(stanzas) == MOST_BODIES
    assert max(len(each["raw"]) for each in stanzas) < MOST_BODY_LETTERS + 50


def test_domains_that_are_held_with_nothing_waiting_are_told() -> None:
    steered = kept()
    steered.keeper.held.add(Domain("later.test"))
    told = now(Operator(steered, Turns(Clock())).waiting())
    assert told["held"] == ["later.test"]
    assert told["domains"] == []


def verbose() -> Any:
    """Return an operator of a gateway that logs from info on."""
    steered: Any = Steered()
    steered.levels = LogLevels("info")
    return Operator(steered, Turns(Clock()))


def test_the_level_of_the_log_is_set_for_everything_and_reset() -> None:
    operator = verbose()
    operator.log("debug", "far.test")
    assert operator.log("warn") == {"level": "warn", "configured": "info", "domains": {"far.test": "debug"}}
    assert operator.log() == {"level": "warn", "configured": "info", "domains": {"far.test": "debug"}}
    assert operator.log("reset") == {"level": "info", "configured": "info", "domains": {}}
    with pytest.raises(CommandRefused, match="'loud' is not a level"):
        operator.log("loud")


def test_not_every_domain_has_a_level_of_its_own() -> None:
    operator = verbose()
    for number in range(MOST_VERBOSE):
        operator.log("debug", f"d{number}.test")
    operator.log("warn", "d0.test")
    with pytest.raises(CommandRefused, match="reset some of them first"):
        operator.log("debug", "one.more.test")
    operator.log("reset", "d0.test")
    assert operator.log("debug", "one.more.test")["domains"]["one.more.test"] == "debug"


@pytest.mark.parametrize("text", [" ", "x" * 100_000, "a\x00b"])
def test_what_cannot_be_announced_is_refused(text: str) -> None:
    with pytest.raises(CommandRefused):
        verbose().announce(text)


def test_without_an_outbox_its_commands_are_refused() -> None:
    steered: Any = Steered()
    steered.keeper = SimpleNamespace(outbox=None)
    with pytest.raises(CommandRefused, match="the outbox is not open"):
        Operator(steered, Turns(Clock())).hold("far.test")
