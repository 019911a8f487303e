"""The sending window: the tables of its docstring, row by row, and peers that die over some stanzas, or over none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from math import log2
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.window import BREAKS, FEW, MOST, MOST_BREAKS, Break, Window

OPEN = Window()
THEIRS, OTHER = Break.THEIRS, Break.OTHER


def test_open_window_has_room_for_the_most() -> None:
    assert (OPEN.room(0, 1), OPEN.room(MOST - 1, 1), OPEN.room(MOST, 1)) == (MOST, 1, 0)
    assert OPEN.read(1000, 1000) == OPEN


@pytest.mark.parametrize("step", [None, 1, 2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("made", Break)
def test_after_a_break_one_goes_out_alone(step: int | None, made: Break) -> None:
    window = Window(step=step).broke(made, [7, 8])
    assert window.step == 1
    assert (window.room(0, 7), window.room(1, 8)) == (1, 0)


@pytest.mark.parametrize("at_a_time", [1, 100])
def test_window_doubles_when_as_many_were_read_as_may_be_in_flight_and_opens_after_the_most(at_a_time: int) -> None:
    window = OPEN.broke(OTHER, [])
    steps = []
    while (step := window.step) is not None:
        steps.append(step)
        while window.step == step:
            window = window.read(min(at_a_time, step), 1)
    assert steps == [1, 2, 4, 8, 16, 32, MOST]


def broke(*breaks: tuple[Break, list[int]]) -> Window:
    window = OPEN
    for made, unread in breaks:
        window = window.broke(made, unread)
    return window


@pytest.mark.parametrize(
    ("breaks", "blamed"),
    [
        ([(THEIRS, [5])] * 2, None),
        ([(THEIRS, [5])] * 3, 5),
        ([(THEIRS, [5, 6, 7]), (THEIRS, [5]), (THEIRS, [5])], 5),
        ([(THEIRS, [5]), (THEIRS, [5]), (THEIRS, [5, 6])], None),  # not alone
        ([(THEIRS, [4, 5]), (THEIRS, [5]), (THEIRS, [5])], 5),
        ([(THEIRS, [4, 5]), (THEIRS, [4, 5, 6]), (THEIRS, [5])], 5),
        ([(THEIRS, [4]), (THEIRS, [5]), (THEIRS, [5])], None),  # another one was in flight first
        ([(THEIRS, [4])] + [(THEIRS, [5])] * 3, None),  # and that end was nobody's fault
        ([(THEIRS, [4])] + [(THEIRS, [5])] * 4, 5),
        ([(THEIRS, [5])] * 2 + [(THEIRS, [])] + [(THEIRS, [5])], None),
        ([(OTHER, [5])] * 10, None),
        ([(THEIRS, [5]), (OTHER, [5]), (OTHER, []), (THEIRS, [5]), (THEIRS, [5])], 5),
    ],
)
def test_stanza_is_blamed_after_three_breaks_of_theirs_over_it(
    breaks: list[tuple[Break, list[int]]], blamed: int | None
) -> None:
    assert broke(*breaks).blamed == blamed


def test_each_end_that_was_nobodys_fault_makes_it_one_break_more() -> None:
    window = OPEN
    for number in range(20):
        window = window.broke(THEIRS, [number]).read(1, number)
        needed = 0
        blaming = window
        while blaming.blamed is None:
            blaming = blaming.broke(THEIRS, [100])
            needed += 1
        assert needed == min(BREAKS + number + 1, MOST_BREAKS)


def test_few_suspects_go_together_after_the_first_break_and_one_after_the_second() -> None:
    window = broke((THEIRS, [*range(10, 74)]))
    for number in range(10, 60):
        window = window.read(1, number)
    assert window.room(0, 60) == FEW
    window = window.broke(THEIRS, [60, 61, 62])
    for number in range(1, 60):
        window = window.read(1, number)
    assert (window.room(0, 60), window.room(1, 60)) == (1, 0)
    window = window.read(1, 60).read(1, 61)
    assert window.room(0, 62) == 1
    assert window.read(1, 62).room(0, 63) > FEW


def test_what_was_read_before_is_not_bound_by_the_limit_of_the_suspects() -> None:
    window = broke((THEIRS, [10, 11]), (THEIRS, [10, 11])).read(1, 1).read(2, 3)
    assert window.room(0, 4) == 4
    assert (window.room(0, 10), window.room(1, 10)) == (1, 0)


def test_after_the_blamed_one_the_next_goes_out_alone() -> None:
    window = broke(*[(THEIRS, [5])] * BREAKS).acquitted()
    assert (window.step, window.suspects, window.blamed) == (1, None, None)


class Peer:
    """A peer that dies over some stanzas, and at times `chance` decides; one round is a round trip.

    If it `has_grace`, what it has read is settled only once it has lived for a hundred rounds.
    """

    def __init__(
        self,
        count: int,
        *,
        poison: Collection[int] = (),
        has_grace: bool = False,
        chance: Callable[[], bool] = lambda: False,
    ) -> None:
        self.unsettled = [*range(1, count + 1)]
        self.poison = poison
        self.has_grace = has_grace
        self.chance = chance
        self.window = OPEN
        self.arrived: Counter[int] = Counter()
        self.bounced: list[int] = []
        self.deaths = 0
        self.rounds = 0

    def lives(self) -> None:
        """Send until everything is settled."""
        while self.unsettled:
            self.life()

    def life(self) -> None:
        """Send on one stream, until it breaks or all is settled."""
        place = lasted = 0
        while place < len(self.unsettled):
            batch = self.batch(self.unsettled[place:])
            self.rounds += 1
            lasted += 1
            if self.poison and not {*self.poison}.isdisjoint(batch):
                return self.dies(batch, min({*self.poison} & {*batch}))
            if self.chance():
                return self.dies(batch, batch[0])
            self.arrived.update(batch)
            self.window = self.window.read(len(batch), batch[-1])
            place += len(batch)
            if not self.has_grace or lasted > 100:
                del self.unsettled[:place]
                place = 0
        return self.unsettled.clear()

    def batch(self, waiting: list[int]) -> list[int]:
        """Return what goes out together."""
        window = self.window
        batch = waiting[: window.room(0, waiting[0])]
        first = window.suspects.numbers[0] if window.suspects is not None else 0
        return [each for each in batch if each < first] if batch[0] < first else batch

    def dies(self, batch: list[int], over: int) -> None:
        """It has read what stands before that one, but has not said so."""
        self.deaths += 1
        self.arrived.update([each for each in batch if each < over])
        self.window = self.window.broke(THEIRS, batch)
        if (blamed := self.window.blamed) is not None:
            self.bounced.append(blamed)
            self.unsettled.remove(blamed)
            self.window = self.window.acquitted()


@given(st.integers(1, 300), st.booleans(), st.data())
def test_peer_that_dies_over_one_stanza_dies_three_times_and_gets_all_others(
    count: int, has_grace: bool, data: st.DataObject
) -> None:
    poison = data.draw(st.integers(1, count))
    peer = Peer(count, poison=[poison], has_grace=has_grace)
    peer.lives()
    assert peer.bounced == [poison]
    assert {*peer.arrived} == {*range(1, count + 1)} - {poison}
    assert peer.deaths == BREAKS
    assert has_grace or peer.arrived.total() <= count + 2 * MOST


@pytest.mark.parametrize("poison", [1, 2, 3, 64, 65, 500, 777, 1000])
@pytest.mark.parametrize("has_grace", [False, True])
def test_one_poison_among_a_thousand_in_flight_is_found_in_few_breaks(poison: int, has_grace: bool) -> None:
    peer = Peer(1000, poison=[poison], has_grace=has_grace)
    peer.dies([*range(1, 1001)], poison)  # where nothing but time settles them
    peer.lives()
    assert peer.bounced == [poison]
    assert peer.deaths <= log2(1000)
    assert peer.rounds <= 3 * (1000 / MOST + 2 * log2(1000)) * (2 if has_grace else 1)


@pytest.mark.parametrize("count", [1, 5, 8, 20, MOST])
@pytest.mark.parametrize("has_grace", [False, True])
def test_innocents_are_cleared_in_few_rounds_after_two_breaks(count: int, has_grace: bool) -> None:
    peer = Peer(count, has_grace=has_grace)
    for together in (MOST, FEW):
        peer.dies(peer.unsettled[:together], 1)
    peer.lives()
    assert peer.bounced == []
    assert {*peer.arrived} == {*range(1, count + 1)}
    assert peer.rounds <= FEW + log2(count) + 1


@given(st.sets(st.integers(1, 200), min_size=2, max_size=4), st.booleans())
def test_several_poisons_are_all_found_and_nothing_else_is_bounced(poison: set[int], has_grace: bool) -> None:
    peer = Peer(200, poison=poison, has_grace=has_grace)
    peer.lives()
    assert peer.bounced == sorted(poison)
    assert {*peer.arrived} == {*range(1, 201)} - poison
    assert peer.deaths <= len(poison) * MOST_BREAKS


@pytest.mark.parametrize("has_grace", [False, True])
@pytest.mark.parametrize(("chance", "before"), [(0.001, 0), (0.02, MOST_BREAKS - BREAKS)])
def test_peer_that_dies_at_random_gets_everything_and_nothing_is_bounced(
    has_grace: bool, chance: float, before: int
) -> None:
    deaths = 0
    for seed in range(100):
        random = Random(seed)
        peer = Peer(10_000, has_grace=has_grace, chance=lambda random=random: random.random() < chance)  # type: ignore[misc]
        peer.window = Window(unexplained=before)
        peer.lives()
        assert peer.bounced == [], seed
        assert len(peer.arrived) == 10_000
        deaths += peer.deaths
    assert deaths > 10 * (1 + before)
