"""The small internet in which the servers meet: loopback addresses to live at, names for them, an authority to believe.

    with World(folder) as world:
        prosody = Prosody(world.site("prosody.test"), world.folder / "prosody").start()

Each server gets its own address. Several worlds may exist on one machine at once: each claims a part of
127.0.0.0/8 for itself.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.interop.names import Nameserver
from tests.interop.peers.site import Site
from tests.support.throwaway_ca import Authority, Issued


class World:
    """Addresses, names and certificates for the servers of one test session or one benchmark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority.create("Authority of the tests")
        self.authorities = folder / "authorities.pem"
        self.homes: set[str] = set()  # the domains of all sites
        self._certificates = 0

    def __enter__(self) -> Self:
        self.authority.save(self.authorities)
        self._ends = ExitStack()
        self._addresses = self._claimed()
        self.nameserver = self.view()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ends.close()

    def view(self) -> Nameserver:
        """One more nameserver, which knows nothing yet: for servers that shall see another internet than the rest."""
        address = self.address()
        return self._ends.enter_context(Nameserver(address, self.folder / f"nameserver-{address}"))

    def site(
        self,
        *domains: str,
        certificate: Issued | None = None,
        components: Mapping[str, str] | None = None,
        view: Nameserver | None = None,
        **demands: Any,
    ) -> Site:
        """A place for a server: an address where these domains are found, and certificates that all here believe.

        Another certificate may be given for all of them, and another nameserver to ask; `demands` are the other fields
        of `Site`.
        """
        components = components or {}
        if taken := self.nameserver.published.intersection((*domains, *components)):
            raise ValueError(f"another server here has {', '.join(taken)} already")
        address = self.address()
        self.homes.update(domains, components)
        self.nameserver.publish(address, *domains, *components, direct_tls=demands.get("direct_tls", False))
        issued = [certificate or self.authority.issue(domain) for domain in (*domains, *components)]
        bundles = dict(zip((*domains, *components), map(self.bundle, issued), strict=True))
        return Site(
            address=address,
            certificates=bundles,
            domains=domains,
            authorities=self.authorities,
            names=(view or self.nameserver).names,
            components=components,
            **demands,
        )

    def address(self) -> str:
        """An address that nobody here has yet."""
        return next(self._addresses)

    def _claimed(self) -> Iterator[str]:
        while True:
            claim, addresses = claim_network()
            self._ends.enter_context(claim)
            yield from addresses

    def bundle(self, certificate: Issued) -> Path:
        """A file with this certificate, its chain and its key."""
        self._certificates += 1
        return certificate.save(self.folder / f"certificate-{self._certificates}.pem")


def claim_network() -> tuple[socket.socket, Iterator[str]]:
    """Return a /24 of loopback that no other world has, and the socket that holds it until it is closed.

    The claim is a name in Linux's abstract namespace: it takes no port, and it ends with the process that made it.
    """
    for number in range(1, 255):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0xmpp-gateway-tests-127.0.{number}")
        except OSError:
            claim.close()
        else:
            return claim, (f"127.0.{number}.{host}" for host in range(2, 255))
    raise RuntimeError("no part of loopback is free")
