"""A server that is restarted, away, full of others, or not ours: what callers and operators see."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from twisted.internet.defer import Deferred, execute, gatherResults

from gateway.storage.errors import StaleEpoch, StoreUnavailable
from gateway.storage.opening import open_store
from gateway.storage.postgresql.driver import database_of
from gateway.storage.postgresql.epochs import Lease
from gateway.storage.postgresql.session import DatabaseSession, fault_of
from gateway.storage.postgresql.store import PostgresqlStore
from gateway.storage.records import StoreLimits
from tests.support.cutting import Cutting
from tests.support.postgresql import PASSWORD, SECRETIVE, Postgresql
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.storage.contract import JULIET, NURSE, UNLIMITED, now

SCHEMA = "outages"


@pytest.fixture
def url(postgresql: Postgresql) -> str:
    return postgresql.emptied(SCHEMA)


@pytest.fixture
def opened() -> Iterator[Callable[..., PostgresqlStore]]:
    """Opens stores of one session, in the caller's thread."""
    stores: list[PostgresqlStore] = []

    def open_(url: str, **more: Any) -> PostgresqlStore:
        runners = [(execute, lambda: None)]
        store = PostgresqlStore(database_of(url), runners=runners, token=lambda: "epoch", limits=UNLIMITED, **more)
        stores.append(store)
        return store

    yield open_
    for store in stores:
        store.close()


def waiting_for(store: Any, account: str = JULIET) -> list[bytes]:
    return [message.stanza for message in now(store.offline(account, limit=10_000))]


def fault(store: PostgresqlStore) -> str:
    now(store.look())
    return store.fault.word if store.fault is not None else ""


Opened = Callable[..., PostgresqlStore]


def test_session_that_an_administrator_ended_is_not_noticed(postgresql: Postgresql, url: str, opened: Opened) -> None:
    store = opened(url)
    now(store.add_account(JULIET, []))
    assert postgresql.end_sessions() >= 1
    now(store.add_offline(JULIET, b"one"))
    assert waiting_for(store) == [b"one"]
    assert fault(store) == ""


def test_restart_of_the_server_loses_nothing_and_repeats_nothing(postgresql: Postgresql, url: str) -> None:
    """Some transactions are under way when the server goes down: each is done again, or is known to have been done."""
    sent = [b"%d" % number for number in range(600)]
    half = threading.Event()

    async def scenario() -> list[bytes]:
        store = open_store(url, None, running_reactor(), limits=UNLIMITED)  # type: ignore[arg-type]
        await store.add_account(JULIET, [])
        for start in range(0, len(sent), 30):
            if start == 300:
                half.set()
            await gatherResults([store.add_offline(JULIET, each) for each in sent[start : start + 30]])
        found = await store.offline(JULIET, limit=10_000)
        await store.close()
        return [each.stanza for each in found]

    found: list[list[bytes]] = []
    working = threading.Thread(target=lambda: found.append(run_in_reactor(scenario)))
    working.start()
    assert half.wait(60)
    postgresql.restart()
    working.join()
    assert found == [sent]


@pytest.mark.parametrize("after", [True, False], ids=["done", "undone"])
def test_commit_whose_answer_is_lost_is_done_once(
    postgresql: Postgresql, url: str, opened: Opened, after: bool
) -> None:
    with Cutting(postgresql, SCHEMA) as proxy:
        store = opened(proxy.url)
        now(store.add_account(JULIET, []))
        proxy.cut_next(after=after)
        now(store.add_offline(JULIET, b"once"))
        assert proxy.cuts == 1
        assert waiting_for(store) == [b"once"]


