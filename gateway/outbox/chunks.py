"""Chunks: stanzas of one pair that were put together, as one row; and the numbers of the stanzas in them.

A row for each flush costs a tenth of a row for each stanza. A stanza's number consists of its chunk's number and its
place in the chunk, so it is one integer and increases with the chunks. One bit for each stanza of a chunk says whether
it has had its end; with at most 63 of them, the bits fit into an SQLite integer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.xmpp.addresses import DomainPair

STANZAS = 63
BYTES = 65_536
STANZA_BYTES = 8  # the approximate memory of a stanza beside its own bytes: its length, and its part of a row

_PLACES = 6  # the bits of a number that hold the place in the chunk
_PLACE = (1 << _PLACES) - 1


def number_of(sequence: int, place: int) -> int:
    """Return the number of a stanza."""
    return sequence << _PLACES | place


def chunk_of(number: int) -> tuple[int, int]:
    """Return the sequence number of a stanza's chunk, and the stanza's place in it."""
    return number >> _PLACES, number & _PLACE


def bits_upto(place: int) -> int:
    """Return the bits of all stanzas of a chunk up to that place."""
    return (2 << place) - 1


def bits_of(numbers: Iterable[int]) -> dict[int, int]:
    """Return the bits of these stanzas by the sequence number of their chunks."""
    found: dict[int, int] = {}
    for number in numbers:
        sequence, place = chunk_of(number)
        found[sequence] = found.get(sequence, 0) | 1 << place
    return found


def size_of(stanzas: Sequence[bytes]) -> int:
    """Return the size of stanzas in bytes."""
    return sum(map(len, stanzas)) + STANZA_BYTES * len(stanzas)


@dataclass(kw_only=True, slots=True)
class Chunk:
    """Stanzas that become one row, or were one; `key` is that of a stanza that replaces an older one."""

    pair: DomainPair
    sequence: int
    accepted: float
    expires: float
    key: bytes | None = None
    done: int = 0
    stanzas: list[bytes] = field(default_factory=list, repr=False)
    size: int = 0

    @property
    def live(self) -> int:
        """Return how many stanzas have not had their end."""
        return len(self.stanzas) - self.done.bit_count()

    def waiting(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of each stanza behind that number that has not had its end."""
        for place, stanza in enumerate(self.stanzas):
            number = number_of(self.sequence, place)
            if number > after and not self.done >> place & 1:
                yield number, stanza


class Packer:
    """Packs what is put before the next transaction begins into chunks, which stanzas of one pair share."""

    def __init__(self, sequence: Iterator[int]) -> None:
        """`sequence` gives the numbers of chunks."""
        self.chunks: list[Chunk] = []
        self._sequence = sequence
        self._open: dict[DomainPair, Chunk] = {}

    def add(
        self, pair: DomainPair, stanzas: Sequence[bytes], size: int, accepted: float, expires: float
    ) -> Sequence[int]:
        """Add stanzas of that size together behind those of the pair, and return their numbers."""
        chunk = self._open.get(pair)
        if chunk is None:
            chunk = self._open[pair] = self._begin(pair, accepted, expires)
        place = len(chunk.stanzas)
        if place + len(stanzas) <= STANZAS and chunk.size + size <= BYTES:
            chunk.stanzas += stanzas
            chunk.size += size
            chunk.expires = min(chunk.expires, expires)
            first = chunk.sequence << _PLACES | place
            return range(first, first + len(stanzas))
        numbers = []
        for stanza in stanzas:
            size = len(stanza) + STANZA_BYTES
            if len(chunk.stanzas) >= STANZAS or (chunk.stanzas and chunk.size + size > BYTES):
                chunk = self._open[pair] = self._begin(pair, accepted, expires)
            numbers.append(chunk.sequence << _PLACES | len(chunk.stanzas))
            chunk.stanzas.append(stanza)
            chunk.size += size
            if expires < chunk.expires:
                chunk.expires = expires
        return numbers

    def add_newest(self, pair: DomainPair, key: bytes, stanza: bytes, accepted: float, expires: float) -> int:
        """Add a stanza that replaces the one with the same key, and return its number."""
        self._open.pop(pair, None)  # later stanzas go behind it
        chunk = self._begin(pair, accepted, expires)
        chunk.key = key
        chunk.stanzas.append(stanza)
        chunk.size = len(stanza) + STANZA_BYTES
        return number_of(chunk.sequence, 0)

    def _begin(self, pair: DomainPair, accepted: float, expires: float) -> Chunk:
        chunk = Chunk(pair=pair, sequence=next(self._sequence), accepted=accepted, expires=expires)
        self.chunks.append(chunk)
        return chunk


class Damaged(Exception):
    """The content of a row is not what was written."""


def pack(stanzas: Sequence[bytes]) -> bytes:
    """Return the content of a row: how many stanzas, how long each is, then all of them."""
    count = len(stanzas)
    return b"".join((struct.pack(f"<{count + 1}I", count, *map(len, stanzas)), *stanzas))


def unpack(content: bytes) -> list[bytes]:
    """Return the stanzas in a row; raise Damaged if the lengths do not match the content."""
    if len(content) < 4:
        raise Damaged("the content is cut short")
    count = int.from_bytes(content[:4], "little")
    head = 4 * (count + 1)
    if not 0 < count <= STANZAS or len(content) < head:
        raise Damaged(f"there cannot be {count} stanzas in a row")
    lengths = struct.unpack_from(f"<{count}I", content, 4)
    if head + sum(lengths) != len(content):
        raise Damaged("the lengths do not fit the content")
    stanzas = []
    for length in lengths:
        stanzas.append(content[head : head + length])
        head += length
    return stanzas
