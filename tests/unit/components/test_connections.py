"""A component with several connections: which of them gets a stanza, and who takes over when one goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred

from gateway.components.conflict import SIGN_OF_LIFE_SECONDS
from gateway.routing.outflow import OVERDUE_SECONDS
from tests.support.trees import stanza
from tests.unit.components.test_components import LIFE, ComponentHarness, Line
from tests.unit.components.test_kept_component import KeptComponentHarness, KeptLine

MESSAGE = "<message from='{who}/1' to='nurse.test' id='{id}'><body>Hi</body></message>"
ASKED = "<iq type='get' id='{id}' from='{who}/1' to='nurse.test'><ping xmlns='urn:xmpp:ping'/></iq>"
ANSWERED = "<iq type='result' id='{id}' from='{who}/1' to='nurse.test'/>"
ASKS = "<iq type='get' id='{id}' from='nurse.test' to='{who}/1'><ping xmlns='urn:xmpp:ping'/></iq>"
PEOPLE = [f"p{number}@far.test" for number in range(200)]


class Crew:
    """A component with some connections, and what each of them gets, by the names of the lines."""

    def __init__(self, *names: str, harness: ComponentHarness | None = None) -> None:
        self.harness = harness or ComponentHarness(connections=len(names))
        self.lines = {name: KeptLine(self.harness, name) for name in names}  # type: ignore[arg-type]
        for line in self.lines.values():
            line.knows_the_secret()
        self.harness.log.clear()

    def gets(self, *stanzas: str) -> dict[str, list[str]]:
        """Send stanzas from far away; return the ids that each line gets, in order."""
        self.harness.log.clear()
        self.harness.send(*stanzas)
        return self.heard()

    def heard(self) -> dict[str, list[str]]:
        """Return what the lines have got since the log was cleared."""
        self.harness.clock.advance(0)
        found: dict[str, list[str]] = {}
        for each in self.harness.log:
            name, _, ids = each.partition(" gets ")
            found.setdefault(name, []).extend(id_ for id_ in ids.split() if not id_.startswith("xg"))
        self.harness.log.clear()
        return {name: ids for name, ids in found.items() if ids}

    def line_of(self, who: str) -> str:
        """Return the line that gets what somebody sends."""
        (name,) = self.gets(MESSAGE.format(who=who, id="where"))
        return name

    def person_at(self, name: str, domain: str = "far.test") -> str:
        """Return somebody whose stanzas go to that line."""
        people = (who.replace("far.test", domain) for who in PEOPLE)
        return next(who for who in people if self.line_of(who) == name)

    def settle(self) -> None:
        """Have every line answer its pings until nothing is kept any longer."""
        for _ in range(5):
            for line in self.lines.values():
                if not line.is_lost:
                    line.answers()
            self.harness.clock.pump([0, 3.1, 0])
        self.harness.log.clear()


@pytest.fixture
def crew() -> Crew:
    return Crew("a", "b", "c", "d")


def where(crew: Crew) -> dict[str, str]:
    return {who: crew.line_of(who) for who in PEOPLE}


def test_conversations_are_divided_and_each_stays_with_one(crew: Crew) -> None:
    first = where(crew)
    assert where(crew) == first
    assert {*Counter(first.values())} == {"a", "b", "c", "d"}
    assert max(Counter(first.values()).values()) < 2 * len(PEOPLE) / 4


def test_the_resource_does_not_matter(crew: Crew) -> None:
    for who in PEOPLE[:20]:
        gets = crew.gets(*(MESSAGE.format(who=who, id=id_).replace("/1'", f"/{id_}'") for id_ in "xyz"))
        assert [*gets.values()] == [["x", "y", "z"]]


def test_a_batch_of_many_senders_is_divided_in_order(crew: Crew) -> None:
    """The router hands over whole batches of one domain pair."""
    stanzas = [stanza(MESSAGE.format(who=PEOPLE[number % 50], id=number)) for number in range(500)]
    crew.harness.router.route_all(stanzas)
    crew.harness.router.flush()
    gets = crew.heard()
    assert sorted(int(id_) for ids in gets.values() for id_ in ids) == [*range(500)]
    assert len(gets) == 4
    for ids in gets.values():
        assert ids == sorted(ids, key=int)


@pytest.mark.parametrize("end", [Line.closes, Line.breaks])
def test_the_others_take_over_and_only_those_conversations_move(crew: Crew, end: Callable[[Line], None]) -> None:
    before = where(crew)
    end(crew.lines["b"])
    crew.harness.log.clear()
    after = where(crew)
    assert {who for who in PEOPLE if before[who] != after[who]} == {who for who in PEOPLE if before[who] == "b"}
    assert {after[who] for who in PEOPLE if before[who] == "b"} == {"a", "c", "d"}


def test_they_return_when_another_connection_comes_in_its_place(crew: Crew) -> None:
    before = where(crew)
    crew.lines["b"].breaks()
    Line(crew.harness, "b").knows_the_secret()
    assert where(crew) == before


def test_the_last_one_gets_everything_and_without_one_nobody_is_there(crew: Crew) -> None:
    for name in "acd":
        crew.lines[name].breaks()
    assert {*where(crew).values()} == {"b"}
    crew.lines["b"].breaks()
    crew.harness.log.clear()
    crew.harness.send(MESSAGE.format(who=PEOPLE[0], id=1))
    assert crew.harness.log == ["far gets error 1 remote-server-timeout"]


def test_what_waited_for_the_lost_one_goes_to_the_others_in_order(crew: Crew) -> None:
    who = crew.person_at("a")
    crew.lines["a"].full = Deferred()
    assert crew.gets(*(MESSAGE.format(who=who, id=id_) for id_ in (1, 2, 3))) == {}
    crew.lines["a"].breaks()
    ((name, ids),) = crew.heard().items()
    assert name in "bcd"
    assert ids == ["1", "2", "3"]


def test_a_slow_one_stops_nobody_else(crew: Crew) -> None:
    slow, quick = crew.person_at("a"), crew.person_at("b")
    crew.lines["a"].full = Deferred()
    gets = crew.gets(*(MESSAGE.format(who=who, id=id_) for id_, who in enumerate([slow, quick, slow, quick])))
    assert gets == {"b": ["1", "3"]}
    full, crew.lines["a"].full = crew.lines["a"].full, None
    full.callback(None)
    assert crew.heard() == {"a": ["0", "2"]}


def test_senders_to_a_slow_one_wait_and_others_do_not(crew: Crew) -> None:
    slow, quick = crew.person_at("a"), crew.person_at("b")
    crew.lines["a"].full = Deferred()
    large = MESSAGE.replace("Hi", 1100 * "x")
    assert crew.harness.send(large.format(who=quick, id=1)) is None
    wait = crew.harness.send(large.format(who=slow, id=2))
    assert wait is not None
    assert not wait.called


def test_a_sender_to_two_slow_ones_waits_for_both(crew: Crew) -> None:
    people = [crew.person_at(name) for name in "ab"]
    rooms = [Deferred[None](), Deferred[None]()]
    for name, room in zip("ab", rooms, strict=True):
        crew.lines[name].full = room
    large = MESSAGE.replace("Hi", 1100 * "x")
    wait = crew.harness.send(*(large.format(who=who, id=1) for who in people))
    assert wait is not None
    for name, room in zip("ab", rooms, strict=True):
        assert not wait.called
        crew.lines[name].full = None
        room.callback(None)
        crew.harness.clock.advance(0)
    assert wait.called


def test_requests_to_the_lost_one_are_answered_and_those_to_others_are_not(crew: Crew) -> None:
    one, other = crew.person_at("a"), crew.person_at("b")
    crew.gets(ASKED.format(who=one, id=1), ASKED.format(who=other, id=2))
    crew.lines["a"].breaks()
    assert crew.harness.log == ["far gets error 1 remote-server-timeout"]
    crew.lines["b"].says(
        ANSWERED.replace("from='{who}/1' to='nurse.test'", f"from='nurse.test' to='{other}/1'").format(id=2)
    )
    assert crew.harness.log[1:] == ["far gets result 2"]


def test_a_request_is_found_with_its_connection_though_its_conversation_has_moved_meanwhile(crew: Crew) -> None:
    who = crew.person_at("a")
    crew.lines["a"].breaks()
    substitute = crew.line_of(who)
    crew.gets(ASKED.format(who=who, id=7))
    Line(crew.harness, "a").knows_the_secret()
    crew.harness.log.clear()
    crew.lines[substitute].breaks()
    assert crew.harness.log == ["far gets error 7 remote-server-timeout"]


def test_an_answer_goes_to_the_connection_that_asked(crew: Crew) -> None:
    for name, line in crew.lines.items():
        for who in PEOPLE[:10]:
            line.says(ASKS.format(who=who, id=f"{name}{who}"))
            assert crew.gets(ANSWERED.format(who=who, id=f"{name}{who}")) == {name: [f"{name}{who}"]}


def test_an_answer_for_a_lost_connection_goes_to_another(crew: Crew) -> None:
    crew.lines["a"].says(ASKS.format(who=PEOPLE[0], id=1))
    crew.lines["a"].breaks()
    ((name, ids),) = crew.gets(ANSWERED.format(who=PEOPLE[0], id=1)).items()
    assert name in "bcd"
    assert ids == ["1"]


# -- one more than there is room for -----------------------------------------------------------------------------------


def test_one_too_many_is_refused_when_all_are_alive(crew: Crew) -> None:
    Line(crew.harness, "e").knows_the_secret()
    assert sorted(crew.harness.log) == [f"{name} gets alive" for name in "abcd"]
    for name in "abc":
        crew.lines[name].says(LIFE)
    assert "e is refused" not in crew.harness.log
    crew.lines["d"].says(LIFE)
    assert crew.harness.log[-1] == "e is refused"
    assert "all 4 ([domains] connections) are alive" in crew.harness.told()[-1]


def test_it_replaces_one_that_is_silent_and_no_other(crew: Crew) -> None:
    newcomer = Line(crew.harness, "e").knows_the_secret()
    for name in "abd":
        crew.lines[name].says(LIFE)
    crew.harness.log.clear()
    crew.harness.clock.advance(SIGN_OF_LIFE_SECONDS)
    assert crew.harness.log == ["c is closed: conflict", "e is attached"]
    assert newcomer.session in crew.harness.route.sessions
    assert len(crew.harness.route.sessions) == 4


def test_two_that_died_unseen_are_both_replaced(crew: Crew) -> None:
    """The machine of two connections lost its network, and both come back."""
    for name in "ef":
        Line(crew.harness, name).knows_the_secret()
        for alive in "cd":
            crew.lines[alive].says(LIFE)
        crew.harness.clock.advance(SIGN_OF_LIFE_SECONDS)
    assert {each.address for each in crew.harness.route.sessions} == {f"192.0.2.1:{name}" for name in "cdef"}


def test_the_log_tells_how_many_there_are(crew: Crew) -> None:
    crew.lines["a"].breaks()
    assert crew.harness.told()[-2:] == [
        "attached from 192.0.2.1:d; 4 of 4 connections are attached",
        "detached: the connection was lost; 3 of 4 connections remain attached",
    ]


# -- what is kept ------------------------------------------------------------------------------------------------------


def kept_crew(level: str = "waiting") -> tuple[Crew, KeptComponentHarness]:
    harness = KeptComponentHarness(level, connections=2)
    return Crew("a", "b", harness=harness), harness


def test_what_was_kept_is_divided_when_they_come() -> None:
    harness = KeptComponentHarness(connections=2)
    harness.send(*(MESSAGE.format(who=PEOPLE[number % 20], id=number) for number in range(40)))
    assert harness.kept == 40
    crew = Crew("a", "b", harness=harness)
    crew.settle()
    assert harness.kept == 0


def test_what_was_kept_and_not_settled_on_the_lost_one_goes_to_the_other_and_nothing_else_goes_twice() -> None:
    crew, harness = kept_crew("all")
    people = {name: crew.person_at(name) for name in "ab"}
    crew.settle()
    gets = crew.gets(*(MESSAGE.format(who=people[name], id=f"{name}{number}") for number in range(3) for name in "ab"))
    assert gets == {"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2"]}
    crew.lines["a"].breaks()
    assert crew.heard() == {"b": ["a0", "a1", "a2"]}
    assert harness.kept == 6
    crew.settle()
    assert harness.kept == 0


def test_an_answer_to_the_earlier_ping_does_not_settle_what_was_written_again() -> None:
    crew, harness = kept_crew("all")
    who = crew.person_at("a")
    crew.settle()
    crew.gets(MESSAGE.format(who=who, id=1))
    harness.clock.pump([0, 0])
    earlier = [*crew.lines["b"].pings]
    assert earlier
    crew.lines["a"].breaks()
    again, crew.lines["b"].pings = crew.lines["b"].pings[len(earlier) :], earlier
    crew.lines["b"].answers()
    harness.passes(3.1)
    assert harness.kept == 1
    crew.lines["b"].pings = again
    crew.lines["b"].answers()
    harness.passes(3.1)
    assert harness.kept == 0


def test_only_an_answer_of_each_settles() -> None:
    crew, harness = kept_crew("all")
    people = [crew.person_at(name) for name in "ab"]
    crew.settle()
    crew.gets(*(MESSAGE.format(who=who, id=who) for who in people))
    crew.lines["a"].answers()
    harness.passes(3.1)
    assert harness.kept == 2
    crew.settle()
    assert harness.kept == 0


def test_what_waits_too_long_for_one_goes_to_the_disk_and_the_other_still_gets_its_own() -> None:
    crew, harness = kept_crew()
    slow, quick = crew.person_at("a"), crew.person_at("b", "near.test")
    crew.lines["a"].full = Deferred()
    crew.gets(MESSAGE.format(who=slow, id=1))
    harness.passes(OVERDUE_SECONDS)
    assert harness.kept == 1
    assert crew.gets(MESSAGE.format(who=quick, id=2)) == {"b": ["2"]}
    full, crew.lines["a"].full = crew.lines["a"].full, None
    full.callback(None)
    assert crew.heard() == {"a": ["1"]}


def test_when_the_last_one_goes_it_is_kept_and_comes_again() -> None:
    crew, harness = kept_crew()
    who = crew.person_at("a")
    for line in crew.lines.values():
        line.breaks()
    harness.log.clear()
    harness.send(MESSAGE.format(who=who, id=1))
    assert harness.log == []
    assert harness.kept == 1
    KeptLine(harness, "a").knows_the_secret()
    assert crew.heard() == {"a": ["1"]}
