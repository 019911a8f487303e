"""Feature 3.1-2 [stream-fqdn-resolution], as a client: the server is found by records for clients (RFC 6120 §3.2)."""

from __future__ import annotations

from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.peers.site import CLIENT_TLS
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_records_for_clients_are_asked_for_before_anything_is_dialled(world: World, host: Peer) -> None:
    domain = host.site.domains[0]

    async def scenario() -> list[str]:
        async with staying(world, f"romeo@{domain}") as romeo:
            return romeo.login.steps

    steps = run_in_reactor(scenario)
    asked = next(number for number, step in enumerate(steps) if f"_xmpp-client._tcp.{domain}" in step)
    dialled = next(number for number, step in enumerate(steps) if "connected" in step)
    assert asked < dialled
    assert f"{host.address}:{CLIENT_TLS} connected" in steps[dialled]
