"""An outbox that forgets at the end of the process: IOutbox in dictionaries, for tests and for `memory:`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import wraps
from itertools import count, islice, takewhile
from typing import Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, execute, fail, succeed
from zope.interface import implementer

from gateway.outbox.chunks import Chunk, Packer, bits_of, bits_upto, chunk_of, number_of, size_of
from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable, error_of
from gateway.outbox.interfaces import IOutbox, Putter, Settler
from gateway.outbox.records import (
    AGES,
    AsideStanza,
    DomainState,
    DomainSummary,
    ExpiredStanza,
    Failing,
    KeptStanza,
    OutboxLimits,
    PairState,
    WithheldStanza,
)
from gateway.outbox.tallies import Tallies
from gateway.xmpp.addresses import Domain, DomainPair

T = TypeVar("T")
P = ParamSpec("P")


def _deferred(
    method: Callable[Concatenate[MemoryOutbox, P], T],
) -> Callable[Concatenate[MemoryOutbox, P], Deferred[T]]:
    """Make a synchronous method return a Deferred, as IOutbox requires."""

    @wraps(method)
    def deferred(self: MemoryOutbox, /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        if not self.condition.is_ready:
            return fail(OutboxUnavailable(self.condition))
        return execute(method, self, *args, **kwargs)

    return deferred


@implementer(IOutbox)
class MemoryOutbox:
    """IOutbox in memory."""

    def __init__(self, *, limits: OutboxLimits) -> None:
        self.condition = Condition.READY
        self._limits = limits
        self._sequence = count(1)
        self._tallies = Tallies(limits)
        self._chunks: dict[int, Chunk] = {}  # by sequence number, so in order
        self._of_pair: dict[DomainPair, dict[int, Chunk]] = {}
        self._keyed: dict[tuple[DomainPair, bytes], int] = {}
        self._held: set[Domain] = set()
        self._failing: dict[Domain, Failing] = {}
        self._aside: dict[int, AsideStanza] = {}
        self._withheld: dict[int, WithheldStanza] = {}
        self._withheld_numbers = count(1)

    @property
    def stanzas(self) -> int:
        return self._tallies.stanzas

    @property
    def size(self) -> int:
        return self._tallies.bytes

    def waiting(self, pair: DomainPair) -> int:
        tally = self._tallies.find(pair)
        return tally.stanzas if tally is not None else 0

    def close(self) -> Deferred[None]:
        self.condition = Condition.CLOSED
        return succeed(None)

    @_deferred
    def put(self, pair: DomainPair, stanzas: Sequence[bytes], *, accepted: float, expires: float) -> Sequence[int]:
        if not stanzas:
            return ()
        size = size_of(stanzas)
        self._tallies.admit(pair, len(stanzas), size)
        packer = Packer(self._sequence)
        numbers = packer.add(pair, stanzas, size, accepted, expires)
        for chunk in packer.chunks:
            self._add(chunk)
        return numbers

    def put_for(
        self, putter: Putter, pair: DomainPair, stanzas: Sequence[bytes], *, accepted: float, expires: float
    ) -> None:
        put = self.put(pair, stanzas, accepted=accepted, expires=expires)
        put.addCallbacks(putter.kept, lambda failure: putter.not_kept(error_of(failure)))

    @_deferred
    def put_newest(self, pair: DomainPair, key: bytes, stanza: bytes, *, accepted: float, expires: float) -> int:
        self._tallies.admit(pair, 1, size_of((stanza,)))
        packer = Packer(self._sequence)
        number = packer.add_newest(pair, key, stanza, accepted, expires)
        if (old := self._keyed.get((pair, key))) is not None:
            self._forget(self._chunks[old])
        (chunk,) = packer.chunks
        self._keyed[pair, key] = chunk.sequence
        self._add(chunk)
        return number

    @_deferred
    def page(self, pair: DomainPair, after: int = 0, limit: int = 500) -> tuple[KeptStanza, ...]:
        found: list[KeptStanza] = []
        size = 0
        for chunk in self._of_pair.get(pair, {}).values():
            for number, raw in chunk.waiting(after):
                size += len(raw)
                if len(found) >= limit or (found and size > self._limits.page_bytes):
                    return tuple(found)
                found.append(KeptStanza(number, raw, chunk.accepted, chunk.expires))
        return tuple(found)

    @_deferred
    def settle(self, pair: DomainPair, upto: int) -> None:
        sequence, place = chunk_of(upto)
        chunks = self._of_pair.get(pair, {}).values()
        for chunk in list(takewhile(lambda chunk: chunk.sequence <= sequence, chunks)):
            self._mark(chunk, bits_upto(place) if chunk.sequence == sequence else -1)

    def settle_for(self, settler: Settler, pair: DomainPair, upto: int, mark: int) -> None:
        self.settle(pair, upto).addCallbacks(
            lambda _: settler.recorded(upto, mark), lambda failure: settler.not_recorded(error_of(failure), mark)
        )

    @_deferred
    def mark_read(self, pair: DomainPair, upto: int) -> None:
        """Do nothing: there is no other process that could ask."""

    @_deferred
    def remove(self, numbers: Collection[int]) -> None:
        for sequence, bits in bits_of(numbers).items():
            if (chunk := self._chunks.get(sequence)) is not None:
                self._mark(chunk, bits)

    @_deferred
    def expired(self, now: float, limit: int = 50) -> tuple[ExpiredStanza, ...]:
        found: list[ExpiredStanza] = []
        for chunk in islice((chunk for chunk in self._chunks.values() if chunk.expires <= now), limit):
            found += (
                ExpiredStanza(pair=chunk.pair, number=number, raw=raw, accepted=chunk.accepted)
                for number, raw in chunk.waiting()
            )
            if len(found) >= limit:
                break
        return tuple(found)

    @_deferred
    def hold(self, domain: Domain) -> None:
        self._held.add(domain)

    @_deferred
    def release(self, domain: Domain) -> None:
        self._held.discard(domain)

    @_deferred
    def held(self) -> frozenset[Domain]:
        return frozenset(self._held)

    @_deferred
    def oldest(self) -> float | None:
        return next((chunk.accepted for chunk in self._chunks.values()), None)

    @_deferred
    def drop(self, domain: Domain) -> int:
        chunks = [chunk for chunk in self._chunks.values() if chunk.pair.target == domain]
        aside = [number for number, each in self._aside.items() if each.pair.target == domain]
        dropped = sum(chunk.live for chunk in chunks) + len(aside)
        for chunk in chunks:
            self._mark(chunk, -1)
        for number in aside:
            del self._aside[number]
        return dropped

    @_deferred
    def set_aside(self, number: int, reason: str) -> None:
        chunk = self._chunks.get(chunk_of(number)[0])
        raw = dict(chunk.waiting()).get(number) if chunk is not None else None
        if chunk is None or raw is None:
            return
        self._aside[number] = AsideStanza(
            number=number, pair=chunk.pair, raw=raw, accepted=chunk.accepted, reason=reason
        )
        self._aside = dict(sorted(self._aside.items())[-self._limits.aside :])
        self._mark(chunk, 1 << chunk_of(number)[1])

    @_deferred
    def keep_aside(self, pair: DomainPair, stanza: bytes, *, accepted: float, reason: str) -> int | None:
        if len(self._aside) >= self._limits.aside:
            return None
        number = number_of(next(self._sequence), 0)
        self._aside[number] = AsideStanza(number=number, pair=pair, raw=stanza, accepted=accepted, reason=reason)
        return number

    @_deferred
    def take_aside(self, number: int) -> None:
        self._aside.pop(number, None)

    @_deferred
    def aside(self, domain: Domain | None = None) -> tuple[AsideStanza, ...]:
        return tuple(each for each in self._aside.values() if domain in (None, each.pair.target))

    @_deferred
    def withhold(self, pair: DomainPair, stanza: bytes, *, accepted: float, expires: float, rule: str) -> int | None:
        of_sender = sum(each.pair.sender == pair.sender for each in self._withheld.values())
        if len(self._withheld) >= self._limits.withheld or of_sender >= self._limits.withheld_each:
            return None
        number = next(self._withheld_numbers)
        self._withheld[number] = WithheldStanza(
            number=number, pair=pair, raw=stanza, accepted=accepted, expires=expires, rule=rule
        )
        return number

    @_deferred
    def withheld(self) -> tuple[WithheldStanza, ...]:
        return tuple(self._withheld.values())

    @_deferred
    def take_withheld(self, number: int) -> WithheldStanza | None:
        return self._withheld.pop(number, None)

    @_deferred
    def expire_withheld(self, now: float) -> int:
        over = [number for number, each in self._withheld.items() if each.expires <= now]
        for number in over:
            del self._withheld[number]
        return len(over)

    @_deferred
    def summary(self, now: float) -> tuple[DomainSummary, ...]:
        by_domain: dict[Domain, list[Chunk]] = {}
        for chunk in self._chunks.values():
            by_domain.setdefault(chunk.pair.target, []).append(chunk)
        found = [self._summary(domain, chunks, now) for domain, chunks in by_domain.items()]
        return tuple(sorted(found, key=lambda each: (-each.stanzas, each.domain)))

    def _summary(self, domain: Domain, chunks: list[Chunk], now: float) -> DomainSummary:
        ages = [0] * (len(AGES) + 1)
        for chunk in chunks:
            age = now - chunk.accepted
            ages[next((place for place, bound in enumerate(AGES) if age < bound), len(AGES))] += chunk.live
        return DomainSummary(
            domain=domain,
            stanzas=sum(ages),
            bytes=sum(chunk.size for chunk in chunks),
            oldest=min(chunk.accepted for chunk in chunks),
            ages=tuple(ages),
            is_held=domain in self._held,
        )

    @_deferred
    def pairs(self) -> tuple[PairState, ...]:
        return tuple(sorted(self._pairs(), key=lambda each: (each.oldest, each.pair)))

    def _pairs(self) -> Iterator[PairState]:
        for pair, chunks in self._of_pair.items():
            yield PairState(
                pair=pair,
                stanzas=sum(chunk.live for chunk in chunks.values()),
                bytes=sum(chunk.size for chunk in chunks.values()),
                oldest=min(chunk.accepted for chunk in chunks.values()),
            )

    @_deferred
    def state(self, domain: Domain) -> DomainState:
        pairs = sorted(
            (each for each in self._pairs() if each.pair.target == domain), key=lambda each: (each.oldest, each.pair)
        )
        return DomainState(
            domain=domain,
            pairs=tuple(pairs),
            is_held=domain in self._held,
            aside=sum(each.pair.target == domain for each in self._aside.values()),
            failing=self._failing.get(domain),
        )

    @_deferred
    def remember(self, domain: Domain, failing: Failing | None) -> None:
        self._failing.pop(domain, None)
        if failing is not None:
            self._failing[domain] = failing

    def _add(self, chunk: Chunk) -> None:
        self._chunks[chunk.sequence] = chunk
        self._of_pair.setdefault(chunk.pair, {})[chunk.sequence] = chunk

    def _mark(self, chunk: Chunk, bits: int) -> None:
        """Record the end of some stanzas of a chunk, and forget the chunk when all have had theirs."""
        before = chunk.live
        chunk.done |= bits & (1 << len(chunk.stanzas)) - 1
        if chunk.live:
            self._count(chunk, chunk.live - before, 0)
        else:
            chunk.done = 0
            self._forget(chunk, before)

    def _forget(self, chunk: Chunk, stanzas: int | None = None) -> None:
        del self._chunks[chunk.sequence]
        of_pair = self._of_pair[chunk.pair]
        del of_pair[chunk.sequence]
        if not of_pair:
            del self._of_pair[chunk.pair]
        if chunk.key is not None:
            del self._keyed[chunk.pair, chunk.key]
        self._count(chunk, -(chunk.live if stanzas is None else stanzas), -chunk.size)

    def _count(self, chunk: Chunk, stanzas: int, size: int) -> None:
        tally = self._tallies.find(chunk.pair)
        assert tally is not None
        self._tallies.count(tally, stanzas, size)
        if not tally.stanzas:
            self._tallies.forget(tally)
