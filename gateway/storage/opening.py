"""From `[storage] url` to a store: which kind, where, and in which thread it works."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from gateway.storage.files import UnusableFile, open_file
from gateway.storage.interfaces import IStore
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.storage.sqlite import SqliteStore
from gateway.storage.urls import is_postgresql, shown
from gateway.xmpp.errors import ConfigError

KEY = "storage.url"
HOW_TO_WRITE = 'write "sqlite:FILE", with FILE relative to the state folder, or "postgresql://USER@HOST/DATABASE"'


def make_token() -> str:
    """Return 64 random bits: enough that no two accounts of one address share roster versions."""
    return secrets.token_hex(8)


def open_store(
    url: str,
    state: Path,
    reactor: IReactorFromThreads | None = None,
    *,
    limits: StoreLimits = StoreLimits(),
    token: Callable[[], str] = make_token,
    lease_of: Callable[[str], tuple[int, int]] | None = None,
) -> IStore:
    """Open the store that `url` names: `sqlite:FILE`, relative to the state folder, `memory:`, or `postgresql://...`.

    Without a reactor everything is done in the caller's thread and every Deferred has fired; this is for commands.
    Raises ConfigError with the problem in plain words. It is not an error here when the server is away: the store
    connects when it is first used, and again whenever that is needed. `lease_of` returns the shard of an account and
    the epoch in which it may be written, if several gateways share a server; epoch 0: it may not.
    """
    if is_postgresql(url):
        return _open_on_server(url, reactor, limits, token, lease_of)
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest:
        return MemoryStore(token=token, limits=limits)
    if scheme != "sqlite" or not rest:
        raise ConfigError(KEY, f'"{shown(url)}" is not a store: {HOW_TO_WRITE}')
    try:
        connection = open_file(state / rest)
    except UnusableFile as error:
        raise ConfigError(KEY, str(error)) from error
    if reactor is None:
        return SqliteStore(connection, run=execute, token=token, limits=limits)
    worker = Worker(reactor)
    return SqliteStore(connection, run=worker.run, stop=worker.stop, token=token, limits=limits)


def _open_on_server(
    url: str,
    reactor: IReactorFromThreads | None,
    limits: StoreLimits,
    token: Callable[[], str],
    lease_of: Callable[[str], tuple[int, int]] | None,
) -> IStore:
    # Imported here: only a server needs psycopg.
    from gateway.storage.postgresql.driver import BadURL, database_of

    try:
        server = database_of(url)
    except BadURL as error:
        raise ConfigError(KEY, str(error)) from error
    from gateway.storage.postgresql.epochs import Lease
    from gateway.storage.postgresql.store import SESSIONS, PostgresqlStore

    def lease(account: str) -> Lease | None:
        return Lease(*lease_of(account)) if lease_of is not None else None

    if reactor is None:
        return PostgresqlStore(server, runners=[(execute, lambda: None)], token=token, limits=limits, patience=0)
    workers = [Worker(reactor, f"storage-{number}") for number in range(SESSIONS)]
    runners = [(worker.run, worker.stop) for worker in workers]
    return PostgresqlStore(server, runners=runners, token=token, limits=limits, lease_of=lease)


def problem_with_server(url: str) -> tuple[str, str]:
    """Return where a database is, and why its server does not let us in; `url` is one that `load` has accepted."""
    # Imported here: only a server needs psycopg.
    from gateway.storage.postgresql.driver import database_of
    from gateway.storage.postgresql.troubles import describe

    database = database_of(url)
    problem = database.try_out()
    return database.place, "" if problem is None else describe(problem)


class Worker:
    """One thread that runs functions one after the other, while the reactor continues."""

    def __init__(self, reactor: IReactorFromThreads, name: str = "storage") -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=1, name=name)
        self._pool.threadFactory = _BackgroundThread
        self._pool.start()

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Run a function in the thread; the Deferred fires in the reactor's."""
        return deferToThreadPool(self._reactor, self._pool, function)

    def stop(self) -> None:
        """End the thread, which has no work left."""
        self._pool.stop()


class _BackgroundThread(threading.Thread):
    """A thread that does not keep a process alive that ends without closing the store."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, daemon=True)
