"""`make cluster`: NATS and three nodes on loopback, another server outside, and a component that moves between nodes.

    python -m tests.interop.cluster_demo [--once]

It tells what happens, a line each, then leaves everything up until Ctrl-C and shows how to look at it; with --once it
ends after the story.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.interop.clients import Component
from tests.interop.nodes import Cluster
from tests.interop.peers import Gateway
from tests.interop.peers.gateway import PROGRAMS
from tests.interop.peers.site import COMPONENT
from tests.interop.world import World

ROOMS, OUTSIDE = "rooms.cluster.demo", "outside.demo"
BEGAN = time.monotonic()


def tell(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:5.1f} s  {text}", flush=True)


async def echo(cluster: Cluster, node: str, text: str) -> None:
    """A component at a node writes to the outside, and hears the echo."""
    async with Component(ROOMS, "secret", cluster[node].at(COMPONENT)) as rooms:
        cluster.serves(ROOMS, node)
        tell(f"the component {ROOMS} is attached at node {node}")
        rooms.send_message(OUTSIDE, text)
        await rooms.expect_message(text, timeout=60)
        tell(f"its message left node {node} for {OUTSIDE}; the echo came in at node c, and crossed to node {node}")


def main(words: Sequence[str] | None = None) -> None:
    """Tell the story, as these words on the command line say."""
    arguments = argparse.ArgumentParser(prog="python -m tests.interop.cluster_demo", description=__doc__)
    arguments.add_argument("--once", action="store_true", help="end after the story")
    once = arguments.parse_args(words).once
    with tempfile.TemporaryDirectory(prefix="xmpp-gateway-cluster-") as folder, World(Path(folder)) as world:
        outside = Gateway(world.site(OUTSIDE), world.folder / "outside")
        with outside, Cluster(world, "cluster.demo", components={ROOMS: "secret"}) as cluster:
            tell("NATS runs, and the nodes a, b and c see each other; the world finds them at c")
            asyncio.run(echo(cluster, "a", "Is there anybody?"))
            cluster["a"].kill()
            tell("node a is dead")
            asyncio.run(echo(cluster, "b", "And now?"))
            cluster.settled("b", "c")
            tell("the others have noticed that a is gone, and have its shards")
            cluster["a"].start()
            cluster.settled("a", "b", "c")
            tell("node a is back")
            for node in cluster["b"].ask("status")["cluster"]["nodes"]:
                tell(f"node {node['node']}: {node['shards']} shards, {node['streams']} streams")
            if once:
                return
            command = PROGRAMS / "xmpp-gateway"
            print(f"try: {command} status --config {cluster['b'].configuration}\nCtrl-C ends everything", flush=True)
            with suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600)


if __name__ == "__main__":
    main()
