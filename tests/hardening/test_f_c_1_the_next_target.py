"""F-C-1: whatever one server of a domain does, the next one is tried, unless the domain itself has decided.

The first server is played by a script, the second one takes the message. The gateway finds both by DNS.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.interop.clients import Component, attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import SASL, STREAM_ERRORS, Probe, listen, server_tls
from tests.interop.scripted import CLOSE, DB, DIALBACK, EXTERNAL, PROCEED, STARTTLS, Script
from tests.interop.world import World
from tests.support.throwaway_ca import Issued, self_signed

COMPONENT = "component.next.test"
SECONDS = 6.0  # for a stream; half of it for each of two servers
FIRST, SECOND = "1.{}", "2.{}"
STREAMS = STREAM_ERRORS[1:-1]


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    """A gateway that gives a stream some seconds, and each of two servers half of them."""
    options = {
        "peers": {
            "any": {"connect_seconds": SECONDS, "require_tls": True, "direct_tls": True},
            "*.strict.test": {"authenticate": ["external"]},
            "*.clear.test": {"require_tls": False, "authenticate": ["dialback"]},
        },
        "limits": {"close_seconds": 1},
    }
    return start_all(Gateway, "next.test", components={COMPONENT: "secret"}, options=options)


@asynccontextmanager
async def servers(
    world: World, domain: str, certificate: Issued | None = None, *, direct: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Script, Script]]:
    """Two servers of one domain, the second less preferred; the first may have another certificate, or speak TLS."""
    service = "_xmpps-server" if direct else "_xmpp-server"
    addresses = [world.address(), world.address()]
    world.nameserver.publish_records(
        {
            f"{service}._tcp.{domain}": {"SRV": [f"10 0 {SERVER} {FIRST.format(domain)}"]},
            FIRST.format(domain): {"A": [addresses[0]]},
            SECOND.format(domain): {"A": [addresses[1]]},
        }
    )
    both = [f"10 0 {SERVER} {FIRST.format(domain)}", f"20 0 {SERVER} {SECOND.format(domain)}"]
    world.nameserver.publish_records({f"_xmpp-server._tcp.{domain}": {"SRV": both[1:] if direct else both}})
    async with AsyncExitStack() as stack:
        scripts = []
        for number, address in enumerate(addresses):
            first = number == 0
            arrivals = await stack.enter_async_context(listen(address, SERVER, context=direct if first else None))
            bundle = world.bundle((certificate if first else None) or world.authority.issue(domain))
            scripts.append(Script(domain, address, arrivals, bundle, world.authorities))
        yield scripts[0], scripts[1]


async def silent(first: Script) -> None:
    """Take the connection, and say nothing."""
    await first.connection()


async def web_server(first: Script) -> None:
    """Answer what is not a request with what is not a stream."""
    probe = await first.connection()
    await probe.header()
    await probe.type("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def silent_tls(first: Script) -> None:
    """Agree on TLS, and never shake hands."""
    probe = await first.connection()
    await first.greet(probe, STARTTLS)
    await probe.element()
    await probe.type(PROCEED)


async def garbage_for_tls(first: Script) -> None:
    """Agree on TLS, and speak something else."""
    probe = await first.connection()
    await first.greet(probe, STARTTLS)
    await probe.element()
    await probe.type(PROCEED + "HTTP/1.1 400 Bad Request\r\n\r\n")


async def no_tls(first: Script) -> None:
    """Offer no TLS, which is required."""
    probe = await first.connection()
    await first.greet(probe, EXTERNAL)


async def closes(first: Script) -> None:
    """Close the stream without an error."""
    probe = await first.connection()
    await first.answer(probe)
    await probe.type(CLOSE)


async def silent_after_features(first: Script) -> None:
    """Offer a proof under TLS, and never answer it."""
    await first.encrypted(EXTERNAL)


async def silent_after_dialback(first: Script) -> None:
    """Offer dialback under TLS, and never answer it."""
    await first.encrypted(DIALBACK)


async def unable_to_verify(first: Script) -> None:
    """Be unable to have our key verified."""
    probe = await first.encrypted(DIALBACK)
    assert (await probe.element()).tag == f"{DB}result"
    error = "<error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    await probe.type(f"<db:result from='{first.domain}' to='{COMPONENT}' type='error'>{error}</db:result>")


async def busy(first: Script) -> None:
    """Refuse our certificate for now."""
    probe = await first.encrypted(EXTERNAL)
    await probe.element()
    await probe.type(f"<failure xmlns='{SASL}'><temporary-auth-failure/></failure>")
    await probe.element()  # dialback, which is not offered, and not answered


def with_error(condition: str) -> Callable[[Script], Awaitable[None]]:
    """End the stream with this error, in clear."""

    async def script(first: Script) -> None:
        probe = await first.connection()
        await first.answer(probe)
        await probe.type(f"<stream:error><{condition} xmlns='{STREAMS}'/></stream:error>{CLOSE}")

    script.__name__ = condition
    return script


async def bare_error(first: Script) -> None:
    """Refuse without a header."""
    probe = await first.connection()
    await probe.header()
    await probe.type(f"<stream:error><system-shutdown xmlns='{STREAMS}'/></stream:error>{CLOSE}")


FAILURES = [
    silent,
    web_server,
    silent_tls,
    garbage_for_tls,
    no_tls,
    closes,
    silent_after_features,
    silent_after_dialback,
    unable_to_verify,
    busy,
    bare_error,
    *map(
        with_error,
        ["system-shutdown", "host-unknown", "host-gone", "internal-server-error", "policy-violation", "not-authorized"],
    ),
]


async def arrives(component: Component, domain: str, first: Callable[[], Awaitable[None]], second: Script) -> None:
    """Send a message, which the second server gets."""
    component.send_message(f"anybody@{domain}", "Art thou there?")
    await first()
    probe = await second.established()
    assert (await probe.element()).tag == "{jabber:server}message"


@pytest.mark.parametrize("play", FAILURES, ids=lambda play: play.__name__)
async def test_a_failure_of_one_server_leads_to_the_next(
    world: World, gateway: Peer, play: Callable[[Script], Awaitable[None]]
) -> None:
    """Deliver by the second server whatever the first one does."""
    domain = f"{play.__name__.replace('_', '-')}.script.test"
    async with servers(world, domain) as (first, second), attached(gateway) as component:
        await arrives(component, domain, lambda: play(first), second)


async def test_a_wrong_certificate_leads_to_the_next(world: World, gateway: Peer) -> None:
    """Deliver by the second server when the first one does not prove to be the domain."""
    domain = "wrong.strict.test"
    async with servers(world, domain, self_signed(domain)) as (first, second), attached(gateway) as component:

        async def play() -> None:
            await first.encrypted(EXTERNAL)

        await arrives(component, domain, play, second)


async def test_direct_tls_that_leads_to_a_web_server_leads_on_to_starttls(world: World, gateway: Peer) -> None:
    """Deliver by STARTTLS when the port for direct TLS is that of a web server with its own certificate."""
    domain = "web.script.test"
    web = server_tls(world.bundle(world.authority.issue("www.web.test")), world.authorities)
    async with servers(world, domain, direct=web) as (first, second), attached(gateway) as component:

        async def play() -> None:
            probe = await first.connection()
            await probe.unparsed()
            await probe.type("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        await arrives(component, domain, play, second)


async def test_the_other_address_of_a_server_is_tried(world: World, gateway: Peer) -> None:
    """Deliver at the second address of a server whose first one takes connections and stays silent."""
    domain = "addresses.script.test"
    addresses = [world.address(), world.address()]
    world.nameserver.publish_records(
        {f"_xmpp-server._tcp.{domain}": {"SRV": [f"0 0 {SERVER} {domain}"]}, domain: {"A": addresses}}
    )
    bundle = world.bundle(world.authority.issue(domain))
    async with (
        listen(addresses[0], SERVER) as one,
        listen(addresses[1], SERVER) as other,
        attached(gateway) as component,
    ):
        component.send_message(f"anybody@{domain}", "Art thou there?")
        waiting = {asyncio.ensure_future(come()): come for come in (one, other)}
        done, _ = await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
        for task in done:  # which stays silent
            del waiting[task]
        ((task, _),) = waiting.items()

        async def arrived() -> Probe:
            return await task

        probe = await Script(domain, "", arrived, bundle, world.authorities).established()
        assert (await probe.element()).tag == "{jabber:server}message"


async def test_the_decision_of_the_domain_is_not_asked_for_twice(world: World, gateway: Peer) -> None:
    """Return the message when a server that has proved to be the domain refuses us by rule."""
    domain = "decided.script.test"
    async with servers(world, domain) as (first, second), attached(gateway) as component:
        lost = component.send_message(f"anybody@{domain}", "Art thou there?")
        probe = await first.encrypted(EXTERNAL)
        await probe.element()
        await probe.type(f"<stream:error><policy-violation xmlns='{STREAMS}'/></stream:error>{CLOSE}")
        assert await component.expect_error(lost) == "remote-server-timeout"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(second.connection(), 0.5)
