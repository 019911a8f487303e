"""Passwords prepared for hashing (RFC 4013)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sasl.passwords import PASSWORD_BYTES, prepare_password


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),  # the examples of RFC 4013 §3
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("correct horse", "correct horse"),
        ("non\u00a0breaking", "non breaking"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("\U0001f511 key", "\U0001f511 key"),  # unknown to Unicode 3.2
    ],
)
def test_password_is_mapped_and_normalised(text: str, prepared: str) -> None:
    assert prepare_password(text) == prepared.encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\u00ad",
        "\u0007",
        "a\0b",
        "\ue000",
        "\ufffe",
        "\ud800",
        "\u0627\u0031",
        "a\u0627",
        "x" * (PASSWORD_BYTES + 1),
    ],
)
def test_what_cannot_be_a_password_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="password"):
        prepare_password(text)


def test_password_that_grows_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        prepare_password("\ufdfa" * 200)  # each becomes eighteen characters


@given(st.text(max_size=60))
def test_preparing_twice_changes_nothing(text: str) -> None:
    try:
        once = prepare_password(text)
    except ValueError:
        return
    assert prepare_password(once.decode()) == once
