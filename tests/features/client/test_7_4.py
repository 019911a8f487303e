"""Feature 7-4, as a client: one resource is asked for on one stream; who wants two opens two (RFC 6120 §7.1)."""

from __future__ import annotations

from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.logins import Login
from tests.support.reactor import run_in_reactor


def test_client_asks_once() -> None:
    login = Login()
    login.start()
    assert b"".join(login.initiating.written).count(b"<bind ") == 1


def test_two_streams_have_two_resources(world: World, host: Peer) -> None:
    account = f"romeo@{host.site.domains[0]}"

    async def scenario() -> bool:
        async with staying(world, account) as desk, staying(world, account) as phone:
            return desk.messaging.own != phone.messaging.own

    assert run_in_reactor(scenario)
