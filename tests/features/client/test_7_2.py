"""Feature 7-2, as a client: the resource is left to the server (RFC 6120 §7.6)."""

from __future__ import annotations

from tests.interop.own_logins import at_home
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.logins import Login


def test_request_names_no_resource() -> None:
    login = Login()
    login.start()
    assert b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>" in b"".join(login.initiating.written)


def test_each_server_makes_another_one_each_time(world: World, host: Peer) -> None:
    made = {at_home(world, host, "romeo").resource for _ in range(3)}
    assert len(made) == 3
    assert all(len(resource) >= 8 for resource in made)
