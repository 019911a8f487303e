"""B-3: a stream that ends without acknowledging anything is a failure, and a stanza that ends streams is bounced."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred

from gateway.federation.managed_stream import ManagedStream
from gateway.federation.stream_end import Headway, StreamEnd
from gateway.stream.acknowledgements import Acknowledgements
from gateway.xmpp.stanzas import AddressedStanza, Stanza
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.probe import SASL, Probe
from tests.interop.scripted import EXTERNAL, SUCCESS, Script, scripted
from tests.interop.world import World
from tests.unit.federation.test_managed_stream import ManagedStreamHarness as Ledgers
from tests.unit.federation.test_route import MESSAGE, PAIR
from tests.unit.federation.test_route import RouteHarness as Routes
from tests.unit.federation.test_route import Session as PlainSession

SM = "xmlns='urn:xmpp:sm:3'"


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    return start_all(Gateway, "ends.test", components={"bridge.ends.test": "secret"}, require_tls=True)


async def managed(script: Script) -> tuple[Probe, bool]:
    """The next stream, with acknowledgements; whether it goes on with one that broke."""
    probe = await script.encrypted(EXTERNAL)
    assert (await probe.element()).tag == f"{{{SASL}}}auth"
    await probe.type(SUCCESS)
    probe.restart()
    await script.greet(probe, f"<sm {SM}/>")
    asked = await probe.element()
    if asked.tag == "{urn:xmpp:sm:3}enable":
        await probe.type(f"<enabled {SM} resume='true' id='x'/>")
        return probe, False
    await probe.type(f"<resumed {SM} previd='x' h='0'/>")
    return probe, True


async def test_f_b_3_a_stanza_that_every_stream_breaks_over_is_bounced_after_two(world: World, gateway: Peer) -> None:
    async with scripted(world, "breaks.test") as script, attached(gateway) as component:
        number = component.send_message("a@breaks.test", "a stanza that nobody survives")
        for is_resumed in (False, True):
            probe, was_resumed = await managed(script)
            assert was_resumed is is_resumed
            assert (await probe.element()).tag.endswith("message")
            probe.drop()
        await managed(script)  # only this says that the second did not take the stanza either
        assert await component.expect_error(number) == "not-acceptable"


class Session(PlainSession):
    """A managed stream."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(log)
        self.is_managed = True
        self.careful: list[int] = []

    def be_careful(self, count: int) -> None:
        self.careful.append(count)

    def breaks(self, world: Routes, *returned: int, headway: Headway = Headway.IN_VAIN) -> None:
        """The stream ends, and none of these, which were sent, was acknowledged."""
        stanzas = [world.sent[number] for number in returned]
        assert self.user is not None
        self.user.ended(StreamEnd(reason="it broke", headway=headway, unacknowledged={PAIR: stanzas}))


