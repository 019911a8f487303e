"""A process that floods an outbox until it is killed: `python -m tests.unit.outbox.writer FOLDER`.

It puts numbers as stanzas of several pairs, settles every second batch that was kept, and prints, as soon as and only
after the outbox has said so: `kept PAIR NUMBER`, `failed PAIR NUMBER`, `settled PAIR NUMBER`, `is CONDITION`; and
before it asks for it: `settling PAIR NUMBER`.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.opening import open_outbox
from gateway.xmpp.addresses import Domain, DomainPair

PAIRS = tuple(DomainPair(Domain(f"{number}.ours.example"), Domain("far.example")) for number in range(5))
AT_ONCE = 4  # batches of each pair
BATCH = 3


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def flood(outbox: object, place: int, pair: DomainPair, numbers: count[int]) -> None:
    while True:
        batch = [next(numbers) for _ in range(BATCH)]
        try:
            kept = await outbox.put(  # type: ignore[attr-defined]
                pair, [b"<message>%d</message>" % number for number in batch], accepted=1.0, expires=1e12
            )
        except OutboxUnavailable:
            for number in batch:
                say("failed", place, number)
            await deferLater(reactor, 0.02)
            continue
        for number in batch:
            say("kept", place, number)
        if batch[0] // BATCH % 2:
            say("settling", place, batch[-1])
            try:
                await outbox.settle(pair, kept[-1])  # type: ignore[attr-defined]
            except OutboxUnavailable:
                continue
            say("settled", place, batch[-1])


def main(folder: Path) -> None:
    def tell(condition: Condition, detail: str) -> None:
        say("is", condition.word)

    outbox = open_outbox("sqlite:outbox.db", folder, reactor, tell=tell)
    numbers = count(1)
    for place, pair in enumerate(PAIRS):
        for _ in range(AT_ONCE):
            Deferred.fromCoroutine(flood(outbox, place, pair, numbers))


if __name__ == "__main__":
    reactor.callWhenRunning(main, Path(sys.argv[1]))  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
