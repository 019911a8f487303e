"""What a node that is gone has kept is taken over once, whole, and safely, whatever else breaks meanwhile.

The nodes are real, over the engine within one process. Their outboxes are in memory, behind sessions like those of a
database: one at a time for each outbox, and every call takes time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.cluster.lease import LEASE_SECONDS, MARGIN_SECONDS
from gateway.cluster.shards import placement, shard_of
from gateway.notices.notices import Notice
from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.run.assembly.takeover import ABSENT_SECONDS, AGAIN_SECONDS, ASK_SECONDS, Takeover
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.nodes import World
from tests.unit.outbox.contract import FAR, OTHER_PAIR, PAIR, lines, now

DAY = 86_400.0
CALL_SECONDS = 0.1
KEPT = 20
WITHIN = LEASE_SECONDS + ASK_SECONDS + ABSENT_SECONDS
CHANGES = ("put", "settle", "hold", "withhold", "take_withheld", "keep_aside", "take_aside")


class Database:
    """The outboxes of all nodes, and who has each of them open."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.outboxes: dict[str, MemoryOutbox] = {}
        self.sessions: dict[str, Session] = {}
        self.is_away = False
        self.calls: list[tuple[str, str, str]] = []  # by whom, on whose outbox, what
        self.before: Callable[[str, str, str], None] = lambda *call: None
        self.limits = OutboxLimits()
        self.asked: list[Deferred[Any]] = []
        self.closing: list[Deferred[None]] = []

    def open(self, node: str, by: str, *, takes_over: bool) -> Session:
        """Return a session; it is that of nobody if somebody else has the outbox open."""
        self.outboxes.setdefault(node, MemoryOutbox(limits=self.limits))
        session = Session(self, node, by)
        if node not in self.sessions or takes_over:
            self.sessions[node] = session
        return session

    def content(self, node: str, pair: DomainPair = PAIR) -> list[bytes]:
        return [each.raw for each in now(self.outboxes[node].page(pair, 0, 1000))]


