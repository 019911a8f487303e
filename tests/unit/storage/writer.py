"""A process that floods a store with offline messages until it is killed: `python -m tests.unit.storage.writer FOLDER`.

It prints the number of each message as soon as, and only after, the store has acknowledged it.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from gateway.storage.opening import open_store
from tests.unit.storage.contract import JULIET, UNLIMITED

AT_ONCE = 20


async def flood(store: object, numbers: count[int]) -> None:
    while True:
        number = next(numbers)
        await store.add_offline(JULIET, b"%d" % number)  # type: ignore[attr-defined]
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


async def main(folder: Path) -> None:
    store = open_store("sqlite:gateway.db", folder, reactor, limits=UNLIMITED)  # type: ignore[arg-type]
    if not await store.has_account(JULIET):
        await store.add_account(JULIET, [])
    waiting = await store.offline(JULIET, limit=10_000_000)
    numbers = count(1 + max((int(message.stanza) for message in waiting), default=0))
    for _ in range(AT_ONCE):
        Deferred.fromCoroutine(flood(store, numbers))


if __name__ == "__main__":
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main(Path(sys.argv[1]))))  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
