"""Proved servers and components that send much in one read: it is dealt with in shares, and others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock

from gateway.features.starttls import StartTLS
from gateway.features.stream_management import between_servers
from gateway.net.connection.turn_shares import SECONDS_AT_ONCE, STANZAS_AT_ONCE, TurnShares, is_much
from gateway.stream.events import StanzasReceived
from gateway.stream.profiles import server_profile
from gateway.stream.sessions import Ending
from gateway.stream.stream import Output
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import Stanza
from tests.interop.clients import Component
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT
from tests.interop.probe import dial
from tests.support.talk import CLOSING_TAG, header
from tests.support.trees import stanza
from tests.support.wire import TIMING, Wire

MANY = 1000
CLOSING = CLOSING_TAG.decode()
DISCO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ENABLE = "<enable xmlns='urn:xmpp:sm:3'/>"
OURS, GREEDY, HONEST, SECRET = "shares.test", "greedy.shares.test", "honest.shares.test", "secret"


def message(number: int) -> str:
    return f"<message id='{number}' from='a@theirs.test' to='b@ours.test'/>"


class Slow(Wire):
    """A connection whose session needs much time for each stanza."""

    def __init__(self, seconds: float = SECONDS_AT_ONCE / 100, **more: Any) -> None:
        super().__init__(**more)
        self.taken: list[int] = []
        self._seconds = seconds

    @classmethod
    def negotiated(cls, seconds: float = SECONDS_AT_ONCE / 100, **more: Any) -> Slow:
        """Return a connection on which the negotiation is done."""
        wire = cls(seconds, **more)
        wire.type(header()).heard()
        wire.log.clear()
        return wire

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        assert len(stanzas) <= STANZAS_AT_ONCE
        self.taken += [int(stanza.id or "") for stanza in stanzas]
        self.clock.rightNow += len(stanzas) * self._seconds
        return None

    def lost(self, ending: Ending) -> None:
        super().lost(ending)
        self.log.append(f"taken: {len(self.taken)}")

    def read_at_once(self, count: int, more: str = "") -> Slow:
        self.type("".join(map(message, range(count))) + more)
        return self

    def pass_turns(self) -> None:
        for _ in range(MANY):
            self.clock.advance(0)


def test_what_came_in_one_read_is_taken_in_shares_and_in_order() -> None:
    wire = Slow.negotiated().read_at_once(MANY)
    assert 0 < len(wire.taken) <= 2 * STANZAS_AT_ONCE
    assert wire.log == ["transport: pause"]
    wire.pass_turns()
    assert wire.taken == list(range(MANY))
    assert wire.log == ["transport: pause", "transport: resume"]


def test_many_small_outputs_are_taken_in_shares_too() -> None:
    """Stanzas with other elements between them are batches of one."""
    clock, taken = Clock(), list[int]()

    def take(output: Output) -> None:
        assert isinstance(output, StanzasReceived)
        taken.append(int(output.stanzas[0].id or ""))
        clock.rightNow += SECONDS_AT_ONCE / 10

    outputs = [StanzasReceived(stanzas=[stanza(message(number))]) for number in range(MANY)]
    assert is_much(outputs)
    shares = TurnShares(clock, take, lambda shares: None, pytest.fail, lambda share: clock.callLater(0, share))
    shares.put(outputs)
    wait = shares.take()
    assert wait is not None
    assert len(taken) == 10
    for _ in range(MANY):
        clock.advance(0)
    assert (taken, wait.called) == (list(range(MANY)), True)


def test_what_does_not_take_long_is_taken_at_once() -> None:
    wire = Slow.negotiated(seconds=0).read_at_once(MANY)
    assert wire.taken == list(range(MANY))


def test_the_stream_ends_behind_everything_that_came_before_its_closing_tag() -> None:
    wire = Slow.negotiated().read_at_once(MANY, CLOSING)
    assert wire.heard() == ""
    wire.pass_turns()
    assert wire.taken == list(range(MANY))
    assert wire.heard() == CLOSING


def test_what_was_read_counts_although_the_connection_is_lost() -> None:
    wire = Slow.negotiated().read_at_once(MANY)
    wire.leave(ConnectionDone())
    assert "left" not in wire.log
    wire.pass_turns()
    assert wire.log[-1] == f"taken: {MANY}"


def test_a_failure_in_a_later_share_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Slow.negotiated().read_at_once(MANY)
    monkeypatch.setattr(wire, "_seconds", "none")
    with pytest.raises(TypeError):
        wire.pass_turns()
    assert wire.log[-1] == "transport: abort"
    wire.leave()
    assert wire.log[-1].startswith("taken: ")


def test_nothing_follows_our_closing_tag_although_shares_are_left() -> None:
    wire = Slow.negotiated(profile=server_profile(StartTLS(), between_servers())).read_at_once(MANY, ENABLE)
    wire.connection.close(StreamError(StreamCondition.SYSTEM_SHUTDOWN))
    assert wire.heard().endswith(CLOSING)
    wire.pass_turns()
    assert wire.taken == list(range(MANY))
    assert wire.heard() == ""


def test_a_stream_is_established_before_the_shares_of_its_first_read() -> None:
    wire = Slow(seconds=TIMING.negotiate / MANY)
    wire.type(header() + "".join(map(message, range(2 * MANY))))
    for _ in range(2 * MANY):
        wire.clock.advance(0)
    assert len(wire.taken) == 2 * MANY
    assert CLOSING not in wire.heard()


async def test_others_are_answered_between_the_shares_of_one_read(start: Starter) -> None:
    gateway = start(Gateway, OURS, components={GREEDY: SECRET, HONEST: SECRET})
    address = gateway.at(COMPONENT)
    async with dial(*address) as greedy, Component(HONEST, SECRET, address) as honest:
        await greedy.attach(GREEDY, SECRET)
        requests = [f"<iq type='get' id='{number}' from='{GREEDY}' to='{OURS}'>{DISCO}</iq>" for number in range(500)]
        await greedy.type("".join(requests))
        answered: list[str | None] = []

        async def read_all() -> None:
            while len(answered) < len(requests):
                answered.append((await greedy.element()).get("id"))

        reading = asyncio.create_task(read_all())
        await honest.request(OURS, DISCO)
        assert not reading.done()
        await reading
        assert answered == [str(number) for number in range(500)]
