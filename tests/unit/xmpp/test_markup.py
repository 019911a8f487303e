"""The pieces of patterns, and that none of our patterns needs what Python has only since 3.11.5."""

from __future__ import annotations

import importlib
import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.xmpp.markup import INSIDE_TAG, NEVER, rounds
from tests.test_architecture import dotted, modules


@pytest.mark.parametrize(
    ("tag", "inside"),
    [
        (b"<a>", b""),
        (b"<a/>", b""),
        (b"<a b='1' c=\"2\" >", b" b='1' c=\"2\" "),
        (b"<a b='/>' />", b" b='/>' "),
        (b"<a b='\">'>", b" b='\">'"),
        (b"<a b=c/d/>", b" b=c/d"),
    ],
)
def test_inside_of_a_tag(tag: bytes, inside: bytes) -> None:
    found = re.compile(b"<a(" + INSIDE_TAG + b")(/?)>").fullmatch(tag)

    assert found is not None
    assert found[1] == inside


def test_failed_last_round_is_taken_back() -> None:
    assert re.compile(rounds(b"<(?!/)[a-z]++") + b"</c>").fullmatch(b"<a<b</c>")


def test_round_that_was_taken_is_not_given_back() -> None:
    assert re.compile(rounds(b"<[a-z]++") + b"<b").fullmatch(b"<a<b") is None


@pytest.mark.parametrize("pattern", ["(?:ab?c)*+", "(?:a(?!b))*+c", "x(?:[ab]++|'[^']*+')++"])
def test_watch_sees_what_needs_a_newer_python(pattern: str) -> None:
    assert [*_careless(parser.parse(pattern))]


def test_failed_round_of_no_group_leaves_anything_behind() -> None:
    patterns = {
        f"{dotted(path)}.{name}": pattern
        for path in modules()
        for name, value in vars(importlib.import_module(f"gateway.{dotted(path)}")).items()
        if isinstance(pattern := getattr(value, "__self__", value), re.Pattern)
    }

    assert len(patterns) > 20
    assert {name for name, pattern in patterns.items() if [*_careless(parser.parse(pattern.pattern))]} == set()


def _careless(sequence: Any) -> Iterator[object]:
    """Possessive groups whose round does not end with an alternative that fails at once."""
    for operation, argument in sequence:
        if operation is codes.POSSESSIVE_REPEAT and not _is_simple(argument[2]) and not _ends_with_never(argument[2]):
            yield argument
        for part in argument if isinstance(argument, list | tuple) else [argument]:
            for inner in part if isinstance(part, list) else [part]:
                if isinstance(inner, parser.SubPattern):
                    yield from _careless(inner)


def _is_simple(part: Any) -> bool:
    """Return whether a round is one character, so that a failed one has taken nothing."""
    if len(part) != 1:
        return False
    operation, argument = part[0]
    if operation is codes.SUBPATTERN and argument[0] is None:  # only flags, as in (?s:.)
        return _is_simple(argument[3])
    return operation in {codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY}


def _ends_with_never(part: Any) -> bool:
    operation, argument = part[-1]
    return operation is codes.BRANCH and str(argument[1][-1]) == str(parser.parse(NEVER))
