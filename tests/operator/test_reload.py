"""Reload, by command and by SIGHUP: what is still allowed stays up, the rest ends; a mistake changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from cryptography.x509 import load_pem_x509_certificate

from tests.interop.clients import Component, attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import COMPONENT, SERVER_TLS, laid_over
from tests.interop.world import World
from tests.support import forks

COMMAND = Path(sys.executable).with_name("xmpp-gateway")
OURS, PEER, ROOMS = "reload.test", "stays.test", "rooms.reload.test"
PATIENCE = 30  # of a busy machine


class Reloaded:
    """A gateway whose configuration is changed while it runs, and a peer."""

    def __init__(self, gateway: Gateway, peer: Peer, world: World) -> None:
        self.gateway = gateway
        self.peer = peer
        self.world = world
        self.file = gateway.configuration
        self.first = self.file.read_text()

    def change(self, **tables: Any) -> None:
        """Lay these tables over the configuration as it was at first."""
        self.file.write_text(tomli_w.dumps(laid_over(tomllib.loads(self.first), tables)))

    def operate(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [COMMAND, *words, "--config", self.file]
        return forks.run(command, timeout=30)

    def reload(self) -> dict[str, Any]:
        done = self.operate("reload", "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def streams(self) -> set[int]:
        """The numbers of the streams with the peer."""
        told = json.loads(self.operate("status", "--json").stdout)
        return {stream["number"] for stream in told["streams"] if stream["remote"] == PEER}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def started(world: World) -> Iterator[Reloaded]:
    with ExitStack() as servers:
        start = Starter(world, servers)
        peer = start(Prosody, PEER)
        gateway = start(
            Gateway, OURS, components={ROOMS: "the secret of the rooms"}, direct_tls=True, require_certificates=True
        )
        assert isinstance(gateway, Gateway)
        yield Reloaded(gateway, peer, world)


@pytest.fixture
def reloaded(started: Reloaded) -> Iterator[Reloaded]:
    """The gateway with its first configuration, and so it is again at the end."""
    yield started
    started.file.write_text(started.first)
    started.reload()


async def talk(component: Component, peer: Peer) -> None:
    """A message each way, so that streams stand in both directions."""
    async with user(peer, "romeo") as romeo:
        component.send_message(romeo.jid, "good morrow")
        await romeo.expect_message("good morrow")
        romeo.send_message(f"hall@{ROOMS}", "good even")
        await component.expect_message("good even")


async def test_what_is_still_allowed_stays_up(reloaded: Reloaded) -> None:
    async with attached(reloaded.gateway) as component:
        await talk(component, reloaded.peer)
        before = reloaded.streams()
        reloaded.change(peers={"other.test": {"allow": False}})
        done = reloaded.reload()
        assert (done["changed"], done["closed"]) == (["[peers] has changed"], 0)
        assert reloaded.streams() == before != set()
        await talk(component, reloaded.peer)


async def test_a_peer_that_is_not_allowed_any_more_gets_policy_violation(reloaded: Reloaded) -> None:
    async with attached(reloaded.gateway) as component:
        await talk(component, reloaded.peer)
        reloaded.change(peers={PEER: {"allow": False}})
        assert reloaded.reload()["closed"] >= 1
        await reloaded.until(lambda: not reloaded.streams())
        assert "policy-violation" in reloaded.peer.log()
        refused = component.send_message(f"romeo@{PEER}", "are you there?")
        assert await component.expect_error(refused) == "not-allowed"


async def test_a_peer_whose_authority_is_trusted_no_more_gets_not_authorized(
    reloaded: Reloaded, tmp_path: Path
) -> None:
    from tests.support.throwaway_ca import Authority

    async with attached(reloaded.gateway) as component:
        await talk(component, reloaded.peer)
        Authority.create("Another authority").save(tmp_path / "other.pem")
        reloaded.change(tls={"authorities": str(tmp_path / "other.pem")})
        done = reloaded.reload()
        assert done["closed"] >= 1
        assert any(change.startswith("we trust 1 authorities") for change in done["changed"])
        await reloaded.until(lambda: not reloaded.streams())
        assert "not-authorized" in reloaded.peer.log()


async def test_a_peer_whose_certificate_is_revoked_gets_not_authorized(reloaded: Reloaded, tmp_path: Path) -> None:
    async with attached(reloaded.gateway) as component:
        await talk(component, reloaded.peer)
        shown = load_pem_x509_certificate(Path(reloaded.peer.site.certificates[PEER]).read_bytes())
        revoked = reloaded.world.authority.revoke(shown)
        (tmp_path / "revoked.pem").write_bytes(revoked)
        reloaded.change(tls={"crls": str(tmp_path / "revoked.pem")})
        done = reloaded.reload()
        assert done["closed"] >= 1
        await reloaded.until(lambda: not reloaded.streams())
        assert await component.expect_error(component.send_message(f"romeo@{PEER}", "hello?"))
        explained = reloaded.operate("explain", PEER)
        assert "was revoked on" in " ".join(explained.stdout.split())


async def test_close_closes_and_the_streams_come_back_when_they_are_needed(reloaded: Reloaded) -> None:
    async with attached(reloaded.gateway) as component:
        await talk(component, reloaded.peer)
        before = reloaded.streams()
        closed = json.loads(reloaded.operate("close", PEER, "--json").stdout)["closed"]
        assert closed == len(before) > 0
        await reloaded.until(lambda: not reloaded.streams() & before)
        await talk(component, reloaded.peer)


async def test_retry_forgets_that_a_domain_has_failed(reloaded: Reloaded) -> None:
    """A first wait may be of any length; the second one is long enough to be seen, and to be gone before its time."""

    def waits() -> float | None:
        peers = json.loads(reloaded.operate("peers", "--json").stdout)["peers"]
        return next((peer["retry_in"] for peer in peers if peer["domain"] == "gone.test"), None)

    reloaded.world.nameserver.publish(reloaded.world.address(), "gone.test")
    async with attached(reloaded.gateway) as component:
        for _ in range(4):
            await component.expect_error(component.send_message("somebody@gone.test", "hello?"))
            if (waits() or 0) > 5:
                break
        assert waits()
        assert "no stanza is waiting for gone.test" in reloaded.operate("retry", "gone.test").stdout
        assert waits() is None


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ({"limits": {"dephth": 1}}, "limits.dephth: no such key"),
        ({"tls": {"authorities": "/nowhere.pem"}}, "/nowhere.pem"),
        ({"listen": {"server": ["tcp:5269:interface=192.0.2.1"]}}, "Cannot assign requested address"),
    ],
)
async def test_a_mistake_changes_nothing_and_is_told(reloaded: Reloaded, mistake: dict[str, Any], told: str) -> None:
    async with attached(reloaded.gateway) as component:
        await talk(component, reloaded.peer)
        before = reloaded.streams()
        reloaded.change(peers={PEER: {"allow": False}}, **mistake)
        refused = reloaded.operate("reload")
        assert refused.returncode == 1
        assert "nothing has changed" in refused.stderr
        assert told in refused.stderr
        assert reloaded.streams() == before
        await talk(component, reloaded.peer)
        [trouble] = refused_reloads(reloaded)
        assert told in trouble["sentence"]
        reloaded.change()
        reloaded.reload()
        assert refused_reloads(reloaded) == []


def refused_reloads(reloaded: Reloaded) -> list[dict[str, Any]]:
    """Return what the status says is wrong with the last reload."""
    status = json.loads(reloaded.operate("status", "--json").stdout)
    return [each for each in status["troubles"] if each["kind"] == "reload"]


async def test_a_new_component_may_come_and_an_old_one_has_to_go(reloaded: Reloaded) -> None:
    async with attached(reloaded.gateway) as old:
        domains = tomllib.loads(reloaded.first)["domains"]
        new = {"serve": "component", "secret": "the secret of the garden"}
        without = {name: domain for name, domain in domains.items() if name != ROOMS}
        changed = tomllib.loads(reloaded.first) | {"domains": {**without, "garden.reload.test": new}}
        reloaded.file.write_text(tomli_w.dumps(changed))
        assert set(reloaded.reload()["changed"]) == {"garden.reload.test is new", f"{ROOMS} is gone"}
        await old.disconnected()
        async with Component("garden.reload.test", new["secret"], reloaded.gateway.at(COMPONENT)) as component:
            echo = component.send_message(f"anybody@{OURS}", "hello")
            assert echo
            await component.expect_message("hello")


async def test_a_renewed_certificate_is_shown_after_sighup(reloaded: Reloaded) -> None:
    file = Path(reloaded.gateway.site.certificates[OURS])
    address = (reloaded.gateway.address, SERVER_TLS)
    before, old = file.read_bytes(), ssl.get_server_certificate(address)
    reloaded.world.authority.issue(OURS).save(file)
    try:
        assert ssl.get_server_certificate(address) == old
        os.kill(reloaded.gateway.pid, signal.SIGHUP)
        await reloaded.until(lambda: ssl.get_server_certificate(address) != old)
    finally:
        file.write_bytes(before)


def test_what_needs_a_restart_is_named(reloaded: Reloaded) -> None:
    reloaded.change(limits={"depth": 50}, log={"format": "json"})
    assert reloaded.reload()["needs_restart"] == ["[limits]", "[log]"]
