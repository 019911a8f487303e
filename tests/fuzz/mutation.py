"""A seeded mutator: small damage of the kinds that break parsers, to bytes that were right."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.fuzz.transcripts import WORDS

MOST_BYTES = 4000


def mutate(rng: Random, data: bytes) -> bytes:
    """The same with one to four changes."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = rng.choice(MUTATIONS)(rng, data)
    return data[:MOST_BYTES]


def cut(rng: Random, data: bytes) -> list[bytes]:
    """The same in pieces: often single bytes, else a few."""
    if rng.random() < 0.3:
        return [data[at : at + 1] for at in range(len(data))]
    edges = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 8)))
    return [data[start:end] for start, end in zip([0, *edges], [*edges, len(data)], strict=True) if end > start]


def _span(rng: Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 1, 2, 5, 20, 100)))


def _insert(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(WORDS) + data[at:]


def _replace(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + rng.choice(WORDS) + data[end:]


def _delete(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _repeat(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[start:end] * rng.choice((2, 3, 30)) + data[end:]


def _swap(rng: Random, data: bytes) -> bytes:
    one, other = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return data[other:] + data[one:other] + data[:one]


def _flip(rng: Random, data: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes((data[at] ^ (1 << rng.randrange(8)),)) + data[at + 1 :]


def _truncate(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (
    _insert, _insert, _replace, _delete, _delete, _repeat, _swap, _flip, _truncate,
)  # fmt: skip
