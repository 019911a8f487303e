"""Group commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from sqlite3 import Connection
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.python.failure import Failure

from gateway.storage import commits
from gateway.storage.commits import CommitQueue
from gateway.storage.errors import StoreFull, StoreUnavailable


class Elsewhere:
    """A runner whose thread a test stands in for."""

    def __init__(self) -> None:
        self.handed_over: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def __call__(self, function: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.handed_over.append((function, done))
        return done

    def work(self) -> None:
        """Do what was handed over first, and bring its result back."""
        function, done = self.handed_over.pop(0)
        execute(function).addBoth(done.callback)


@pytest.fixture
def statements() -> list[str]:
    return []


@pytest.fixture
def connection(statements: list[str]) -> Iterator[Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE numbers (number INTEGER UNIQUE NOT NULL)")
    connection.set_trace_callback(statements.append)
    yield connection
    connection.close()


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def queue(connection: Connection, elsewhere: Elsewhere) -> CommitQueue:
    return CommitQueue(connection, elsewhere)


def insert(db: Connection, number: int | None) -> int | None:
    db.execute("INSERT INTO numbers VALUES (?)", (number,))
    return number


def insert_then_refuse(db: Connection, number: int) -> None:
    insert(db, number)
    raise StoreFull("numbers", 0)


def numbers(db: Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT number FROM numbers ORDER BY number")]


def outcomes(*deferreds: Deferred[Any]) -> list[Any]:
    """The results so far: "waiting" where there is none, the type where it is an exception."""
    found: list[Any] = []
    for deferred in deferreds:
        result = getattr(deferred, "result", "waiting")
        found.append(result.type if isinstance(result, Failure) else result)
        if isinstance(result, Failure):
            deferred.addErrback(lambda _: None)
    return found


def test_nothing_is_acknowledged_before_the_commit(
    queue: CommitQueue, elsewhere: Elsewhere, statements: list[str]
) -> None:
    heard: list[str] = []
    queue.write(insert, 1).addCallback(lambda _: heard.extend(statements))
    assert heard == []
    elsewhere.work()
    assert heard[0] == "BEGIN IMMEDIATE"
    assert heard[-1] == "COMMIT"


def test_what_gathers_during_one_transaction_is_the_next(
    queue: CommitQueue, elsewhere: Elsewhere, statements: list[str]
) -> None:
    first = queue.write(insert, 1)
    others = [queue.write(insert, number) for number in (2, 3, 4)]
    assert len(elsewhere.handed_over) == 1
    elsewhere.work()
    assert outcomes(first, *others) == [1, "waiting", "waiting", "waiting"]
    elsewhere.work()
    assert outcomes(*others) == [2, 3, 4]
    assert statements.count("COMMIT") == 2


def test_a_transaction_has_a_bounded_number_of_jobs(
    queue: CommitQueue, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "JOBS_PER_TRANSACTION", 2)
    deferreds = [queue.write(insert, number) for number in range(4)]
    elsewhere.work()
    elsewhere.work()
    assert outcomes(*deferreds) == [0, 1, 2, "waiting"]
    elsewhere.work()
    assert outcomes(*deferreds) == [0, 1, 2, 3]


def test_more_than_may_wait_is_refused(
    queue: CommitQueue, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "JOBS_WAITING", 1)
    deferreds = [queue.write(insert, number) for number in range(3)]  # one runs, one waits
    assert outcomes(*deferreds) == ["waiting", "waiting", StoreUnavailable]
    elsewhere.work()
    elsewhere.work()
    assert outcomes(*deferreds[:2]) == [0, 1]


@pytest.mark.parametrize(
    ("refused", "exception"), [((insert_then_refuse, 2), StoreFull), ((insert, None), sqlite3.IntegrityError)]
)
def test_job_that_raises_is_undone_alone(
    queue: CommitQueue,
    elsewhere: Elsewhere,
    connection: Connection,
    refused: tuple[Callable[..., Any], Any],
    exception: type[Exception],
) -> None:
    queue.read(numbers)
    deferreds = [queue.write(insert, 1), queue.write(*refused), queue.write(insert, 3)]
    elsewhere.work()
    elsewhere.work()
    assert outcomes(*deferreds) == [1, exception, 3]
    assert numbers(connection) == [1, 3]


def fail_as_a_full_disk(db: Connection) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_database_that_fails_undoes_the_whole_transaction_and_works_on(
    queue: CommitQueue, elsewhere: Elsewhere, connection: Connection
) -> None:
    queue.read(numbers)
    deferreds = [queue.write(insert, 1), queue.write(fail_as_a_full_disk), queue.read(numbers)]
    elsewhere.work()
    elsewhere.work()
    assert outcomes(*deferreds) == [StoreUnavailable] * 3
    assert numbers(connection) == []
    later = queue.write(insert, 4)
    elsewhere.work()
    assert outcomes(later) == [4]


def test_full_disk_is_told_in_words(queue: CommitQueue, elsewhere: Elsewhere, connection: Connection) -> None:
    connection.execute("CREATE TABLE blobs (blob BLOB)")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    messages: list[str] = []
    deferred = queue.write(lambda db: db.execute("INSERT INTO blobs VALUES (zeroblob(100000))"))
    deferred.addErrback(lambda failure: messages.append(failure.getErrorMessage()))
    elsewhere.work()
    assert messages == ["the database failed: database or disk is full"]


def test_reads_see_the_writes_before_them(queue: CommitQueue, elsewhere: Elsewhere) -> None:
    queue.write(insert, 1)
    before = queue.read(numbers)
    queue.write(insert, 2)
    after = queue.read(numbers)
    elsewhere.work()
    elsewhere.work()
    assert outcomes(before, after) == [[1], [1, 2]]


def test_reads_alone_do_not_take_the_right_to_write(
    queue: CommitQueue, elsewhere: Elsewhere, statements: list[str]
) -> None:
    queue.read(numbers)
    elsewhere.work()
    assert statements[0] == "BEGIN"


def test_what_is_asked_for_in_answer_is_in_one_transaction(queue: CommitQueue, elsewhere: Elsewhere) -> None:
    queue.write(insert, 0)
    for number in (1, 2):
        queue.write(insert, number).addCallback(lambda done: queue.write(insert, done + 10))
    elsewhere.work()
    elsewhere.work()
    assert len(elsewhere.handed_over) == 1
    last = queue.read(numbers)
    elsewhere.work()
    elsewhere.work()
    assert outcomes(last) == [[0, 1, 2, 11, 12]]


def test_closing_does_what_waits_and_takes_no_more(queue: CommitQueue, elsewhere: Elsewhere) -> None:
    deferreds = [queue.write(insert, 1), queue.write(insert, 2)]
    closed = queue.close()
    assert outcomes(queue.read(numbers)) == [StoreUnavailable]
    elsewhere.work()
    elsewhere.work()
    assert outcomes(*deferreds, closed) == [1, 2, "waiting"]
    elsewhere.work()
    assert outcomes(closed, queue.close()) == [None, None]


def test_cancelled_job_disturbs_nobody(queue: CommitQueue, elsewhere: Elsewhere) -> None:
    cancelled, other = queue.write(insert, 1), queue.write(insert, 2)
    cancelled.addErrback(lambda _: "cancelled")
    cancelled.cancel()
    elsewhere.work()
    elsewhere.work()
    assert outcomes(cancelled, other) == ["cancelled", 2]


def test_maintenance_runs_in_its_turn_outside_of_a_transaction(
    queue: CommitQueue, elsewhere: Elsewhere, statements: list[str]
) -> None:
    queue.write(insert, 1)
    before = queue.write(insert, 2)
    maintained = queue.maintain(lambda db: db.in_transaction)
    after = queue.write(insert, 3)
    elsewhere.work()
    elsewhere.work()
    assert outcomes(before, maintained) == [2, "waiting"]
    elsewhere.work()
    assert outcomes(maintained, after) == [False, "waiting"]
    elsewhere.work()
    assert outcomes(after) == [3]


def test_maintenance_that_fails_is_told_to_whoever_asked_for_it(queue: CommitQueue, elsewhere: Elsewhere) -> None:
    maintained = queue.maintain(fail_as_a_full_disk)
    elsewhere.work()
    assert outcomes(maintained) == [StoreUnavailable]


def test_what_is_added_at_the_start_of_a_transaction_is_in_it(connection: Connection, elsewhere: Elsewhere) -> None:
    gathered: list[int] = []
    sealed: list[int] = []
    queue = CommitQueue(connection, elsewhere, starting=lambda: sealed.extend(gathered))
    queue.write(lambda db: [insert(db, number) for number in sealed])
    gathered.append(1)  # the transaction has been handed over already
    elsewhere.work()
    queue.write(lambda db: [insert(db, number) for number in sealed])
    elsewhere.work()
    assert numbers(connection) == [1]


def test_connection_that_must_not_be_used_again_is_closed_and_all_that_waits_fails(
    connection: Connection, elsewhere: Elsewhere
) -> None:
    asked: list[str] = []

    def goes_on(error: StoreUnavailable) -> bool:
        asked.append(str(error))
        return False

    queue = CommitQueue(connection, elsewhere, goes_on=goes_on)
    deferreds = [queue.write(fail_as_a_full_disk), queue.write(insert, 1), queue.read(numbers)]
    elsewhere.work()
    assert asked == ["the database failed: database or disk is full"]
    assert outcomes(*deferreds) == [StoreUnavailable] * 3
    assert outcomes(queue.write(insert, 2)) == [StoreUnavailable]
    elsewhere.work()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        numbers(connection)


def test_a_job_alone_in_its_transaction_needs_no_savepoint_and_is_undone(
    queue: CommitQueue, elsewhere: Elsewhere, connection: Connection, statements: list[str]
) -> None:
    done = [queue.write(insert, 1)]
    elsewhere.work()
    done.append(queue.write(insert_then_refuse, 2))
    elsewhere.work()
    done.append(queue.write(insert, 1))
    elsewhere.work()
    done.append(queue.write(insert, 3))
    elsewhere.work()
    assert outcomes(*done) == [1, StoreFull, sqlite3.IntegrityError, 3]
    assert [statement for statement in statements if "job" in statement] == []
    assert numbers(connection) == [1, 3]
