"""Feature 3.3.1-4: our initial header has version='1.0' (RFC 6120 §4.7.5)."""

from __future__ import annotations

from gateway.stream.facts import Role
from gateway.stream.profiles import component_profile
from tests.support.talk import talk


def test_the_initial_header_says_1_0() -> None:
    assert b" version='1.0' " in talk(Role.INITIATING).open().sent


def test_a_stream_that_negotiates_nothing_has_no_version() -> None:
    assert b" version=" not in talk(Role.INITIATING, profile=component_profile()).open().sent.partition(b"?>")[2]
