"""The outbox in a file: in the caller's thread, in its own thread beside the reactor, and with a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from gateway.outbox import durable, statements
from gateway.outbox.chunks import Packer, number_of
from gateway.outbox.database import Database
from gateway.outbox.durable import DurableOutbox
from gateway.outbox.errors import OutboxError
from gateway.outbox.opening import open_outbox
from gateway.outbox.records import OutboxLimits
from gateway.outbox.sealing import KEY_BYTES, Seal
from gateway.outbox.statements import Work
from gateway.storage.dialects import SqlConnection
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.outbox.contract import NOW, PAIR, OutboxContract, now


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


class TestTurns:
    """What is asked for in one turn of the reactor shares a transaction."""

    @pytest.fixture(autouse=True)
    def outbox(self, tmp_path: Path) -> Iterator[None]:
        self.jobs: list[Callable[[], None]] = []  # for the end of the turn
        self.events: list[str] = []
        self.database = Database(tmp_path / "outbox.db")
        self.one = DurableOutbox(
            self.database, run=self._run, clock=Clock(), limits=OutboxLimits(), soon=self.jobs.append
        )
        self.one.start()
        self.events.clear()
        yield
        self.one.close()

    def _run(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        self.events.append("transaction")
        return execute(work, *args)

    def put(self, *stanzas: bytes, fails: bool = False) -> None:
        self.one.put_for(Noting(self.events, fails), PAIR, stanzas, accepted=NOW, expires=NOW + 1)

    def end_turn(self) -> None:
        jobs, self.jobs[:] = [*self.jobs], []
        for job in jobs:
            job()

    def test_puts_and_settlements_of_a_turn_share_a_transaction(self) -> None:
        self.put(b"1")
        self.put(b"2")
        self.one.settle_for(Noting(self.events), PAIR, 0, 7)
        assert self.events == []
        self.end_turn()
        assert self.events == ["transaction", "kept", "kept", "recorded 7"]

    def test_what_is_read_or_written_otherwise_comes_behind_what_was_put_before(self) -> None:
        self.put(b"1")
        assert [each.raw for each in now(self.one.page(PAIR))] == [b"1"]
        self.put(b"2")
        now(self.one.hold(PAIR.target))
        self.put(b"3")
        self.end_turn()
        assert [each.raw for each in now(self.one.page(PAIR))] == [b"1", b"2", b"3"]

    def test_what_was_put_in_the_turn_of_the_end_is_kept(self) -> None:
        self.put(b"1")
        now(self.one.close())
        assert self.events[:2] == ["transaction", "kept"]
        self.end_turn()
        again = DurableOutbox(self.database, run=execute, clock=Clock(), limits=OutboxLimits())
        again.start()
        assert [each.raw for each in now(again.page(PAIR))] == [b"1"]
        now(again.close())

    def test_much_is_dropped_in_slices_and_what_is_put_meanwhile_need_not_wait_for_all(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(durable, "DROPPED_ROWS", 2)
        for number in range(5):
            self.put(b"%d" % number)
            self.end_turn()
        self.events.clear()
        assert now(self.one.drop(PAIR.target)) == 5
        assert self.events == ["transaction"] * 3
        assert (self.one.stanzas, now(self.one.page(PAIR))) == (0, ())

    def test_one_that_fails_to_take_its_outcome_does_not_keep_it_from_the_next(self) -> None:
        self.put(b"1", fails=True)
        self.put(b"2")
        with capturedLogs() as logged:
            self.end_turn()
        assert self.events == ["transaction", "kept", "kept"]
        assert [each["log_failure"].type for each in logged] == [ZeroDivisionError]


class Noting:
    """A Putter and a Settler that note what they are called with."""

    def __init__(self, events: list[str], fails: bool = False) -> None:
        self._events = events
        self._fails = fails

    def _note(self, event: str) -> None:
        self._events.append(event)
        if self._fails:
            raise ZeroDivisionError

    def kept(self, numbers: Sequence[int]) -> None:
        self._note("kept")

    def not_kept(self, error: OutboxError) -> None:
        self._note("not kept")

    def recorded(self, upto: int, mark: int) -> None:
        self._note(f"recorded {mark}")

    def not_recorded(self, error: OutboxError, mark: int) -> None:
        self._note(f"not recorded {mark}")


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
