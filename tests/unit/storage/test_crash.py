"""What was acknowledged is there after SIGKILL, and another process can work on the store meanwhile."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gateway.storage.files import open_file
from gateway.storage.opening import open_store
from tests.support import forks
from tests.unit.storage.contract import JULIET, NURSE, SHA_256, UNLIMITED, now

ROOT = Path(__file__).parents[3]


@contextmanager
def writer(folder: Path) -> Iterator[tuple[Any, IO[str]]]:
    """A process that writes until it is killed, which it is at the end at the latest; and what it prints."""
    command = [sys.executable, "-m", "tests.unit.storage.writer", str(folder)]
    process, printed = forks.start(command, folder=ROOT)
    with printed:
        try:
            yield process, printed
        finally:
            process.kill()
            process.wait(30)


def read_acknowledged(process: Any, printed: IO[str], least: int) -> list[int]:
    """Kill the process as soon as this many writes were acknowledged; every number that it had printed."""
    lines = [printed.readline() for _ in range(least)]
    process.kill()
    lines += printed.readlines()
    return [int(line) for line in lines if line.endswith("\n")]


def test_everything_acknowledged_is_there_after_sigkill(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    for _ in range(6):
        with writer(tmp_path) as (process, printed):
            acknowledged += read_acknowledged(process, printed, random.randint(1, 400))
        assert process.returncode == -9
        connection = open_file(tmp_path / "gateway.db")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        store = open_store("sqlite:gateway.db", tmp_path, limits=UNLIMITED)
        stored = [int(message.stanza) for message in now(store.offline(JULIET, limit=10_000_000))]
        now(store.close())
        assert set(acknowledged) <= set(stored)
        assert len(set(stored)) == len(stored)
    assert len(acknowledged) == len(set(acknowledged)) >= 6


def test_accounts_can_be_managed_while_another_process_writes(tmp_path: Path) -> None:
    with writer(tmp_path) as (process, printed):
        assert printed.readline()
        store = open_store("sqlite:gateway.db", tmp_path)
        now(store.add_account(NURSE, [SHA_256]))
        assert now(store.accounts()) == (JULIET, NURSE)
        assert now(store.keys(NURSE, [SHA_256.hash])) == SHA_256
        now(store.delete_account(NURSE))
        now(store.close())
        acknowledged = read_acknowledged(process, printed, 200)
    store = open_store("sqlite:gateway.db", tmp_path)
    assert now(store.accounts()) == (JULIET,)
    stored = {int(message.stanza) for message in now(store.offline(JULIET, limit=10_000_000))}
    assert set(acknowledged) <= stored
    now(store.close())
