"""The steps that the profiles of stringprep share (RFC 3454)."""

from __future__ import annotations

import pytest

from gateway.xmpp.stringprep_steps import normalised, visible


@pytest.mark.parametrize(("text", "seen"), [("a\u00adb", "ab"), ("\u2665\ufe0f", "\u2665"), ("a b", "a b"), ("", "")])
def test_what_is_mapped_to_nothing_is_gone(text: str, seen: str) -> None:
    assert visible(text) == seen


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("\uff21\u200d\u2168", "AIX"),
        ("e\u0301", "\u00e9"),
        ("\U0001f100", "\U0001f100"),  # a full stop of Unicode 5.2, which NFKC would write as two characters now
    ],
)
def test_the_rest_is_normalised_as_unicode_3_2_had_it(text: str, normal: str) -> None:
    assert normalised(text) == normal
