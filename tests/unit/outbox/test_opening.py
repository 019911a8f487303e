"""`[outbox]` to an outbox."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.opening import open_outbox
from gateway.outbox.records import OutboxLimits
from gateway.outbox.sealing import KEY_BYTES
from gateway.xmpp.errors import ConfigError
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.outbox.contract import NOW, PAIR, lines, now


def test_file_is_relative_to_the_state_folder(tmp_path: Path) -> None:
    now(open_outbox("sqlite:outbox.db", tmp_path, Clock(), in_thread=False).close())
    assert (tmp_path / "outbox.db").exists()


def test_memory_touches_no_file(tmp_path: Path) -> None:
    assert isinstance(open_outbox("memory:", tmp_path, Clock()), MemoryOutbox)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["", "sqlite", "sqlite:", "outbox.db", "postgresql:", "memory:x"])
def test_url_that_is_no_outbox_is_told_by_its_key(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='write "sqlite:FILE"') as caught:
        open_outbox(url, tmp_path, Clock())
    assert caught.value.key == "outbox.url"


@pytest.mark.parametrize("size", [None, 0, KEY_BYTES - 1, KEY_BYTES + 1])
def test_key_file_without_a_key_says_how_one_is_made(tmp_path: Path, size: int | None) -> None:
    file = tmp_path / "key"
    if size is not None:
        file.write_bytes(bytes(size))
    with pytest.raises(ConfigError) as caught:
        open_outbox("sqlite:outbox.db", tmp_path, Clock(), key_file=file)
    assert caught.value.key == "outbox.key_file"
    assert caught.value.problem.endswith(f"make a key with: (umask 077; head -c 32 /dev/urandom > {file})")


def test_command_that_is_told_makes_a_key_that_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with pytest.raises(ConfigError) as caught:
        open_outbox("sqlite:outbox.db", tmp_path, Clock(), key_file=file)
    os.system(caught.value.problem.partition("make a key with: ")[2])
    outbox = open_outbox("sqlite:outbox.db", tmp_path, Clock(), key_file=file, in_thread=False)
    assert outbox.condition is Condition.READY
    assert file.stat().st_mode & 0o077 == 0
    now(outbox.close())


def test_file_that_cannot_be_used_does_not_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_text("This is a letter. " * 100)
    told: list[Condition] = []
    outbox = open_outbox(
        "sqlite:outbox.db", tmp_path, Clock(), tell=lambda found, _: told.append(found), in_thread=False
    )
    assert told == [Condition.FOREIGN]
    assert outbox.condition is Condition.FOREIGN
    now(outbox.close())


def test_what_waits_is_written_when_it_is_closed_and_nothing_is_taken_afterwards(tmp_path: Path) -> None:
    async def scenario() -> list[Any]:
        outbox = open_outbox("sqlite:outbox.db", tmp_path, running_reactor(), limits=OutboxLimits())
        puts = [outbox.put(PAIR, lines(number), accepted=NOW, expires=NOW) for number in range(100)]
        closed = outbox.close()
        with pytest.raises(OutboxUnavailable):
            await outbox.put(PAIR, lines(101), accepted=NOW, expires=NOW)
        await closed
        return [await put for put in puts]

    numbers = [number for (number,) in run_in_reactor(scenario)]
    assert not (tmp_path / "outbox.db-wal").exists()
    outbox = open_outbox("sqlite:outbox.db", tmp_path, Clock(), in_thread=False)
    assert [(each.number, each.raw) for each in now(outbox.page(PAIR))] == list(
        zip(numbers, lines(*range(100)), strict=True)
    )
    now(outbox.close())
