"""Records: another one that differs in a few fields."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.stream.facts import Resumable, Role, ServerFacts
from gateway.stream.records import record, replace

FACTS = ServerFacts(role=Role.RECEIVING, stream_id="1")


def test_a_record_is_replaced_as_dataclasses_do_it() -> None:
    changed = replace(FACTS, stream_id="2", bidirectional=True)
    assert changed == dataclasses.replace(FACTS, stream_id="2", bidirectional=True)
    assert FACTS.stream_id == "1"


def test_there_is_no_field_that_the_class_has_not() -> None:
    with pytest.raises(TypeError, match="Facts has no field streamid"):
        replace(FACTS, streamid="2")  # type: ignore[call-arg]


def test_a_record_is_hashed_and_compared_by_its_fields() -> None:
    known, other = Resumable(id="1", h=2), Resumable(id="1", h=3)
    same = replace(other, h=2)
    assert same is not known
    assert (same, hash(same)) == (known, hash(known))
    assert known != other


def test_making_a_record_calls_nothing_for_its_fields() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Frozen:
        one: int
        other: int

    @record(frozen=True, kw_only=True)
    class Quick:
        one: int
        other: int

    sets = "__setattr__"
    assert sets in Frozen.__init__.__code__.co_names
    assert sets not in Quick.__init__.__code__.co_names