@pytest.mark.parametrize("after", [True, False], ids=["done", "undone"])
def test_commit_that_the_server_still_has_before_it_is_waited_for(
    postgresql: Postgresql, url: str, opened: Opened, after: bool
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            proxy.let_go(after=after)
        time.sleep(seconds)

    with Cutting(postgresql, SCHEMA) as proxy:
        store = opened(proxy.url, sleep=wait)
        now(store.add_account(JULIET, []))
        proxy.hold_next()
        now(store.add_offline(JULIET, b"once"))
        assert len(waits) >= 2
        assert proxy.cuts == 1
        assert waiting_for(store) == [b"once"]


def test_commit_that_stays_in_doubt_is_not_repeated(postgresql: Postgresql, url: str, opened: Opened) -> None:
    with Cutting(postgresql, SCHEMA) as proxy:
        store = opened(proxy.url, patience=0.2)
        now(store.add_account(JULIET, []))
        proxy.hold_next()
        with pytest.raises(StoreUnavailable, match="closed"):
            now(store.add_offline(JULIET, b"once"))
        assert proxy.cuts == 1
        assert waiting_for(store) == []
        proxy.let_go(after=True)
        until = time.monotonic() + 30
        while not waiting_for(store) and time.monotonic() < until:
            time.sleep(0.01)
        assert waiting_for(store) == [b"once"]


def test_transaction_that_the_server_has_undone_is_an_error_that_keeps_the_connection(
    postgresql: Postgresql, url: str
) -> None:
    session = DatabaseSession(database_of(url), lambda connection: None)
    try:
        session.begin(writes=True)
        ((mine,),) = session.execute("SELECT pg_backend_pid()")
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.execute("SELECT 1 / 0")
        with pytest.raises(psycopg.Error, match="undone the transaction") as caught:
            session.commit()
        trouble = fault_of(caught.value)
        assert trouble is not None
        assert trouble.word == "broken"
        assert session.retry(caught.value) is caught.value
        session.roll_back()
        assert [*session.execute("SELECT pg_backend_pid()")] == [(mine,)]
    finally:
        session.close()


def test_transaction_of_which_a_crash_left_no_trace_was_undone(postgresql: Postgresql, url: str) -> None:
    """The server gives the numbers that it lost once more, so this one is in its future."""
    session = DatabaseSession(database_of(url), lambda connection: None)
    try:
        ((number,),) = session.execute("SELECT (pg_current_xact_id()::text::bigint + 1000000)::text")
        assert session._was_committed(number) is False
        assert session._is_in_doubt is False
    finally:
        session.close()


def test_server_that_stays_away_is_told_and_comes_back_by_itself(
    postgresql: Postgresql, url: str, opened: Opened
) -> None:
    store = opened(url, patience=0.2)
    now(store.add_account(JULIET, []))
    postgresql.stop()
    try:
        with pytest.raises(StoreUnavailable, match="the database failed"):
            now(store.add_offline(JULIET, b"lost"))
        assert fault(store) == "away"
        assert store.fault is not None
        assert "nobody can log in" in store.fault.sentence
        begun = time.monotonic()
        failures: list[Any] = []
        for _ in range(20):
            store.has_account(JULIET).addErrback(failures.append)
        assert len(failures) == 20
        assert time.monotonic() - begun < 5  # it was away for long: nobody waits any longer
    finally:
        postgresql.start()
    assert fault(store) == ""
    assert waiting_for(store) == []


def test_password_is_in_no_message(postgresql: Postgresql, opened: Opened) -> None:
    wrong = PASSWORD[::-1]
    store = opened(postgresql.url_of(SCHEMA, user=SECRETIVE, password=wrong), patience=0)
    with pytest.raises(StoreUnavailable, match="password authentication failed") as caught:
        now(store.has_account(JULIET))
    assert fault(store) == "refused"
    assert wrong not in f"{caught.value} {caught.value!r} {store.fault} {store._sessions[0].session.database}"


def test_right_password_is_accepted(postgresql: Postgresql, opened: Opened) -> None:
    url = postgresql.url()
    schema = url.rpartition("%3D")[2]
    with postgresql.admin() as admin:
        admin.execute(f"GRANT ALL ON SCHEMA {schema} TO {SECRETIVE}")
    store = opened(postgresql.url_of(schema, user=SECRETIVE, password=PASSWORD))
    now(store.add_account(JULIET, []))
    assert now(store.accounts()) == (JULIET,)


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("CREATE TABLE {schema}.accounts (id integer)", "foreign"),
        (
            "CREATE TABLE {schema}.xmpp_gateway_schema (part text PRIMARY KEY, version integer);"
            "INSERT INTO {schema}.xmpp_gateway_schema VALUES ('accounts', 99)",
            "newer-schema",
        ),
        ("REVOKE ALL ON SCHEMA {schema} FROM public", "not-permitted"),
    ],
    ids=["foreign", "newer", "forbidden"],
)
def test_database_that_is_not_ours_is_left_alone(
    postgresql: Postgresql, opened: Opened, statement: str, word: str
) -> None:
    url = postgresql.url()
    schema = url.rpartition("%3D")[2]
    with postgresql.admin() as admin:
        admin.execute(statement.format(schema=schema))
    user = {"user": SECRETIVE, "password": PASSWORD} if word == "not-permitted" else {}
    store = opened(postgresql.url_of(schema, **user), patience=0)
    with pytest.raises(StoreUnavailable):
        now(store.add_account(JULIET, []))
    assert fault(store) == word
    assert store.fault is not None
    assert store.fault.remedy


def test_server_that_only_reads_is_told(postgresql: Postgresql, url: str, opened: Opened) -> None:
    store = opened(url)
    now(store.add_account(JULIET, []))
    with postgresql.admin() as admin:
        admin.execute("ALTER DATABASE gateway SET default_transaction_read_only = on")
    try:
        postgresql.end_sessions()
        assert fault(store) == "read-only"
        assert now(store.accounts()) == (JULIET,)
    finally:
        with postgresql.admin() as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute("ALTER DATABASE gateway RESET default_transaction_read_only")
    postgresql.end_sessions()
    assert fault(store) == ""