class Session:
    """An open outbox: every call reaches the database after some time, and its answer comes after some more."""

    def __init__(self, database: Database, node: str, by: str) -> None:
        self.database = database
        self.node = node
        self.by = by
        self.is_dead = False  # the process is: nothing of it goes out, nothing comes in

    @property
    def condition(self) -> Condition:
        if self.database.is_away:
            return Condition.AWAY
        return Condition.READY if self.database.sessions.get(self.node) is self else Condition.TAKEN_OVER

    def __getattr__(self, method: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Deferred[Any]:
            answer: Deferred[Any] = Deferred()
            self.database.asked.append(answer)

            def arrive() -> None:
                self.database.before(self.by, self.node, method)
                if self.is_dead:
                    return
                if not self.condition.is_ready:
                    self._answer(answer.errback, OutboxUnavailable(self.condition))
                    return
                self.database.calls.append((self.by, self.node, method))
                done = getattr(self.database.outboxes[self.node], method)(*arguments, **more)
                done.addCallbacks(
                    lambda result: self._answer(answer.callback, result), lambda why: self._answer(answer.errback, why)
                )

            self.database.clock.callLater(CALL_SECONDS, arrive)
            return answer

        return call

    def _answer(self, fire: Callable[[Any], None], result: Any) -> None:
        self.database.clock.callLater(CALL_SECONDS, lambda: None if self.is_dead else fire(result))

    def close(self) -> Deferred[None]:
        if self.database.sessions.get(self.node) is self:
            del self.database.sessions[self.node]
        closed: Deferred[None] = Deferred()
        self.database.closing.append(closed)
        self._answer(closed.callback, None)
        return closed


class Process:
    """A gateway, as far as its outbox and takeovers are concerned; also the doors that Takeover has."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.scene, self.name, self.database = scene, name, scene.database
        self.sessions = [self.database.open(name, name, takes_over=False)]
        self.outbox: Any = self.sessions[0]
        self.learned: list[DomainPair] = []
        self.held: set[Domain] = set()
        self.notices: list[Notice] = []
        node = scene.world.parties[name].node
        self.takeover = Takeover(node, self, self, scene.world.clock, self.notices.append)
        self.takeover.startService()

    def learn(self, pair: DomainPair) -> None:
        self.learned.append(pair)

    def hold(self, domains: Collection[Domain]) -> None:
        self.held.update(domains)

    def nodes(self) -> Deferred[list[str] | None]:
        answer: Deferred[list[str] | None] = Deferred()
        found = None if self.database.is_away else sorted(self.database.outboxes)
        self.database.clock.callLater(CALL_SECONDS, answer.callback, found)
        return answer

    def open_left(self, node: str, *, takes_over: bool, tell: Any) -> Any:
        session = self.database.open(node, self.name, takes_over=takes_over)
        self.sessions.append(session)
        self.database.clock.callLater(CALL_SECONDS, lambda: None if session.is_dead else tell(session.condition, ""))
        return session

    @property
    def told(self) -> list[str]:
        return [notice.sentence for notice in self.notices]


class Scene:
    """A cluster of three; `leaving` has kept something, and `heir` is the one that has to take that over."""

    def __init__(self) -> None:
        self.world = World("a", "b", "c")
        self.database = Database(self.world.clock)
        self.processes = {name: Process(self, name) for name in self.world.parties}
        self.leaving = "a"
        self.world.advance(5)
        placed = self.owner_without(self.leaving)
        self.heir = placed
        self.third = next(name for name in "bc" if name != placed)

    def owner_without(self, node: str) -> str:
        """Return the node that will own the shard of a node's outbox when that node is gone."""
        return placement(frozenset(self.world.parties) - {node})[shard_of(f"outbox of {node}")]

    def keep(self, node: str, numbers: range = range(KEPT), pair: DomainPair = PAIR) -> None:
        for number in numbers:
            now(self.database.outboxes[node].put(pair, lines(number), accepted=float(number), expires=DAY + number))

    def kill(self, name: str) -> None:
        """End a process as a crash does; the database notices that its sessions are gone."""
        process = self.processes.pop(name)
        process.takeover._ticks.stop()
        self.world.kill(name)
        for session in process.sessions:
            session.is_dead = True
            if self.database.sessions.get(session.node) is session:
                del self.database.sessions[session.node]

    def until(self, condition: Callable[[], bool], seconds: float = WITHIN) -> float:
        return self.world.until(condition, seconds)

    def everything(self) -> Counter[bytes]:
        return Counter(raw for node in self.database.outboxes for raw in self.database.content(node))

    def calls(self, by: str, on: str) -> list[str]:
        return [what for who, whose, what in self.database.calls if (who, whose) == (by, on)]

    def end(self) -> None:
        """Fail what is still asked, of dead processes as well, so that nothing waits for ever."""
        self.database.is_away = True
        for answer in self.database.asked:
            if not answer.called:
                answer.addErrback(lambda failure: None)
                answer.errback(OutboxUnavailable(Condition.CLOSED))
        for closed in self.database.closing:
            if not closed.called:
                closed.callback(None)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.end()


def test_what_a_node_that_is_gone_has_kept_moves_to_one_other_in_order(scene: Scene) -> None:
    scene.keep("a")
    scene.keep("a", range(100, 103), OTHER_PAIR)
    now(scene.database.outboxes["a"].hold(FAR))
    scene.kill("a")
    taken = scene.until(lambda: len(scene.database.content(scene.heir)) == KEPT)
    assert taken >= LEASE_SECONDS - MARGIN_SECONDS, "not before it is certainly gone"
    heir = scene.processes[scene.heir]
    scene.until(lambda: bool(heir.told))
    assert scene.database.content(scene.heir) == lines(*range(KEPT))
    assert scene.database.content("a") == []
    assert set(heir.learned) == {PAIR, OTHER_PAIR}
    assert heir.held == {FAR}
    assert "23 stanzas" in heir.told[-1]
    assert scene.calls(scene.third, "a") == [], "the other one has left it alone"
    assert "a" not in scene.database.sessions, "and it is closed again"


def test_nothing_of_a_node_that_lives_is_touched(scene: Scene) -> None:
    scene.keep("a")
    scene.world.advance(AGAIN_SECONDS + WITHIN)
    assert {who for who, whose, _ in scene.database.calls if whose == "a"} == set()


def test_the_one_that_takes_over_dies_in_the_middle_and_the_next_one_has_everything(scene: Scene) -> None:
    scene.keep("a", range(0, KEPT))
    heir = scene.heir

    def die_after_the_first_put(by: str, on: str, what: str) -> None:
        if (by, on, what) == (heir, "a", "settle"):  # it is in its own outbox, and in the other one as well
            scene.database.before = lambda *call: None
            scene.kill(heir)

    scene.database.before = die_after_the_first_put
    scene.kill("a")
    scene.until(lambda: heir not in scene.processes)
    scene.until(lambda: len(scene.database.content(scene.third)) >= KEPT, 3 * WITHIN)
    scene.world.advance(WITHIN)
    assert scene.everything().keys() == set(lines(*range(KEPT))), "none is lost"
    assert max(scene.everything().values()) <= 2, "and what was under way is there twice at most"
    assert scene.database.content("a") == scene.database.content(heir) == []


@pytest.mark.parametrize("what", ["hold", "put", "settle", "page"])
def test_no_moment_of_a_death_loses_anything(scene: Scene, what: str) -> None:
    scene.keep("a")
    now(scene.database.outboxes["a"].hold(FAR))
    heir = scene.heir

    def die(by: str, on: str, call: str) -> None:
        if by == heir and call == what:
            scene.database.before = lambda *call: None
            scene.kill(heir)

    scene.database.before = die
    scene.kill("a")
    scene.until(lambda: heir not in scene.processes)
    scene.until(lambda: not scene.database.content("a") and not scene.database.content(heir), 3 * WITHIN)
    assert scene.everything().keys() == set(lines(*range(KEPT)))
    assert scene.processes[scene.third].held == {FAR}


def test_of_two_that_take_over_at_once_the_later_one_goes_on_and_the_first_one_stops(scene: Scene) -> None:
    """As when the first one was asleep: it believes to own the shard, and somebody else does."""
    scene.keep("a", range(KEPT))
    third, heir = scene.processes[scene.third], scene.processes[scene.heir]
    rivals: list[Any] = []

    def come_between(by: str, on: str, what: str) -> None:
        if (by, on, what) == (scene.heir, "a", "page") and not rivals:
            rivals.append(third.takeover._take_over("a"))
            third.takeover._owns = lambda name: True  # type: ignore[method-assign]

    scene.database.before = come_between
    scene.kill("a")
    scene.until(lambda: bool(rivals))
    scene.until(lambda: not scene.database.content("a"))
    scene.world.advance(5)
    assert rivals[0].called
    assert scene.everything().keys() == set(lines(*range(KEPT)))
    assert max(scene.everything().values()) <= 2
    assert "settle" not in scene.calls(scene.heir, "a"), "the session of the first one was ended"
    assert heir.told == [], "and that is nothing to report"


def test_a_node_whose_lease_is_over_takes_nothing_more(scene: Scene) -> None:
    scene.keep("a")
    scene.kill("a")
    scene.world.hub.cut_off(scene.heir)
    scene.world.advance(LEASE_SECONDS + ABSENT_SECONDS)
    changes = [call for call in scene.database.calls if call[0] == scene.heir and call[2] in CHANGES]
    assert changes == []
    scene.until(lambda: len(scene.database.content(scene.third)) == KEPT, 3 * WITHIN)
    assert scene.calls(scene.heir, "a") == []


def test_a_lease_that_ends_in_the_middle_ends_the_takeover_which_goes_on_elsewhere(scene: Scene) -> None:
    scene.keep("a", range(KEPT))
    scene.keep("a", range(100, 105), OTHER_PAIR)
    heir = scene.world.parties[scene.heir].node.membership
    owns = heir.owns

    def lose(by: str, on: str, what: str) -> None:
        if (by, on, what) == (scene.heir, "a", "settle"):
            heir.owns = lambda shard: False  # type: ignore[method-assign]

    scene.database.before = lose
    scene.kill("a")
    scene.until(lambda: not owns or bool(scene.calls(scene.heir, "a").count("settle")))
    scene.world.advance(5)
    assert scene.database.content("a", OTHER_PAIR) == lines(*range(100, 105)), "the rest is for the next owner"
    heir.owns = owns  # type: ignore[method-assign]
    scene.database.before = lambda *call: None
    scene.until(lambda: not scene.database.content("a", OTHER_PAIR))


def test_it_ends_when_the_node_is_back(scene: Scene) -> None:
    scene.keep("a")
    scene.keep("a", range(100, 105), OTHER_PAIR)

    def come_back(by: str, on: str, what: str) -> None:
        if (by, on, what) == (scene.heir, "a", "put") or (by, what) == (scene.heir, "put"):
            scene.database.before = lambda *call: None
            scene.world.add("a", "a-2")

    scene.database.before = come_back
    scene.kill("a")
    scene.until(lambda: "a" in scene.world.parties)
    scene.world.advance(5)
    assert "a" not in scene.database.sessions, "its outbox is free again"
    total = len(scene.database.content("a", OTHER_PAIR)) + len(scene.database.content(scene.heir, OTHER_PAIR))
    assert total == 5
    assert scene.everything().keys() >= set(lines(*range(KEPT)))


def test_while_the_database_is_away_nothing_moves_and_afterwards_everything_does(scene: Scene) -> None:
    scene.keep("a")
    scene.kill("a")
    scene.database.is_away = True
    scene.world.advance(WITHIN)
    assert scene.database.content("a") == lines(*range(KEPT))
    scene.database.is_away = False
    scene.until(lambda: not scene.database.content("a"))
    assert scene.database.content(scene.heir) == lines(*range(KEPT))


def test_a_database_that_goes_away_in_the_middle_loses_nothing_and_is_told_once(scene: Scene) -> None:
    scene.keep("a")

    def go_away(by: str, on: str, what: str) -> None:
        if (by, on, what) == (scene.heir, "a", "settle"):
            scene.database.before = lambda *call: None
            scene.database.is_away = True

    scene.database.before = go_away
    scene.kill("a")
    scene.until(lambda: scene.database.is_away)
    scene.world.advance(30)
    assert scene.everything().keys() == set(lines(*range(KEPT)))
    assert len(scene.processes[scene.heir].told) == 1
    assert "could not be taken over" in scene.processes[scene.heir].told[0]
    scene.database.is_away = False
    scene.until(lambda: not scene.database.content("a"))
    assert scene.everything().keys() == set(lines(*range(KEPT)))
    assert max(scene.everything().values()) <= 2


def test_what_has_no_room_stays_where_it_is_and_is_told_once_until_it_has(scene: Scene) -> None:
    scene.keep("a")
    scene.database.outboxes[scene.heir] = MemoryOutbox(limits=OutboxLimits(pair_stanzas=KEPT // 2))
    scene.kill("a")
    scene.until(lambda: bool(scene.processes[scene.heir].told))
    scene.world.advance(30)
    assert len(scene.processes[scene.heir].told) == 1
    assert scene.everything() == Counter(lines(*range(KEPT))), "what has had room is not there twice"
    now(scene.database.outboxes[scene.heir].drop(FAR))  # it was delivered
    scene.until(lambda: not scene.database.content("a"))
    assert scene.everything() == Counter(lines(*range(KEPT // 2, KEPT)))


def test_a_node_that_stays_away_is_looked_at_again_without_ending_its_session(scene: Scene) -> None:
    """It may be cut off from NATS alone, and have opened its outbox again."""
    scene.kill("a")
    scene.until(lambda: "page" in scene.calls(scene.heir, "a") or "pairs" in scene.calls(scene.heir, "a"))
    scene.world.advance(5)
    back = scene.database.open("a", "a", takes_over=False)
    scene.keep("a")
    scene.world.advance(2 * AGAIN_SECONDS)
    assert scene.database.sessions["a"] is back
    assert scene.database.content("a") == lines(*range(KEPT))
    back.close()
    scene.until(lambda: not scene.database.content("a"), 2 * AGAIN_SECONDS)


def test_a_node_that_stops_leaves_the_rest_where_it_is(scene: Scene) -> None:
    scene.keep("a")
    heir = scene.processes[scene.heir]
    stopped: list[Any] = []

    def stop(by: str, on: str, what: str) -> None:
        if (by, on, what) == (scene.heir, "a", "pairs"):
            scene.database.before = lambda *call: None
            stopped.append(heir.takeover.stopService())

    scene.database.before = stop
    scene.kill("a")
    scene.until(lambda: bool(stopped))
    scene.world.advance(5)
    assert scene.database.content("a") == lines(*range(KEPT))
    assert "a" not in scene.database.sessions
