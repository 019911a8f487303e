"""Feature 6-2, as a client: TLS plus SASL PLAIN, towards a server that has proved itself and no other."""

from __future__ import annotations

from tests.interop.fixtures import Starter
from tests.interop.own_logins import at_home, refusal
from tests.interop.peers import Peer, Prosody
from tests.interop.world import World
from tests.support.throwaway_ca import Authority


def test_client_logs_in_by_password_at_each_server(world: World, host: Peer) -> None:
    assert at_home(world, host, "romeo", mechanism="PLAIN")


def test_password_is_not_told_to_a_server_that_nobody_knows(world: World, start: Starter) -> None:
    issued = Authority.create("Strangers").issue("stranger.test")
    stranger = start(Prosody, "stranger.test", certificate=issued)
    assert "which is not among our authorities" in refusal(world, "romeo@stranger.test", mechanism="PLAIN")
    assert "mechanism='PLAIN'" not in stranger.log()