def test_two_processes_that_wait_for_each_other_both_get_on(postgresql: Postgresql, url: str, opened: Opened) -> None:
    """The server ends one of the two transactions; ours is begun again."""
    for account in (JULIET, NURSE):
        now(opened(url).add_account(account, []))
    outcome: list[Any] = []

    def write() -> None:
        """Lock Juliet's row, then the nurse's, in one transaction."""
        gathered: list[tuple[Callable[[], Any], Deferred[Any]]] = []

        def later(function: Callable[[], Any]) -> Deferred[Any]:
            gathered.append((function, Deferred()))
            return gathered[-1][1]

        runners = [(later, lambda: None)]
        store = PostgresqlStore(database_of(url), runners=runners, token=lambda: "epoch", limits=UNLIMITED)
        results = gatherResults([store.add_offline(each, b"x") for each in (JULIET, JULIET, NURSE)])
        results.addBoth(outcome.append)
        while gathered:
            function, done = gathered.pop(0)
            execute(function).addBoth(done.callback)

    with postgresql.admin(url) as other, postgresql.admin() as admin:
        other.execute("SET deadlock_timeout = '60s'")
        other.execute("BEGIN")
        other.execute("SELECT 1 FROM accounts WHERE address = %s FOR UPDATE", (NURSE,))
        writing = threading.Thread(target=write)
        writing.start()
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        deadline = time.monotonic() + 60
        while admin.execute(blocked).fetchone() == (0,) and time.monotonic() < deadline:
            time.sleep(0.01)
        other.execute("SELECT 1 FROM accounts WHERE address = %s FOR UPDATE", (JULIET,))
        other.execute("COMMIT")
        writing.join(60)
    assert isinstance(outcome[0], list), outcome
    assert waiting_for(opened(url)) == [b"x", b"x"]


# -- epochs -----------------------------------------------------------------------------------------------------------


def test_write_of_a_former_owner_is_refused(url: str, opened: Opened) -> None:
    former = opened(url, lease_of=lambda account: Lease(7, 1))
    later = opened(url, lease_of=lambda account: Lease(7, 2))
    now(former.add_account(JULIET, []))
    now(former.add_offline(JULIET, b"before"))
    now(later.add_offline(JULIET, b"after"))
    with pytest.raises(StaleEpoch, match="newer owner than that of epoch 1"):
        now(former.add_offline(JULIET, b"too late"))
    with pytest.raises(StaleEpoch):
        now(former.delete_account(JULIET))
    now(later.add_offline(JULIET, b"and again"))
    assert waiting_for(later) == [b"before", b"after", b"and again"]


def test_former_owner_is_refused_from_the_moment_when_a_later_one_has_claimed(url: str, opened: Opened) -> None:
    former = opened(url, lease_of=lambda account: Lease(7, 1))
    now(former.add_account(JULIET, []))
    later = opened(url, lease_of=lambda account: Lease(7, 2))
    now(later.claim([(8, 2), (7, 2)]))
    with pytest.raises(StaleEpoch):
        now(former.add_offline(JULIET, b"too late"))
    with pytest.raises(StaleEpoch):
        now(former.claim([(7, 1)]))


def test_who_owns_nothing_at_the_moment_writes_nothing(url: str, opened: Opened) -> None:
    now(opened(url).add_account(JULIET, []))
    store = opened(url, lease_of=lambda account: Lease(7, 0))
    with pytest.raises(StaleEpoch, match="does not own the accounts of shard 7"):
        now(store.add_offline(JULIET, b"x"))
    assert waiting_for(store) == []


def test_other_shards_are_not_concerned(url: str, opened: Opened) -> None:
    shards = {JULIET: Lease(7, 1), NURSE: Lease(8, 1)}
    former = opened(url, lease_of=shards.get)
    now(former.add_account(JULIET, []))
    now(former.add_account(NURSE, []))
    now(opened(url, lease_of=lambda account: Lease(7, 2)).add_offline(JULIET, b"x"))
    now(former.add_offline(NURSE, b"still mine"))
    assert waiting_for(former, NURSE) == [b"still mine"]


def test_refused_write_does_not_undo_those_beside_it(postgresql: Postgresql, url: str, opened: Opened) -> None:
    """They share a transaction; only the refused one is undone."""
    with psycopg.connect(url, autocommit=True) as admin:
        now(opened(url).add_account(JULIET, []))
        admin.execute("INSERT INTO account_epochs VALUES (7, 5)")
    leases = iter([None, Lease(7, 4), None])
    store = opened(url, lease_of=lambda account: next(leases))
    now(store.add_offline(JULIET, b"one"))
    with pytest.raises(StaleEpoch):
        now(store.add_offline(JULIET, b"two"))
    now(store.add_offline(JULIET, b"three"))
    assert waiting_for(store) == [b"one", b"three"]


def test_limits_hold_when_two_processes_write(url: str) -> None:
    """Both count before either has written: without a lock on the account, both would find room."""
    limits = StoreLimits(offline_messages=10)
    outcomes: list[Any] = []

    async def scenario() -> None:
        stores = [open_store(url, None, running_reactor(), limits=limits) for _ in range(2)]  # type: ignore[arg-type]
        await stores[0].add_account(JULIET, [])
        for _ in range(10):
            pending = [store.add_offline(JULIET, b"x").addBoth(outcomes.append) for store in stores]
            await gatherResults(pending)
        for store in stores:
            await store.close()

    run_in_reactor(scenario)
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 10
