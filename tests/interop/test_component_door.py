"""The door for components, tried by hand: who gets in, and which of two keeps the domain (XEP-0114)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.interop.clients import user
from tests.interop.peers import Peer
from tests.interop.peers.site import COMPONENT as PORT
from tests.interop.probe import COMPONENT, Probe, component_header, dial

DOMAIN, SECRET = "component.gateway.test", "secret"
HANDSHAKE = f"{{{COMPONENT}}}handshake"
ECHO = "anybody@gateway.test"


@asynccontextmanager
async def attached(gateway: Peer, domain: str = DOMAIN) -> AsyncIterator[Probe]:
    """A component that has been let in, and whose domain is free again afterwards."""
    async with dial(gateway.address, PORT) as probe:
        assert (await probe.attach(domain, SECRET)).tag == HANDSHAKE
        yield probe
        await probe.type("</stream:stream>")
        assert await probe.ended()


def message(body: str, to: str = ECHO, sender: str = DOMAIN, more: str = "") -> str:
    return f"<message from='{sender}' to='{to}' {more}><body>{body}</body></message>"


async def test_who_knows_the_secret_is_let_in(gateway: Peer) -> None:
    async with attached(gateway) as probe:
        await probe.type(message("Ay me!"))
        assert (await probe.element()).findtext(f"{{{COMPONENT}}}body") == "Ay me!"


async def test_a_wrong_secret_is_not_authorized(gateway: Peer) -> None:
    async with dial(gateway.address, PORT) as probe:
        refusal = await probe.attach(DOMAIN, "guess")
        assert "not-authorized" in probe.received.decode()
        assert refusal.tag.endswith("}error")
        await probe.type("</stream:stream>")
        assert await probe.ended()
    assert any("wrong-secret" in line and DOMAIN in line for line in gateway.log().splitlines())


@pytest.mark.parametrize("domain", ["nobody.test", "gateway.test", "sub.component.gateway.test"])
async def test_a_domain_without_a_component_is_unknown(gateway: Peer, domain: str) -> None:
    async with dial(gateway.address, PORT) as probe:
        await probe.type(component_header(domain))
        assert await probe.error() == "host-unknown"


async def test_stanzas_in_the_namespace_of_clients_are_taken(gateway: Peer) -> None:
    async with attached(gateway) as probe:
        await probe.type(f"<message xmlns='jabber:client' from='{DOMAIN}' to='{ECHO}'><body>Ay me!</body></message>")
        assert (await probe.element()).findtext(f"{{{COMPONENT}}}body") == "Ay me!"


async def test_a_stanza_without_to_is_answered(gateway: Peer) -> None:
    async with attached(gateway) as probe:
        await probe.type(f"<message from='{DOMAIN}' id='1'><body>Ay me!</body></message>")
        answer = await probe.element()
        assert (answer.get("type"), answer.get("id")) == ("error", "1")
        assert "bad-request" in probe.received.decode()


async def test_a_malformed_to_is_answered(gateway: Peer) -> None:
    async with attached(gateway) as probe:
        await probe.type(message("Ay me!", to="@", more="id='1'"))
        answer = await probe.element()
        assert (answer.get("type"), answer.get("id"), answer.get("from")) == ("error", "1", DOMAIN)
        assert "jid-malformed" in probe.received.decode()


# One domain, two connections.


async def test_the_second_is_refused_while_the_first_shows_life(gateway: Peer) -> None:
    async with attached(gateway) as first, dial(gateway.address, PORT) as second:
        await second.type_handshake(DOMAIN, SECRET)
        ping = await first.element()
        await first.type(f"<iq type='result' from='{DOMAIN}' to='{DOMAIN}' id='{ping.get('id')}'/>")
        assert await second.error() == "conflict"
        await first.type(message("Still here"))
        assert (await first.element()).findtext(f"{{{COMPONENT}}}body") == "Still here"


async def test_the_second_takes_over_when_the_first_is_half_dead(gateway: Peer, prosody: Peer) -> None:
    async with dial(gateway.address, PORT) as first, dial(gateway.address, PORT) as second:
        await first.attach(DOMAIN, SECRET)
        assert (await second.attach(DOMAIN, SECRET)).tag == HANDSHAKE  # after the seconds given for a sign of life
        assert await first.error() == "conflict"
        async with user(prosody, "romeo") as romeo:
            romeo.send_message(f"nurse@{DOMAIN}", "Which of you is it?")
            assert (await second.element()).findtext(f"{{{COMPONENT}}}body") == "Which of you is it?"
        await second.type("</stream:stream>")
        assert await second.ended()


async def test_the_domain_is_free_as_soon_as_the_first_is_gone(gateway: Peer) -> None:
    for _ in range(3):
        async with attached(gateway):
            pass


async def test_who_waits_for_the_domain_has_it_when_the_first_goes(gateway: Peer) -> None:
    async with dial(gateway.address, PORT) as second:
        async with attached(gateway) as first:
            await second.type_handshake(DOMAIN, SECRET)
            await first.element()  # the question for a sign of life
        assert (await second.element()).tag == HANDSHAKE
        await second.type("</stream:stream>")
        assert await second.ended()


async def test_what_comes_after_the_end_of_its_stream_is_answered_for_a_component(gateway: Peer, prosody: Peer) -> None:
    async with dial(gateway.address, PORT) as probe, user(prosody, "romeo") as romeo:
        await probe.attach(DOMAIN, SECRET)
        await probe.type("<nonsense/>")
        assert await probe.error() == "unsupported-stanza-type"  # its own closing tag is still to come
        lost = romeo.send_message(f"nurse@{DOMAIN}", "Art thou there?")
        assert await romeo.expect_error(lost) == "remote-server-timeout"
