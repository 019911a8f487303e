"""Our initiating side against servers that break off, refuse, stay silent or lie: what we say, and what happens to it.

The message that wanted the stream comes back once, whatever goes wrong, most often as `remote-server-timeout`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.interop.clients import Component, attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import SASL, STREAM_ERRORS, TLS, Probe, listen
from tests.interop.scripted import CLOSE, DB, DIALBACK, EXTERNAL, PROCEED, STARTTLS, SUCCESS, Script, scripted
from tests.interop.world import World
from tests.support.throwaway_ca import self_signed

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STREAMS = STREAM_ERRORS[1:-1]


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    """A gateway that soon gives up, demands TLS, and of some domains a certificate."""
    patience = {"connect_seconds": 1.0}
    options = {
        "peers": {
            "any": {**patience, "require_tls": True},
            "*.strict.test": {"authenticate": ["external"]},
            "*.clear.test": {"require_tls": False, "authenticate": ["dialback"]},
        },
        "limits": {"close_seconds": 1},
    }
    return start_all(Gateway, "starter.test", components={"component.starter.test": "secret"}, options=options)


@asynccontextmanager
async def wanted(
    world: World, gateway: Peer, domain: str, bounced: str = "remote-server-timeout"
) -> AsyncIterator[Script]:
    """A server that a message of our component wants to reach, and never does."""
    async with scripted(world, domain) as script, attached(gateway) as component:
        lost = component.send_message(f"anybody@{domain}", "Art thou there?")
        yield script
        assert await component.expect_error(lost) == bounced
        assert not component.inbox


async def refused(probe: Probe) -> str:
    """The condition with which we leave, properly."""
    condition = await probe.error()
    await probe.type(CLOSE)
    assert await probe.ended()
    return condition


# Without TLS.


async def test_we_leave_when_tls_is_required_and_not_offered(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "notls.script.test") as script:
        probe = await script.connection()
        await script.greet(probe, EXTERNAL + DIALBACK)
        assert await refused(probe) == "policy-violation"
        assert b"db:result" not in probe.received
        assert b"<auth" not in probe.received


async def test_we_leave_when_starttls_fails(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "failure.script.test") as script:
        probe = await script.connection()
        await script.greet(probe, STARTTLS)
        await probe.element()
        await probe.type(f"<failure xmlns='{TLS}'/>")
        await refused(probe)


async def test_a_handshake_that_breaks_is_reported(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "garbage.script.test") as script:
        probe = await script.connection()
        await script.greet(probe, STARTTLS)
        await probe.element()
        await probe.type(PROCEED)
        assert (await probe.unparsed()).startswith(b"\x16")  # the handshake has begun
        await probe.type("HTTP/1.1 400 Bad Request\r\n\r\n")
    assert any("garbage.script.test" in line and "tls-failed" in line for line in gateway.log().splitlines())


# Proofs.


async def test_we_leave_when_a_certificate_is_required_and_not_good(world: World, gateway: Peer) -> None:
    domain = "selfsigned.strict.test"
    async with scripted(world, domain, self_signed(domain)) as script, attached(gateway) as component:
        lost = component.send_message(f"anybody@{domain}", "Art thou there?")
        probe = await script.encrypted(EXTERNAL)
        assert await refused(probe) == "not-authorized"
        assert b"<auth" not in probe.received
        assert await component.expect_error(lost) == "remote-server-timeout"


async def test_we_leave_when_no_proof_that_we_allow_is_offered(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "nothing.strict.test") as script:
        probe = await script.encrypted(DIALBACK)
        assert await refused(probe) == "unsupported-feature"
        assert b"db:result" not in probe.received


async def test_dialback_is_tried_where_nothing_is_offered(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "modest.script.test") as script:
        probe = await script.encrypted("")
        assert (await probe.element()).tag == f"{DB}result"
        await probe.type(CLOSE)
        assert await probe.ended()


@pytest.mark.parametrize("verdict", ["invalid", "error"])
async def test_we_leave_when_dialback_is_refused(world: World, gateway: Peer, verdict: str) -> None:
    domain = f"{verdict}.clear.test"
    why = f"<error type='cancel'><item-not-found xmlns='{ERRORS}'/></error>" if verdict == "error" else ""
    told = "internal-server-error" if verdict == "invalid" else "remote-server-timeout"  # our key, XEP-0220 §2.1.1
    async with wanted(world, gateway, domain, told) as script:
        probe = await script.connection()
        await script.greet(probe, DIALBACK)
        assert (await probe.element()).tag == f"{DB}result"
        await probe.type(f"<db:result from='{domain}' to='component.starter.test' type='{verdict}'>{why}</db:result>")
        assert await refused(probe) == "unsupported-feature"


async def test_dialback_follows_on_the_same_stream_when_external_fails(world: World, gateway: Peer) -> None:
    domain = "fallback.script.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        component.send_message(f"anybody@{domain}", "Art thou there?")
        probe = await script.encrypted(EXTERNAL + DIALBACK)
        assert (await probe.element()).tag == f"{{{SASL}}}auth"
        await probe.type(f"<failure xmlns='{SASL}'><not-authorized/></failure>")
        assert (await probe.element()).tag == f"{DB}result"
        await probe.type(f"<db:result from='{domain}' to='component.starter.test' type='valid'/>")
        assert (await probe.element()).tag == "{jabber:server}message"


async def test_we_cannot_prove_by_dialback_without_a_stream_id(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "noid.clear.test") as script:
        probe = await script.connection()
        await script.greet(probe, DIALBACK, stream_id="")
        assert await refused(probe) == "bad-format"


# Breaking off, at every step.


async def test_a_stream_error_is_an_answer(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "unknown.script.test", "remote-server-not-found") as script:
        probe = await script.connection()
        await script.answer(probe)
        await probe.type(f"<stream:error><host-unknown xmlns='{STREAMS}'/></stream:error>{CLOSE}")
        await probe.ended()
    told = [line for line in gateway.log().splitlines() if "to unknown.script.test" in line]
    assert any("ended the stream with host-unknown" in line for line in told)


async def test_a_stream_closed_after_success_is_no_stream(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "fickle.script.test") as script:
        probe = await script.encrypted(EXTERNAL)
        await probe.element()
        await probe.type(SUCCESS)
        probe.restart()
        await probe.header()
        probe.drop()
    assert any("fickle.script.test" in line and "closed-after-proof" in line for line in gateway.log().splitlines())


@pytest.mark.parametrize("step", ["header", "features", "proceed", "handshake", "external", "dialback"])
async def test_silence_at_any_step_ends_in_time(world: World, gateway: Peer, step: str) -> None:
    async with wanted(world, gateway, f"{step}.silent.test") as script:
        probe = await script.connection()
        if step == "header":
            return
        await script.greet(probe, STARTTLS) if step != "features" else await probe.header()
        if step in ("features", "proceed"):
            return
        await probe.element()
        await probe.type(PROCEED)
        if step == "handshake":
            return
        await script.start_tls(probe)
        await script.greet(probe, EXTERNAL if step == "external" else DIALBACK)
        await probe.element()


async def test_nonsense_is_refused(world: World, gateway: Peer) -> None:
    async with wanted(world, gateway, "nonsense.script.test") as script:
        probe = await script.connection()
        await probe.header()
        await probe.type("HTTP/1.1 400 Bad Request\r\n\r\n")
        assert await probe.error() == "not-well-formed"


# What a receiving server may not do.


async def test_stanzas_that_come_back_on_our_own_stream_are_dropped(world: World, gateway: Peer) -> None:
    domain = "backwards.script.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        component.send_message(f"anybody@{domain}", "Art thou there?")
        probe = await script.established()
        assert (await probe.element()).tag == "{jabber:server}message"
        await probe.type(f"<message from='a@{domain}' to='component.starter.test'><body>forged</body></message>")
        assert await still_works(component, probe, domain)
        assert not component.inbox


async def still_works(component: Component, probe: Probe, domain: str) -> bool:
    """Return whether one more message takes the same stream."""
    component.send_message(f"anybody@{domain}", "Once more")
    return (await probe.element()).findtext("{jabber:server}body") == "Once more"


# Several servers for one domain.


async def test_the_next_server_is_tried_when_one_breaks_off(world: World, gateway: Peer) -> None:
    domain = "two.script.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        spare = world.address()
        world.nameserver.publish(spare, f"spare.{domain}")
        world.nameserver.publish_records(
            {
                f"_xmpp-server._tcp.{domain}": {
                    "SRV": [f"10 0 {SERVER} {domain}", f"20 0 {SERVER} spare.{domain}"],
                    "TTL": 0,
                }
            }
        )
        async with listen(spare, SERVER) as connection:
            component.send_message(f"anybody@{domain}", "Art thou there?")
            (await script.connection()).drop()
            probe = await Script(domain, spare, connection, script.bundle, script.authorities).established()
            assert (await probe.element()).findtext("{jabber:server}body") == "Art thou there?"
