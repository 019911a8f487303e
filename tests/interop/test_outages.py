"""Servers that go away, come back, are not there, or do not answer: what their correspondents hear, and when.

The gateway here has little patience (`connect_seconds`), so that what waits for a stream comes back within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from slixmpp.exceptions import IqError

from tests.interop.clients import Component, attached, condition, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Ejabberd, Gateway, Peer, Prosody
from tests.interop.peers.site import SERVER
from tests.interop.probe import listen
from tests.interop.world import World
from tests.support.sockets import Swallower

CONNECT_SECONDS = 1.0
SLACK = 5.0  # on a busy machine


@pytest.fixture(scope="module")
def hasty(start_all: Starter) -> Peer:
    """A gateway that soon gives up, with a component."""
    options = {"peers": {"any": {"connect_seconds": CONNECT_SECONDS}}}
    return start_all(Gateway, "hasty.test", components={"component.hasty.test": "secret"}, options=options)


async def bounces(component: Component, to: str, count: int = 3) -> list[str]:
    """Send this many messages; the conditions with which they come back, each once and in their order."""
    sent = [component.send_message(to, f"Art thou there? {number}") for number in range(count)]
    errors = [await component.expect_any_message(CONNECT_SECONDS + SLACK) for _ in sent]
    assert [error["id"] for error in errors] == sent
    assert all(error["from"] == to for error in errors)
    return [condition(error) for error in errors]


# Peers that die and live again.


@pytest.mark.parametrize("kind", [Prosody, pytest.param(Ejabberd, marks=pytest.mark.soak)])
async def test_a_server_that_was_killed_is_found_again(start: Starter, hasty: Peer, kind: type[Peer]) -> None:
    mortal = start(kind, f"mortal.{kind.name.lower()}.test")
    tomb = f"romeo@{mortal.site.domains[0]}"
    async with attached(hasty) as component:
        async with user(mortal, "romeo") as romeo:
            component.send_message(tomb, "Wert thou here before?")
            await romeo.expect_message("Wert thou here before?")
        mortal.kill()
        await until(lambda: f"to {mortal.site.domains[0]}" in ended(hasty))
        assert await bounces(component, tomb) == ["remote-server-timeout"] * 3
        mortal.start()
        async with user(mortal, "romeo") as romeo:
            # A stanza from there ends the wait at once, long before the next try.
            romeo.send_message(component.jid, "Here I am")
            await component.expect_message("Here I am")
            component.send_message(romeo.jid, "Welcome back")
            await romeo.expect_message("Welcome back")
            assert await nothing_more(component)


def ended(gateway: Peer) -> str:
    """The log, as far as it tells of streams that have ended."""
    return "\n".join(line for line in gateway.log().splitlines() if ": ended after" in line)


async def nothing_more(component: Component) -> bool:
    """Return whether nothing else has come: what was sent last has overtaken nothing."""
    await component.request("hasty.test", "<ping xmlns='urn:xmpp:ping'/>")
    return not component.inbox


async def test_what_waits_is_delivered_when_the_server_comes_back_in_time(
    world: World, start: Starter, prosody: Peer
) -> None:
    patient = start(Gateway, "patient.test", components={"component.patient.test": "secret"})
    late = start(Prosody, "late.test")
    late.stop()
    async with attached(patient) as component:
        lost = component.send_message("romeo@late.test", "Too early")
        assert await component.expect_error(lost) == "remote-server-timeout"
        component.send_message("romeo@late.test", "Just in time")  # waits, since it has failed a moment ago
        late.start()
        async with user(late, "romeo") as romeo:
            # A sign of life towards one of our domains is one for all of them.
            romeo.send_message("anybody@patient.test", "I am back")
            await romeo.expect_message("I am back")
            await romeo.expect_message("Just in time")


async def test_an_open_request_is_answered_when_the_server_dies(start: Starter, hasty: Peer) -> None:
    mortal = start(Prosody, "dying.test")
    async with attached(hasty) as component:
        async with user(mortal, "romeo") as romeo:
            romeo.mute()
            asked = asyncio.create_task(component.request(romeo.jid, "<query xmlns='urn:example:slow'/>", timeout=20))
            await romeo.expect(lambda stanza: stanza["type"] == "get")
            mortal.kill()
        with pytest.raises(IqError) as error:
            await asked
        assert condition(error.value.iq) == "remote-server-timeout"


async def test_a_server_that_was_paused_gets_everything_in_order(start: Starter, hasty: Peer) -> None:
    slow = start(Prosody, "slow.test")
    async with attached(hasty) as component, user(slow, "romeo") as romeo:
        component.send_message(romeo.jid, "Awake")
        await romeo.expect_message("Awake")
        slow.pause()
        bodies = [f"Sleepest thou? {number}" for number in range(50)]
        for body in bodies:
            component.send_message(romeo.jid, body)
        slow.resume()
        assert [(await romeo.expect_any_message())["body"] for _ in bodies] == bodies


async def test_a_stream_on_which_nothing_passes_is_closed_and_opened_again(start: Starter, peer: Peer) -> None:
    domain = peer.site.domains[0]
    lazy = f"lazy.{domain}"
    options = {"peers": {"any": {"idle_seconds": 1}}}
    ours = start(Gateway, lazy, components={f"component.{lazy}": "secret"}, options=options)
    async with attached(ours) as component, user(peer, "romeo") as romeo:
        for nights, body in enumerate(("Good night", "Good morrow"), 1):
            component.send_message(romeo.jid, body)
            await romeo.expect_message(body)
            await until(lambda nights=nights: ended(ours).count(f"from {component.jid} to {domain}") == nights)
    assert "may not have arrived" not in ours.log()


async def until(condition: Callable[[], bool]) -> None:
    """Let others go on until it holds."""
    async with asyncio.timeout(SLACK):
        while not condition():
            await asyncio.sleep(0.02)


# Domains that lead nowhere.


async def test_a_domain_without_dns_is_not_found_at_once(hasty: Peer) -> None:
    async with attached(hasty) as component:
        for _ in range(2):  # nor is it the second time, when it is known already
            assert await bounces(component, "anybody@nowhere.test") == ["remote-server-not-found"] * 3
    assert "no-such-domain" in hasty.log()


async def test_a_domain_that_says_it_has_no_server_is_not_found(world: World, hasty: Peer) -> None:
    world.nameserver.publish("127.0.0.1", "silent.test")
    none = {"SRV": ["0 0 0 ."]}
    world.nameserver.publish_records({f"_{name}._tcp.silent.test": none for name in ("xmpp-server", "xmpps-server")})
    async with attached(hasty) as component:
        assert await bounces(component, "anybody@silent.test") == ["remote-server-not-found"] * 3


async def test_a_refused_connection_is_a_timeout_to_the_sender(world: World, hasty: Peer) -> None:
    world.nameserver.publish(world.address(), "closed.test")
    async with attached(hasty) as component:
        assert await bounces(component, "anybody@closed.test") == ["remote-server-timeout"] * 3
    assert any("to closed.test" in line and "refused" in line for line in hasty.log().splitlines())


async def test_what_a_firewall_swallows_comes_back_in_time(world: World, hasty: Peer, firewall: str) -> None:
    world.nameserver.publish(firewall, "walled.test")
    async with attached(hasty) as component:
        assert await bounces(component, "anybody@walled.test") == ["remote-server-timeout"] * 3
    assert any("to walled.test" in line and "no-answer" in line for line in hasty.log().splitlines())


async def test_a_server_that_says_nothing_is_given_up_in_time(world: World, hasty: Peer) -> None:
    address = world.address()
    world.nameserver.publish(address, "mute.test")
    async with listen(address, SERVER) as connection, attached(hasty) as component:
        sent = asyncio.create_task(bounces(component, "anybody@mute.test"))
        probe = await connection()
        assert (await probe.header()).get("to") == "mute.test"
        assert await sent == ["remote-server-timeout"] * 3
        assert not await probe.ended()
    assert any("to mute.test" in line and "timeout" in line for line in hasty.log().splitlines())


@pytest.fixture
def firewall(world: World) -> Iterator[str]:
    """An address at which nobody answers: its queue of connections is full, so the kernel drops what comes."""
    address = world.address()
    with Swallower(address, SERVER):
        yield address
