"""A dialback key that one node has made is verified at another (XEP-0220, XEP-0185): both have the same secret."""

from __future__ import annotations

from tests.interop.clients import attached, user
from tests.interop.fixtures import require_installed
from tests.interop.nodes import Cluster, Nats
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.throwaway_ca import Authority

ROOMS = "rooms.keys.test"


async def test_the_key_of_one_node_is_verified_at_another(world: World, prosody: Peer) -> None:
    require_installed(Nats)
    unknown = Authority.create("An authority that nobody trusts").issue("keys.test", ROOMS)  # so only dialback is left
    with Cluster(world, "keys.test", nodes="ac", components={ROOMS: "secret"}, certificate=unknown) as cluster:
        async with attached(cluster["a"]) as rooms, user(prosody, "romeo") as romeo:
            rooms.send_message(romeo.jid, "Is it e'en so?", sender=f"nurse@{ROOMS}")
            assert (await romeo.expect_message("Is it e'en so?"))["from"] == f"nurse@{ROOMS}"
            assert prosody.proofs(ROOMS)[0] == "dialback"
            explained = cluster["c"].ask("explain", domain="prosody.test")
            assert explained["attempts"], (
                "the world finds the domain at c, so Prosody asked there whether the key is ours"
            )