class Managed(Routes):
    """Routes to a server that acknowledges, or should."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[int, AddressedStanza] = {}

    def opened(self) -> Session:  # type: ignore[override]
        session = Session(self.log)
        self.openings[-1].callback(session)
        return session

    def say(self, *numbers: int) -> None:
        self.send(*[MESSAGE.format(id=number) for number in numbers])

    def tries(self) -> int:
        return self.log.count("open")


@pytest.fixture
def world_of_routes() -> Managed:
    """Routes that note the stanzas which they are given."""
    routes = Managed()
    deliver = routes.router._deliver

    def delivering(stanza: AddressedStanza) -> None:
        if stanza.type != "error":
            routes.sent[int(stanza.id or 0)] = stanza
        deliver(stanza)

    routes.router._deliver = delivering  # type: ignore[method-assign]
    return routes


def test_f_b_3_nothing_is_opened_at_once_where_nothing_was_acknowledged(world_of_routes: Managed) -> None:
    world = world_of_routes
    world.say(1, 2)
    world.opened().breaks(world, 1, 2)
    world.clock.advance(14)
    assert world.tries() == 1
    world.clock.advance(1)
    assert world.tries() == 2
    world.opened().breaks(world, 1, 2)  # which opening a stream alone does not make good
    world.clock.advance(29)
    assert world.tries() == 2


def test_f_b_3_what_came_back_together_is_sent_one_by_one(world_of_routes: Managed) -> None:
    world = world_of_routes
    world.say(1, 2, 3)
    world.opened().breaks(world, 1, 2, 3)
    world.clock.advance(15)
    assert world.opened().careful == [3]


def test_f_b_3_what_came_back_alone_twice_is_bounced_and_the_others_go_on(world_of_routes: Managed) -> None:
    world = world_of_routes
    world.say(1)
    world.opened().breaks(world, 1)
    world.clock.advance(15)
    session = world.opened()
    session.full = Deferred()  # until the first is acknowledged
    world.say(2)
    world.log.clear()
    session.breaks(world, 1)
    assert world.log == ["we get error 1 not-acceptable", "open"]
    world.opened()
    assert world.log[-1] == "write 2"


class Acknowledging(Session):
    """A stream to a server that acknowledges what it survives."""

    def __init__(self, world: Managed) -> None:
        super().__init__(world.log)
        self.written: list[AddressedStanza] = []
        self.h = 0
        self._managed = ManagedStream(Acknowledgements(), world.clock, 30, lambda: None)

    def be_careful(self, count: int) -> None:
        self._managed.be_careful(count)

    @property
    def has_room(self) -> bool:
        return self._managed.has_room

    def room(self) -> Deferred[None] | None:
        return None if self.has_room else self._managed.room()

    def send(self, batch: Sequence[AddressedStanza], data: bytes) -> None:
        self.written += batch
        self._managed.sending(batch, data)

    def acknowledges(self) -> None:
        """It acknowledges everything."""
        self.h += len(self.written)
        self.written.clear()
        self._managed.acknowledged(self.h)


@pytest.mark.parametrize(("count", "poison", "breaks"), [(1, 1, 2), (3, 2, 3), (8, 8, 3), (40, 1, 3), (40, 38, 4)])
def test_f_b_3_a_stanza_is_found_among_those_that_were_written_together(
    world_of_routes: Managed, count: int, poison: int, breaks: int
) -> None:
    world = world_of_routes
    world.say(0)
    arrived: list[int] = []
    for life in range(breaks):
        session = Acknowledging(world)
        world.openings[-1].callback(session)
        if not life:
            session.acknowledges()
            world.say(*range(1, count + 1))
        while poison not in (there := [int(each.id or 0) for each in session.written]):
            arrived += there
            session.acknowledges()
        tries = world.tries()
        session.breaks(world, *there, headway=Headway.LED_ON if session.h else Headway.IN_VAIN)
        for _ in range(29):  # beyond that, all would be answered because no stream could be opened
            if world.tries() == tries:
                world.clock.advance(1)
    assert f"we get error {poison} not-acceptable" in world.log
    session = Acknowledging(world)
    if len(arrived) < count - 1:
        world.openings[-1].callback(session)
    while session.written:
        arrived += [int(each.id or 0) for each in session.written]
        session.acknowledges()
    assert arrived == [each for each in range(1, count + 1) if each != poison]


def test_f_b_3_a_stanza_is_not_bounced_because_its_server_was_away_for_long(world_of_routes: Managed) -> None:
    world = world_of_routes
    world.say(1)
    for is_back in (True, False):
        session = world.opened()
        assert session.user is not None
        stanza = world.sent[1]
        session.user.ended(StreamEnd(reason="it broke", unacknowledged={PAIR: [stanza]}, resuming=True))
        session.user.take_back([stanza], is_back=is_back)
    world.opened()
    assert world.log == ["open", *["write 1", "open"] * 2, "write 1"]


def test_f_b_3_a_careful_stream_takes_one_stanza_for_each_acknowledgement() -> None:
    world = Ledgers()
    managed = world.managed
    managed.careful_for = 2
    for count in (1, 2):
        assert managed.has_room
        managed.sending(stanzas(1), b"x")
        assert not managed.has_room
        managed.acknowledged(count)
    managed.sending(stanzas(5), b"x")
    assert managed.has_room


def test_f_b_3_what_the_other_side_has_acknowledged_by_resuming_counts() -> None:
    acknowledgements: Acknowledgements[Stanza] = Acknowledgements()
    acknowledgements.add(stanzas(2), 2)
    acknowledgements.acknowledge(1)
    assert acknowledgements.acknowledged == 1


def stanzas(count: int) -> Sequence[Stanza]:
    return [Stanza("message", b"<message/>", None, None, None, None)] * count
