"""What a gateway that is gone has kept moves to our outbox: whole, in order, and safe at any moment."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from gateway.outbox.adoption import Adopted, adopt
from gateway.outbox.errors import Bound, OutboxFull
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.xmpp.addresses import DomainPair
from tests.unit.outbox.contract import DAY, FAR, NOW, OTHER_PAIR, PAIR, lines, now


class Scene:
    """An outbox that was left, our own, and the pairs of which something has come."""

    def __init__(self, **limits: int) -> None:
        self.left = MemoryOutbox(limits=OutboxLimits())
        self.own = MemoryOutbox(limits=OutboxLimits(**limits))
        self.moved: list[DomainPair] = []

    def keep(self, *numbers: int, pair: DomainPair = PAIR, outbox: MemoryOutbox | None = None) -> None:
        for number in numbers:
            accepted = NOW + number
            now((outbox or self.left).put(pair, lines(number), accepted=accepted, expires=accepted + DAY))

    def adopt(self, **more: Any) -> Adopted:
        adopted: Adopted = now(Deferred.fromCoroutine(adopt(self.left, self.own, moved=self.moved.append, **more)))
        return adopted

    def of(self, outbox: MemoryOutbox, pair: DomainPair = PAIR) -> list[bytes]:
        return [each.raw for each in now(outbox.page(pair))]


def test_everything_moves_in_order_and_keeps_its_times() -> None:
    scene = Scene()
    scene.keep(1, 2, 3)
    scene.keep(4, pair=OTHER_PAIR)
    scene.keep(9, outbox=scene.own)
    assert scene.adopt() == Adopted(4, True)
    assert scene.of(scene.own) == lines(9, 1, 2, 3)
    assert scene.of(scene.own, OTHER_PAIR) == lines(4)
    first = now(scene.own.page(PAIR))[1]
    assert (first.accepted, first.expires) == (NOW + 1, NOW + 1 + DAY)
    assert scene.left.stanzas == 0
    assert {PAIR, OTHER_PAIR} == set(scene.moved)


def test_more_than_a_page_moves() -> None:
    scene = Scene()
    now(scene.left.put(PAIR, lines(*range(1200)), accepted=NOW, expires=NOW + DAY))
    assert scene.adopt() == Adopted(1200, True)
    assert [each.raw for each in now(scene.own.page(PAIR, 0, 2000))] == lines(*range(1200))


def test_what_does_not_fit_stays_where_it_is() -> None:
    scene = Scene(pair_stanzas=2)
    scene.keep(1, 2, 3)
    with pytest.raises(OutboxFull) as full:
        scene.adopt()
    assert full.value.bound is Bound.PAIR
    assert scene.of(scene.own) == lines(1, 2)
    assert scene.of(scene.left) == lines(3), "and what did fit is not there twice"


def test_nothing_is_settled_before_it_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.keep(1)
    writing: Deferred[Any] = Deferred()
    monkeypatch.setattr(scene.own, "put", lambda *args, **times: writing)
    moving = Deferred.fromCoroutine(adopt(scene.left, scene.own, moved=scene.moved.append))
    assert scene.left.stanzas == 1
    assert scene.moved == []
    writing.callback((1,))
    now(moving)
    assert scene.left.stanzas == 0
    assert scene.moved == [PAIR]


def test_a_failure_to_settle_leaves_everything_twice_and_nothing_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.keep(1)
    monkeypatch.setattr(scene.left, "settle", lambda *args: fail(OutboxFull(Bound.TOTAL)))
    with pytest.raises(OutboxFull):
        scene.adopt()
    assert scene.of(scene.left) == scene.of(scene.own) == lines(1)


def test_it_ends_when_the_other_gateway_is_back() -> None:
    scene = Scene()
    scene.keep(1)
    assert scene.adopt(goes_on=lambda: False) == Adopted(0, False)
    assert scene.of(scene.left) == lines(1)


def test_holds_and_what_a_filter_has_held_back_move_too() -> None:
    scene = Scene()
    now(scene.left.hold(FAR))
    now(scene.left.withhold(PAIR, b"<message/>", accepted=NOW, expires=NOW + DAY, rule="links"))
    told: list[Any] = []
    assert scene.adopt(held=told.extend) == Adopted(1, True)
    assert now(scene.own.held()) == {FAR} == set(told)
    (held,) = now(scene.own.withheld())
    assert (held.pair, held.raw, held.rule, held.expires) == (PAIR, b"<message/>", "links", NOW + DAY)
    assert now(scene.left.withheld()) == ()


def test_a_hold_is_told_before_anything_moves_and_can_be_left_where_it_is() -> None:
    scene = Scene()
    scene.keep(1)
    now(scene.left.hold(FAR))
    moved_before: list[int] = []
    scene.adopt(held=lambda domains: moved_before.append(len(scene.moved)))
    assert moved_before == [0]
    assert now(scene.left.held()) == {FAR}, "its gateway holds it as well when it is back"
    now(scene.own.release(FAR))
    scene.adopt()
    assert now(scene.own.held()) == frozenset(), "what the operator has released stays so"


def test_what_was_set_aside_moves_as_far_as_there_is_room() -> None:
    scene = Scene(aside=2)
    numbers = now(scene.left.put(PAIR, lines(1, 2, 3), accepted=NOW, expires=NOW + DAY))
    for number in numbers:
        now(scene.left.set_aside(number, "it breaks streams"))
    assert scene.adopt() == Adopted(0, True)
    assert [(each.raw, each.reason) for each in now(scene.own.aside(FAR))] == [
        (raw, "it breaks streams") for raw in lines(1, 2)
    ]
    assert [each.raw for each in now(scene.left.aside())] == lines(3)
    assert now(scene.own.page(PAIR)) == ()
    now(scene.own.drop(FAR))
    scene.adopt()
    assert [each.raw for each in now(scene.own.aside(FAR))] == lines(3)
