"""A gateway in daily work: what breaks while it runs is shown everywhere, and what it remembers survives the disk."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from slixmpp.exceptions import IqError

from tests.docs.test_json_page import members
from tests.interop.clients import PASSWORD, Client, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.world import World
from tests.support import forks
from tests.support.sockets import free_port

OURS, BROKEN = "daily.test", "broken.daily.test"
COMMAND = Path(sys.executable).with_name("xmpp-gateway")
PATIENCE = 60  # of a busy machine
ROSTER = '<query xmlns="jabber:iq:roster"><item jid="nurse@far.test" name="{}"/></query>'


class Daily:
    """A gateway with accounts, and a second domain whose certificate is missing from the start."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.state = gateway.folder / "state"
        self._port = port

    def operate(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [COMMAND, *words, "--config", self.gateway.configuration]
        return forks.run(command, timeout=PATIENCE)

    def get(self, path: str) -> str:
        """Return what the http port answers, or the beginning of what does not end."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            if path != "/events":
                return answer.read().decode()
            lines = [answer.readline().decode() for _ in range(12)]
            return "".join(lines)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(condition):
                await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def daily(world: World) -> Iterator[Daily]:
    with ExitStack() as servers:
        port = free_port()
        options = {
            "log": {"level": "info"},
            "listen": {"http": [f"tcp:{port}:interface=127.0.0.1"]},
            "domains": {
                OURS: {"serve": "im"},
                BROKEN: {"serve": "gateway.handlers.echo.Echo", "certificate": "missing.pem"},
            },
        }
        gateway = Starter(world, servers)(Gateway, OURS, options=options)
        assert isinstance(gateway, Gateway)
        for name in ("romeo", "juliet"):
            gateway.register(f"{name}@{OURS}", PASSWORD)
        yield Daily(gateway, port)


async def change_roster(client: Client, name: str) -> None:
    await client.request(client.jid.partition("/")[0], ROSTER.format(name), "set", timeout=PATIENCE)


async def test_a_missing_certificate_of_one_domain_is_shown_and_the_other_domain_is_served(daily: Daily) -> None:
    async with user(daily.gateway, "romeo") as romeo:
        await change_roster(romeo, "Angelica")
    told = await asyncio.to_thread(daily.operate, "status")
    words = " ".join(told.stdout.split())
    assert f"the certificate for {BROKEN} cannot be used" in words
    assert "missing.pem: No such file or directory" in words
    assert told.returncode == 4
    assert f"the certificate for {BROKEN} cannot be used" in daily.gateway.log()


async def test_a_database_that_dies_is_shown_while_it_is_dead(daily: Daily) -> None:
    async with user(daily.gateway, "romeo") as romeo:
        with closing(sqlite3.connect(daily.state / "gateway.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(IqError):
                await change_roster(romeo, "Nurse")
            sentence = "another process holds the accounts' database locked"
            told = await asyncio.to_thread(daily.operate, "status")
            assert sentence in " ".join(told.stdout.split())
            assert told.returncode == 4
            for path in ("/healthz", "/events"):
                await daily.until(lambda path=path: sentence in daily.get(path))  # type: ignore[misc]
            assert 'xmpp_gateway_trouble{kind="storage"} 1' in await asyncio.to_thread(daily.get, "/metrics")
            other.execute("ROLLBACK")
        await change_roster(romeo, "Nurse")
    await daily.until(lambda: sentence not in daily.get("/healthz"))
    assert daily.gateway.log().count(f"error {sentence}") == 1
    assert f"no longer so: {sentence}" in daily.gateway.log()


async def test_the_log_is_verbose_for_one_domain_while_a_command_says_so(daily: Daily) -> None:
    async def talk(body: str) -> str:
        async with user(daily.gateway, "romeo") as romeo:
            begin = len(daily.gateway.log())
            romeo.send_message(f"somebody@{BROKEN}", body)
            await romeo.expect_message(body)
            return daily.gateway.log()[begin:]

    assert "stanza (" not in await talk("one")
    set_ = await asyncio.to_thread(daily.operate, "log", "debug", OURS)
    assert f"{OURS}: level debug until the restart" in set_.stdout
    told = await talk("two")
    assert any(" debug 1 stanza (" in line and OURS in line for line in told.splitlines())
    assert "two" not in told.split()
    assert (await asyncio.to_thread(daily.operate, "log", "reset", OURS)).returncode == 0
    assert "stanza (" not in await talk("three")
    refused = await asyncio.to_thread(daily.operate, "log", "loud")
    assert (refused.returncode, "'loud' is not a level" in refused.stderr) == (1, True)


async def test_what_was_backed_up_while_it_ran_is_there_again_on_an_empty_disk(daily: Daily, tmp_path: Path) -> None:
    archive = str(tmp_path / "backup.tar.gz")
    async with user(daily.gateway, "romeo") as romeo:
        await change_roster(romeo, "Nurse")
        romeo.send_message(f"juliet@{OURS}", "But, soft!")
        await romeo.request(OURS, '<ping xmlns="urn:xmpp:ping"/>')
        done = await asyncio.to_thread(daily.operate, "backup", archive)
        assert done.returncode == 0, done.stderr
    refused = await asyncio.to_thread(daily.operate, "restore", "--replace", archive)
    assert "the service is running: stop it first" in refused.stderr
    secret = (daily.state / "dialback.secret").read_bytes()
    daily.gateway.stop()
    shutil.rmtree(daily.state)
    restored = await asyncio.to_thread(daily.operate, "restore", archive)
    assert restored.returncode == 0, restored.stderr
    daily.gateway.start()
    assert (daily.state / "dialback.secret").read_bytes() == secret
    async with user(daily.gateway, "juliet") as juliet:
        await juliet.expect_message("But, soft!")
    async with user(daily.gateway, "romeo") as romeo:
        answer: Any = await romeo.request(romeo.jid.partition("/")[0], '<query xmlns="jabber:iq:roster"/>')
        assert "nurse@far.test" in str(answer)


@pytest.mark.parametrize("words", [["status"], ["explain", BROKEN], ["reload"], ["log"]], ids=lambda words: words[0])
def test_the_answer_in_json_has_the_members_that_the_manual_lists(daily: Daily, words: list[str]) -> None:
    assert json.loads(daily.operate(*words, "--json").stdout).keys() == members(words[0])
