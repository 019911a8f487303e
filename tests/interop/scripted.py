"""A receiving server by script: says what a test types, to see what our initiating side makes of it.

async with scripted(world, "script.test") as script, attached(gateway) as component:
    component.send_message("anybody@script.test", "Art thou there?")
    probe = await script.connection()
    await script.greet(probe, STARTTLS)
    await script.secure(probe)
    await script.greet(probe, EXTERNAL)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from tests.interop.peers.site import SERVER
from tests.interop.probe import SASL, TLS, Probe, header, listen, server_tls
from tests.interop.world import World
from tests.support.throwaway_ca import Issued

STARTTLS = f"<starttls xmlns='{TLS}'/>"
EXTERNAL = f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
PROCEED = f"<proceed xmlns='{TLS}'/>"
SUCCESS = f"<success xmlns='{SASL}'/>"
CLOSE = "</stream:stream>"
DB = "{jabber:server:dialback}"


@dataclass(frozen=True)
class Script:
    """A domain with its own address, and the connections to it."""

    domain: str
    address: str
    connection: Callable[[], Awaitable[Probe]]
    bundle: Path
    authorities: Path

    async def greet(self, probe: Probe, features: str, *, stream_id: str = "1", more: str = "") -> Element:
        """Answer the header that comes with ours and these features; returns theirs."""
        theirs = await self.answer(probe, stream_id=stream_id, more=more)
        await probe.type(f"<stream:features>{features}</stream:features>")
        return theirs

    async def answer(self, probe: Probe, *, stream_id: str = "1", more: str = "") -> Element:
        """The same without features."""
        theirs = await probe.header()
        await probe.type(header(self.domain, theirs.get("from", ""), more=f"id='{stream_id}' {more}"))
        return theirs

    async def secure(self, probe: Probe) -> None:
        """Take a `<starttls/>`, and the handshake."""
        assert (await probe.element()).tag == f"{{{TLS}}}starttls"
        await probe.type(PROCEED)
        await self.start_tls(probe)

    async def start_tls(self, probe: Probe) -> None:
        """Only the TLS handshake."""
        await probe.start_tls(server_tls(self.bundle, self.authorities))

    async def encrypted(self, features: str) -> Probe:
        """The next connection, led to these features under TLS."""
        probe = await self.connection()
        await self.greet(probe, STARTTLS)
        await self.secure(probe)
        await self.greet(probe, features)
        return probe

    async def established(self) -> Probe:
        """The next connection, led to the end of its negotiation by certificate."""
        probe = await self.encrypted(EXTERNAL)
        assert (await probe.element()).tag == f"{{{SASL}}}auth"
        await probe.type(SUCCESS)
        probe.restart()
        await self.greet(probe, "")
        return probe


@asynccontextmanager
async def scripted(world: World, domain: str, certificate: Issued | None = None) -> AsyncIterator[Script]:
    """Listen where the domain is found."""
    address = world.address()
    world.nameserver.publish(address, domain)
    bundle = world.bundle(certificate or world.authority.issue(domain))
    async with listen(address, SERVER) as connection:
        yield Script(domain, address, connection, bundle, world.authorities)
    world.nameserver.withdraw(domain)
