"""Feature 5-1, as a client: SASL is used at every server (RFC 6120 §6)."""

from __future__ import annotations

from tests.interop.own_logins import at_home
from tests.interop.peers import Peer
from tests.interop.world import World


def test_client_authenticates_at_each_server(world: World, host: Peer) -> None:
    assert at_home(world, host, "romeo").bare == f"romeo@{host.site.domains[0]}"
