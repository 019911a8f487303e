"""From `[outbox]` to an outbox: which kind, where, with which key, and in which thread it works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import execute

from gateway.outbox.database import Database
from gateway.outbox.durable import DurableOutbox, Tell
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.outbox.sealing import Seal, load_key
from gateway.storage.opening import Worker
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
    """Open the outbox that `url` names: `sqlite:FILE`, relative to the state folder, or `memory:`.

    An unusable file is not an error here: it is a condition of the outbox, which is passed to `tell` and ends with its
    cause. ConfigError is for problems that only a new configuration solves, such as a bad key file. Without a reactor,
    everything is done in the caller's thread.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest:
        return MemoryOutbox(limits=limits)
    if scheme != "sqlite" or not rest:
        raise ConfigError(KEY, f'"{url}" is not an outbox: write "sqlite:FILE", with FILE relative to the state folder')
    seal = Seal(load_key(key_file)) if key_file is not None else None
    worker = Worker(reactor, "outbox") if in_thread else None
    outbox = DurableOutbox(
        Database(state / rest, seal),
        run=worker.run if worker else execute,
        stop=worker.stop if worker else lambda: None,
        clock=reactor,
        limits=limits,
        tell=tell,
        tell_damaged=tell_damaged,
    )
    outbox.start()
    return outbox
