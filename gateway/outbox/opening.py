"""From `[outbox]` to an outbox: which kind, where, with which key, and in which thread it works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import execute

from gateway.outbox.database import Database
from gateway.outbox.databases import IOutboxDatabase
from gateway.outbox.durable import DurableOutbox, Tell
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.outbox.sealing import Seal, load_key
from gateway.storage.opening import HOW_TO_WRITE, Worker
from gateway.storage.urls import is_postgresql, shown
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import ConfigError

KEY = "outbox.url"


def open_outbox(
    url: str,
    state: Path,
    reactor: IReactor,
    *,
    limits: OutboxLimits = OutboxLimits(),
    key_file: Path | None = None,
    tell: Tell = lambda condition, detail: None,
    tell_damaged: Callable[[int], None] = lambda rows: None,
    in_thread: bool = True,
) -> DurableOutbox | MemoryOutbox:
    """Open the outbox that `url` names: `sqlite:FILE`, relative to the state folder, `memory:`, or `postgresql://...`.

    An unusable database is not an error here: it is a condition of the outbox, which is passed to `tell` and ends with
    its cause. ConfigError is for problems that only a new configuration solves, such as a bad key file. `in_thread`
    is false for those who want everything done in their own thread.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest:
        return MemoryOutbox(limits=limits)
    is_on_server = is_postgresql(url)
    if not is_on_server and (scheme != "sqlite" or not rest):
        raise ConfigError(KEY, f'"{shown(url)}" is not an outbox: {HOW_TO_WRITE}')
    seal = Seal(load_key(key_file)) if key_file is not None else None
    database = _on_server(url, seal) if is_on_server else Database(state / rest, seal)
    worker = Worker(reactor, "outbox") if in_thread else None
    outbox = DurableOutbox(
        database,
        run=worker.run if worker else execute,
        stop=worker.stop if worker else lambda: None,
        clock=reactor,
        limits=limits,
        tell=tell,
        tell_damaged=tell_damaged,
    )
    outbox.start()
    return outbox


def _on_server(url: str, seal: Seal | None) -> IOutboxDatabase:
    # Only who asks for a server needs psycopg.
    from gateway.storage.postgresql.driver import BadURL, database_of

    try:
        server = database_of(url)
    except BadURL as error:
        raise ConfigError(KEY, str(error)) from error
    from gateway.outbox.postgresql.database import ServerOutboxDatabase

    return ServerOutboxDatabase(server, seal)
