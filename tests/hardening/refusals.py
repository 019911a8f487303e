"""What the tests of F-C share: a gateway that wants to reach scripted servers, and what its log says about them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from threading import Thread

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.scripted import Script, scripted
from tests.interop.world import World

REFUSED = "remote-server-timeout"


def start_gateway(start_all: Starter, domain: str, *, connect_seconds: float = 8.0) -> Peer:
    """A gateway with a component; it demands TLS, but of `*.clear.test`, and certificates of `*.strict.test`."""
    options = {
        "peers": {
            "any": {"connect_seconds": connect_seconds, "require_tls": True, "direct_tls": True},
            "*.strict.test": {"authenticate": ["external"]},
            "*.clear.test": {"require_tls": False, "authenticate": ["external", "dialback"]},
        },
        "limits": {"close_seconds": 1, "negotiate_seconds": 4},
    }
    return start_all(Gateway, domain, components={f"component.{domain}": "secret"}, options=options)


@asynccontextmanager
async def wanted(world: World, gateway: Peer, domain: str, bounced: str = REFUSED) -> AsyncIterator[Script]:
    """A server that a message of the component wants to reach, and never does."""
    async with scripted(world, domain) as script, attached(gateway) as component:
        lost = component.send_message(f"anybody@{domain}", "Art thou there?")
        yield script
        assert await component.expect_error(lost) == bounced


DIRECT = 5281


@contextmanager
def tls_alone(address: str, context: ssl.SSLContext) -> Iterator[None]:
    """Shake hands on port DIRECT, and say nothing more; alerts go out, which asyncio would keep to itself."""
    with socket.create_server((address, DIRECT)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def publish_direct(world: World, domain: str) -> str:
    """An address at which the domain is found, by direct TLS on port DIRECT alone."""
    address = world.address()
    world.nameserver.publish_records(
        {f"_xmpps-server._tcp.{domain}": {"SRV": [f"0 0 {DIRECT} {domain}"]}, domain: {"A": [address]}}
    )
    return address


def verdict(gateway: Peer, domain: str) -> str:
    """The line of the log with the last verdict on a stream with that domain."""
    lines = [
        line for line in gateway.log().splitlines() if domain in line and " failed after " in line and " warn " in line
    ]
    assert lines, f"no verdict on {domain}"
    return lines[-1]
