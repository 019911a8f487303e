"""F-C-6: where the terms do not require TLS, a server that cannot start it is reached without."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tests.hardening.refusals import start_gateway, wanted
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Peer
from tests.interop.probe import TLS
from tests.interop.scripted import DB, DIALBACK, PROCEED, STARTTLS, Script, scripted
from tests.interop.world import World

COMPONENT = "component.clearing.test"


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    return start_gateway(start_all, "clearing.test")


async def without_certificate(script: Script) -> None:
    """Agree on TLS, and have no certificate to show in the handshake, as a Prosody that was given none."""
    probe = await script.connection()
    await script.greet(probe, STARTTLS + DIALBACK)
    await probe.element()
    await probe.type(PROCEED)
    with pytest.raises((ssl.SSLError, OSError)):
        await probe.start_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


async def with_failure(script: Script) -> None:
    """Answer STARTTLS with a failure (RFC 6120 §5.4.2.2)."""
    probe = await script.connection()
    await script.greet(probe, STARTTLS + DIALBACK)
    await probe.element()
    await probe.type(f"<failure xmlns='{TLS}'/></stream:stream>")


async def hanging_up(script: Script) -> None:
    """Close the connection in the middle of the handshake."""
    probe = await script.connection()
    await script.greet(probe, STARTTLS + DIALBACK)
    await probe.element()
    await probe.type(PROCEED)
    await probe.unparsed()
    probe.drop()


@pytest.mark.parametrize("play", [without_certificate, with_failure, hanging_up], ids=lambda play: play.__name__)
async def test_a_server_that_cannot_start_tls_is_reached_without(world: World, gateway: Peer, play: object) -> None:
    """Deliver in clear, by dialback, after the handshake has failed, and say so in the record of the attempt."""
    domain = f"{play.__name__.replace('_', '-')}.clear.test"  # type: ignore[attr-defined]
    async with scripted(world, domain) as script, attached(gateway) as component:
        component.send_message(f"anybody@{domain}", "Art thou there?")
        await play(script)  # type: ignore[operator]
        probe = await script.connection()
        await script.greet(probe, STARTTLS + DIALBACK)
        assert (await probe.element()).tag == f"{DB}result"
        await probe.type(f"<db:result from='{domain}' to='{COMPONENT}' type='valid'/>")
        assert (await probe.element()).tag == "{jabber:server}message"
    log = [line for line in gateway.log().splitlines() if domain in line]
    assert any("trying again without TLS, because the handshake failed and require_tls = false" in line for line in log)
    assert any("established" in line and "TLS skipped: the handshake failed before" in line for line in log)


async def test_nothing_goes_in_clear_where_tls_is_required(world: World, gateway: Peer) -> None:
    """Return the message, and open no stream in clear, when the terms require TLS."""
    async with wanted(world, gateway, "required.script.test") as script:
        await without_certificate(script)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(script.connection(), 3)
