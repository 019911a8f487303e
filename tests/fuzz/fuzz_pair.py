"""Two whole streams that talk to each other over a wire that damages what it carries.

Each keeps the promises of `fuzz_stream`. Where nothing was damaged both are established in the end and every stanza
arrives; where something was, neither has proved anything that the other did not say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from gateway.xmpp.addresses import DomainPair
from tests.fuzz.fuzz_stream import INITIATING, OURS, RECEIVING, TERMS, THEIRS, Owner
from tests.fuzz.mutation import cut, mutate
from tests.fuzz.transcripts import STANZAS
from tests.support.pair import Certificate

MOST_TURNS = 30
STANZAS_EACH = 8
PROVED = Certificate(names=frozenset({THEIRS, OURS}))


@dataclass
class End(Owner):
    """One of the two; what it sends waits to be carried."""

    outbox: bytearray = field(default_factory=bytearray)

    def _check_sent(self, data: bytes) -> None:
        super()._check_sent(data)
        self.outbox += data

    def taken(self) -> bytes:
        """Return what is to be carried now."""
        data = bytes(self.outbox)
        self.outbox.clear()
        return data


def one_input(rng: Random) -> None:
    """Have them negotiate and exchange stanzas, with damage now and then, or none at all."""
    terms, certificate = rng.choice(TERMS), rng.choice((PROVED, None))
    damage = rng.choice((0.0, 0.05, 0.3))
    ours, theirs = End(INITIATING, terms, certificate), End(RECEIVING, terms, certificate)
    damaged, sent = False, 0
    for _ in range(MOST_TURNS):
        for one, other in ((ours, theirs), (theirs, ours)):
            data = one.taken()
            if one is ours and one.stream.is_established and sent < STANZAS_EACH:
                data += from_us(sent)
                sent += 1
            if data and rng.random() < damage:
                data, damaged = mutate(rng, data), True
            if data and other.stream.state != "closed":
                other.hear([data] if rng.random() < 0.5 else cut(rng, data))
    if not damaged:
        assert set(theirs.stream.facts.proofs) <= {DomainPair(OURS, THEIRS)}
    if not damaged and certificate is not None:
        assert ours.stream.is_established
        assert theirs.stream.is_established
        assert [said for said in theirs.said if isinstance(said, bytes)] == list(map(from_us, range(sent)))
        assert sent == STANZAS_EACH


def from_us(number: int) -> bytes:
    """A stanza as we would send it."""
    swapped = STANZAS[0].replace(THEIRS, "@").replace(OURS, THEIRS).replace("@@", f"@{OURS}")
    return swapped.replace("ju2ba41c", str(number)).encode()
