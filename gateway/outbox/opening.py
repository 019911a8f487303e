"""From `[outbox]` to an outbox: which kind, where, with which key, and in which thread it works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, execute

from gateway.outbox.conditions import Condition
from gateway.outbox.database import Database
from gateway.outbox.databases import IOutboxDatabase
from gateway.outbox.durable import DurableOutbox, Tell
from gateway.outbox.errors import OutboxUnavailable
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
    tell_opened: Callable[[], None] = lambda: None,
    in_thread: bool = True,
    schema: str | None = None,
) -> DurableOutbox | MemoryOutbox:
    """Open the outbox that `url` names: `sqlite:FILE`, relative to the state folder, `memory:`, or `postgresql://...`.

    An unusable database is not an error here: it is a condition of the outbox, which is passed to `tell` and ends with
    its cause. `tell_opened` is called whenever it has been opened, the first time possibly before this returns.
    ConfigError is for problems that only a new configuration solves, such as a bad key file. `in_thread` is false for
    those who want everything done in their own thread. On a server, `schema` is where the tables are, if not where the
    URL says.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest:
        return MemoryOutbox(limits=limits)
    is_on_server = is_postgresql(url)
    if not is_on_server and (scheme != "sqlite" or not rest):
        raise ConfigError(KEY, f'"{shown(url)}" is not an outbox: {HOW_TO_WRITE}')
    seal = _seal(key_file)
    database = _on_server(url, seal, schema) if is_on_server else Database(state / rest, seal)
    worker = Worker(reactor, "outbox") if in_thread else None
    outbox = DurableOutbox(
        database,
        run=worker.run if worker else execute,
        stop=worker.stop if worker else lambda: None,
        soon=(lambda job: reactor.callLater(0, job)) if worker else (lambda job: job()),
        clock=reactor,
        limits=limits,
        tell=tell,
        tell_damaged=tell_damaged,
        tell_opened=tell_opened,
    )
    outbox.start()
    return outbox


def open_left(
    url: str, reactor: IReactor, schema: str, *, key_file: Path | None = None, takes_over: bool, tell: Tell
) -> DurableOutbox:
    """Open the outbox in a schema, which another gateway has left, without waiting for that.

    `tell` is called when it is ready, or why it is not. `takes_over`: end the session of the gateway that has it open.
    """
    return _open_left(_on_server(url, _seal(key_file), schema, takes_over=takes_over), schema, reactor, tell)


def open_left_file(path: Path, reactor: IReactor, *, key_file: Path | None = None, tell: Tell) -> DurableOutbox:
    """Open the outbox in a file, which another gateway has left, as `open_left` does."""
    return _open_left(Database(path, _seal(key_file)), str(path), reactor, tell)


class WhenOpened:
    """Waits until an outbox is open, or cannot be opened; `tell` is the one to give to the outbox."""

    def __init__(self) -> None:
        self._opened: Deferred[None] = Deferred()

    def waited(self) -> Deferred[None]:
        """Fire when the outbox is ready; fail with OutboxUnavailable if it is not."""
        return self._opened

    def tell(self, condition: Condition, detail: str) -> None:
        """Note the first condition of the outbox."""
        if self._opened.called:
            return
        if condition.is_ready:
            self._opened.callback(None)
        else:
            self._opened.errback(OutboxUnavailable(condition, detail))


def nodes_with_outbox(url: str, cluster: str) -> list[str] | None:
    """Return the nodes of a cluster that have ever had an outbox in the database; None while it cannot be asked."""
    # Imported here: only a server needs psycopg.
    from psycopg import Error

    from gateway.outbox.postgresql import nodes
    from gateway.storage.postgresql.driver import database_of

    try:
        return nodes.nodes_with_outbox(database_of(url), cluster)
    except Error:
        return None  # the outbox of this node tells why


def schema_of(url: str, cluster: str, node: str) -> str | None:
    """Return where the outbox of a node is in the database; None if it has its own file."""
    if not is_postgresql(url):
        return None
    # Imported here: only a server needs psycopg.
    from gateway.outbox.postgresql import nodes

    return nodes.schema_of(cluster, node)


def _on_server(url: str, seal: Seal | None, schema: str | None, *, takes_over: bool = False) -> IOutboxDatabase:
    # Imported here: only a server needs psycopg.
    from gateway.storage.postgresql.driver import BadURL, database_of

    try:
        server = database_of(url)
    except BadURL as error:
        raise ConfigError(KEY, str(error)) from error
    from gateway.outbox.postgresql.database import ServerOutboxDatabase

    return ServerOutboxDatabase(server, seal, schema=schema, takes_over=takes_over)


def _open_left(database: IOutboxDatabase, where: str, reactor: IReactor, tell: Tell) -> DurableOutbox:
    worker = Worker(reactor, f"outbox of {where}")
    outbox = DurableOutbox(database, run=worker.run, stop=worker.stop, clock=reactor, limits=OutboxLimits(), tell=tell)
    outbox.start_later()
    return outbox


def _seal(key_file: Path | None) -> Seal | None:
    return Seal(load_key(key_file)) if key_file is not None else None
