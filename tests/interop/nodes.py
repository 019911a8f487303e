"""A cluster for tests: nats-server on a loopback address, and gateways that act as one.

    with Cluster(world, "cluster.test", nodes="abc", components={"rooms.cluster.test": "secret"}) as cluster:
        cluster["a"].ask("status")

All nodes serve the same domains. The world finds these at the last node, unless the nameserver is told otherwise.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tests.interop.peers import Gateway, NotInstalledError
from tests.interop.peers.process import Server
from tests.interop.peers.site import CLIENT, HTTP, NATS, laid_over
from tests.interop.world import World
from tests.support.throwaway_ca import ip

SECRET = "of all nodes of this cluster, and of nobody else"
USER, PASSWORD = "gateways", "the word that opens NATS"


class Nats(Server):
    """nats-server with JetStream, which keeps its entries over a restart."""

    name = "nats-server"

    @classmethod
    def check_installed(cls) -> None:
        """Raise `NotInstalledError` unless nats-server is there."""
        if shutil.which("nats-server") is None and not Path("/usr/sbin/nats-server").exists():
            raise NotInstalledError("nats-server is not installed: see tests/interop/install.sh")

    def __init__(self, address: str, folder: Path, bundle: Path | None = None, password: str = "") -> None:
        """With the certificate in `bundle` it takes TLS alone, and with `password` only those who know it."""
        super().__init__(address, folder)
        self._bundle = bundle
        self._password = password

    def command(self) -> list[str]:
        program = shutil.which("nats-server") or "/usr/sbin/nats-server"
        return [program, "--config", str(self.folder / "nats.conf")]

    def ports(self) -> tuple[int, ...]:
        return (NATS,)

    def write_configuration(self) -> None:
        text = f'host: "{self.address}"\nport: {NATS}\njetstream {{ store_dir: "{self.folder}" }}\n'
        if self._bundle is not None:
            text += f'tls {{ cert_file: "{self._bundle}", key_file: "{self._bundle}", timeout: 30 }}\n'
        if self._password:
            text += f'authorization {{ user: "{USER}", password: "{self._password}", timeout: 30 }}\n'
        (self.folder / "nats.conf").write_text(text)


class Cluster:
    """Gateways that act as one, and what is between them."""

    def __init__(
        self,
        world: World,
        domain: str,
        *,
        nodes: str = "abc",
        components: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        through: Mapping[str, str] | None = None,
        secured: bool = False,
        **demands: Any,
    ) -> None:
        """`through` names another address at which a node finds NATS: a proxy's.

        If `secured`, NATS takes TLS and a password alone.
        """
        Nats.check_installed()
        address = world.address()
        bundle = world.bundle(world.authority.issue(ip(address))) if secured else None
        self.nats = Nats(address, world.folder / f"nats-{domain}", bundle, PASSWORD if secured else "")
        self.nodes: dict[str, Gateway] = {}
        self._ends = ExitStack()
        self._world = world
        first = world.site(domain, components=components, **demands)
        self.domains = (*first.domains, *first.components)
        for node in nodes:
            nats, own = (through or {}).get(node, self.nats.address), world.address()
            table: dict[str, Any] = {"url": [f"{'tls' if secured else 'nats'}://{nats}:{NATS}"]}
            table |= {"name": "tests", "node": node, "secret": SECRET, "clients": f"{own}:{CLIENT}"}
            if secured:
                table |= {"authorities": str(world.authorities), "user": USER, "password": PASSWORD}
            own_options = {"cluster": table, "listen": {"http": [f"tcp:{HTTP}:interface={own}"]}}
            site = replace(first, address=own, options=laid_over(own_options, options or {}))
            self.nodes[node] = Gateway(site, world.folder / f"node-{node}-{site.address}")
        self.found_at(nodes[-1])

    def __enter__(self) -> Self:
        self._ends.callback(self._world.nameserver.withdraw, *self.domains)
        self._ends.enter_context(self.nats)
        for node in self.nodes.values():
            self._ends.enter_context(node)
        self.settled(*self.nodes)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ends.close()

    def __getitem__(self, node: str) -> Gateway:
        return self.nodes[node]

    def __iter__(self) -> Iterator[Gateway]:
        return iter(self.nodes.values())

    def found_at(self, node: str) -> None:
        """Have the world find the domains at this node alone."""
        self._world.nameserver.withdraw(*self.domains)
        self._world.nameserver.publish(self.nodes[node].address, *self.domains)

    def settled(self, *nodes: str) -> None:
        """Wait until all these nodes see exactly each other."""
        for name in nodes:
            node = self.nodes[name]

            def sees(node: Gateway = node) -> bool:
                cluster = node.ask("status")["cluster"]
                live = [each["node"] for each in cluster["nodes"] if each["live"]]
                return bool(cluster["life"] == "a member" and live == sorted(nodes))

            node.wait_until(sees, 60, f"in a cluster of {', '.join(nodes)}")

    def serves(self, domain: str, *places: str) -> None:
        """Wait until all nodes know that a domain is served at these nodes."""
        for node in self.nodes.values():
            if node._process is None:
                continue

            def knows(node: Gateway = node) -> bool:
                return bool(node.ask("status")["cluster"]["places"].get(domain, []) == sorted(places))

            node.wait_until(knows, 60, f"told that {domain} is at {places}")
