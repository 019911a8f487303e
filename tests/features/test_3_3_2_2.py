"""Feature 3.3.2-2: the response header has a 'to' when the initial one had a 'from' (RFC 6120 §4.7.2)."""

from __future__ import annotations

from tests.support.talk import header, talk


def test_who_calls_is_named() -> None:
    assert b" to='theirs.test' " in talk().hear(header("THEIRS.test")).sent


def test_who_does_not_say_is_not() -> None:
    for nobody in (None, ""):
        assert b" to=" not in talk().hear(header(nobody)).sent


def test_who_is_refused_is_named_too() -> None:
    assert b" to='theirs.test' " in talk().hear(header(to="user@ours.test")).sent
