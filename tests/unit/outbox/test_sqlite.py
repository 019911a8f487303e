"""The outbox in a file: in the caller's thread, in its own thread beside the reactor, and with a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from gateway.outbox import statements
from gateway.outbox.chunks import Packer, number_of
from gateway.outbox.database import Database
from gateway.outbox.durable import DurableOutbox
from gateway.outbox.opening import open_outbox
from gateway.outbox.records import OutboxLimits
from gateway.outbox.sealing import KEY_BYTES, Seal
from gateway.outbox.statements import Work
from gateway.storage.dialects import SqlConnection
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.outbox.contract import NOW, PAIR, OutboxContract


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[SqlConnection]:
    opened = Database(tmp_path / "outbox.db").open().connection
    yield opened
    opened.close()


def transaction(connection: SqlConnection, work: Work) -> int:
    """Do the work of one transaction; return the number of pages that the file has then."""
    connection.execute("BEGIN")
    statements.write(connection, work, None)
    connection.execute("COMMIT")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return int(pages)


def test_pages_of_what_is_settled_serve_what_is_put_with_it(connection: SqlConnection) -> None:
    """Else a busy outbox would write twice as many: those it fills, and those it has emptied."""
    sequence, pages = count(1), []
    settled: dict[int, int] = {}
    for _ in range(4):
        packer = Packer(sequence)
        packer.add(PAIR, [b"x" * 3000] * 20, 60_160, NOW, NOW)
        [chunk] = packer.chunks
        pages.append(transaction(connection, Work(pairs={1: PAIR}, chunks=[(1, chunk)], settled=settled)))
        settled = {1: number_of(chunk.sequence, 19)}
    assert pages == pages[:1] * 4


def test_what_is_settled_in_the_transaction_in_which_it_is_put_is_gone(connection: SqlConnection) -> None:
    packer = Packer(count(1))
    packer.add(PAIR, [b"one", b"other"], 8, NOW, NOW)
    [chunk] = packer.chunks
    work = Work(pairs={1: PAIR}, chunks=[(1, chunk)], settled={1: number_of(chunk.sequence, 0)})
    transaction(connection, work)
    assert connection.execute("SELECT live FROM chunk").fetchall() == [(1,)]


class TestDurableOutbox(OutboxContract):
    seal: Seal | None = None

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "outbox.db"

    def open(self, limits: OutboxLimits) -> DurableOutbox:
        outbox = DurableOutbox(Database(self.path, self.seal), run=execute, clock=Clock(), limits=limits)
        outbox.start()
        return outbox


class TestSealedDurableOutbox(TestDurableOutbox):
    seal = Seal(b"k" * KEY_BYTES)


class TestDurableOutboxInItsThread(OutboxContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.state = tmp_path

    def open(self, limits: OutboxLimits) -> Any:
        async def scenario() -> Any:
            return open_outbox("sqlite:outbox.db", self.state, running_reactor(), limits=limits)

        return run_in_reactor(scenario)

    def ask(self, method: Callable[..., Deferred[Any]], *args: Any, **kwargs: Any) -> Any:
        async def scenario() -> Any:
            return await method(*args, **kwargs)

        return run_in_reactor(scenario)
