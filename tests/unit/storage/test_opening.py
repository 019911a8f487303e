"""`[storage] url` to a store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.storage.memory import MemoryStore
from gateway.storage.opening import make_token, open_store
from gateway.xmpp.errors import ConfigError
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.storage.contract import JULIET, now


def test_file_is_relative_to_the_state_folder(tmp_path: Path) -> None:
    now(open_store("sqlite:gateway.db", tmp_path).close())
    assert (tmp_path / "gateway.db").exists()


def test_absolute_file_is_where_it_says(tmp_path: Path) -> None:
    now(open_store(f"sqlite:{tmp_path}/elsewhere.db", tmp_path / "state").close())
    assert (tmp_path / "elsewhere.db").exists()


def test_memory_store_touches_no_file(tmp_path: Path) -> None:
    assert isinstance(open_store("memory:", tmp_path), MemoryStore)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["", "sqlite", "sqlite:", "gateway.db", "postgresql:", "mysql://localhost/", "memory", "memory:x"]
)
def test_url_that_is_no_store_is_told_by_its_key(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='write "sqlite:FILE"') as caught:
        open_store(url, tmp_path)
    assert caught.value.key == "storage.url"


def test_file_that_cannot_be_used_is_told_by_the_key(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_text("This is a letter. " * 100)
    with pytest.raises(ConfigError, match="not a database") as caught:
        open_store("sqlite:gateway.db", tmp_path)
    assert caught.value.key == "storage.url"


@pytest.mark.parametrize("url", ["postgresql://u:pass%word@h/d", "postgresql://u:word@[h/d", "postgresql://h/d?word=x"])
def test_url_that_libpq_cannot_read_is_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="libpq cannot read this URL") as caught:
        open_store(url, tmp_path)
    assert caught.value.key == "storage.url"
    assert "word" not in str(caught.value)


WITHOUT_PSYCOPG = """
import sys
sys.modules["psycopg"] = None  # as if it were not installed
from pathlib import Path
from gateway.storage.opening import open_store
from gateway.xmpp.errors import ConfigError
try:
    open_store("postgresql://localhost/xmpp", Path("."))
except ConfigError as error:
    print(error)
"""


def test_without_psycopg_one_is_told_what_to_install() -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT_PSYCOPG], capture_output=True, text=True, check=True).stdout
    assert "pip install 'xmpp-gateway[postgresql]'" in told


def test_without_a_server_nothing_of_psycopg_is_loaded(tmp_path: Path) -> None:
    """The whole gateway and its commands, and a store in a file."""
    program = (
        "import sys; from pathlib import Path; import gateway.tap, gateway.service, gateway.commands.account\n"
        "from gateway.storage.opening import open_store; open_store('sqlite:gateway.db', Path(sys.argv[1]))\n"
        "print([name for name in sys.modules if 'psycopg' in name])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_tokens_differ() -> None:
    assert len({make_token() for _ in range(100)}) == 100


def test_reactor_goes_on_while_the_store_waits_for_another_process(tmp_path: Path) -> None:
    holder = open_store("sqlite:gateway.db", tmp_path)
    events: list[Any] = []

    async def scenario() -> None:
        reactor = running_reactor()
        store = open_store("sqlite:gateway.db", tmp_path, reactor)
        holder._queue._connection.execute("BEGIN IMMEDIATE")  # type: ignore[union-attr]
        added = store.add_account(JULIET, [])
        added.addCallback(lambda _: events.append("added"))
        reactor.callLater(0.05, events.append, "the reactor goes on")
        reactor.callLater(0.1, holder._queue._connection.execute, "COMMIT")  # type: ignore[union-attr]
        await added
        await store.close()

    run_in_reactor(scenario)
    assert events == ["the reactor goes on", "added"]
    now(holder.close())
