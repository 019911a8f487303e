"""Alertmanager's requests on the wire, told to a user of Prosody."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest

from tests.interop.clients import user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.process import accepts
from tests.unit.bundled.test_alerts import alert, request

TOKEN = "a token of some length"
PATIENCE = 30  # of a busy machine
PORT = 5282


@pytest.fixture(scope="module")
def door(world: Any) -> str:
    """Return where Alertmanager connects."""
    return f"{world.address()}:{PORT}"


@pytest.fixture(scope="module")
def alerts(start_all: Starter, prosody: Peer, door: str) -> Peer:
    """A gateway that tells romeo of alerts."""
    options = {
        "listen": f"tcp:{PORT}:interface={door.partition(':')[0]}",
        "token": TOKEN,
        "to": ["romeo@prosody.test"],
    }
    domains = {"alerts.test": {"serve": "alerts", "options": options}}
    gateway = start_all(Gateway, "alerts.test", options={"domains": domains})
    gateway.wait_until(lambda: accepts(door.partition(":")[0], PORT), PATIENCE, "ready at this door, too")
    return gateway


async def post(door: str, said: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Post as Alertmanager does; return the status and the answer."""

    def ask() -> tuple[int, dict[str, Any]]:
        asked = urllib.request.Request(
            f"http://{door}/alerts",
            json.dumps(said).encode(),
            {
                "Authorization": f"Bearer {TOKEN}",
                "Content-Type": "application/json",
                "User-Agent": "Alertmanager/0.27.0",
            },
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE) as response:
            return response.status, json.load(response)

    return await asyncio.to_thread(ask)


async def test_a_user_of_prosody_is_told_of_an_alert_and_of_its_end(alerts: Peer, door: str, prosody: Peer) -> None:
    async with user(prosody, "romeo") as romeo:
        assert await post(door, request(alert())) == (200, {"sent": 1})
        assert await post(door, request(alert())) == (200, {"sent": 0, "repeated": True})
        assert await post(door, request(alert("resolved"))) == (200, {"sent": 1})
        first, second = await romeo.expect_any_message(), await romeo.expect_any_message()
        assert first["body"].startswith("1 FIRING: InstanceDown (critical)\njob=node\n\n[firing] db1 is down\n")
        assert second["body"].startswith("1 RESOLVED: InstanceDown (critical)\n")
        assert "from 2026-11-28 17:02 to 17:09 UTC" in second["body"]
        assert str(first["from"]) == "alerts.test"
    assert TOKEN not in alerts.log()
