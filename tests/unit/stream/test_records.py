"""Records: another one that differs in a few fields."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.stream.facts import Role, ServerFacts
from gateway.stream.records import replace

FACTS = ServerFacts(role=Role.RECEIVING, stream_id="1")


def test_a_record_is_replaced_as_dataclasses_do_it() -> None:
    changed = replace(FACTS, stream_id="2", bidirectional=True)
    assert changed == dataclasses.replace(FACTS, stream_id="2", bidirectional=True)
    assert FACTS.stream_id == "1"


def test_there_is_no_field_that_the_class_has_not() -> None:
    with pytest.raises(TypeError, match="Facts has no field streamid"):
        replace(FACTS, streamid="2")  # type: ignore[call-arg]


def test_what_was_replaced_is_as_frozen_as_before() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(FACTS, stream_id="2").stream_id = "3"  # type: ignore[misc]
