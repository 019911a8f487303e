"""F-C-3: while the DNS has not told where a domain's servers are, nothing that is met says that there are none."""

from __future__ import annotations

import pytest

from gateway.federation.delivery_failures import NOT_THERE, OUT_OF_REACH, UNWILLING, DeliveryFailed, Told, combined
from tests.hardening.refusals import start_gateway
from tests.interop.clients import Stanza, attached, condition
from tests.interop.fixtures import Starter
from tests.interop.peers import Peer
from tests.interop.peers.ports import usual
from tests.interop.probe import STREAM_ERRORS, listen
from tests.interop.scripted import CLOSE, Script
from tests.interop.world import World

STREAMS = STREAM_ERRORS[1:-1]


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    return start_gateway(start_all, "hearing.test")


async def answer(gateway: Peer, domain: str) -> tuple[str, str]:
    """Type and condition of the error that answers a message to the domain."""
    async with attached(gateway) as component:
        lost = component.send_message(f"anybody@{domain}", "Art thou there?")
        error = await component.expect(lambda stanza: stanza["type"] == "error" and stanza["id"] == lost)
        return told(error)


def told(stanza: Stanza) -> tuple[str, str]:
    """Type and condition of an error."""
    error = stanza.xml.find("{*}error")
    assert error is not None
    return error.get("type"), condition(stanza)


def publish(world: World, domain: str, services: object) -> str:
    """Records of a domain whose own address is known."""
    address = world.address()
    names = (f"_xmpp-server._tcp.{domain}", f"_xmpps-server._tcp.{domain}")
    records = {} if services is None else dict.fromkeys(names, services)
    world.nameserver.publish_records({domain: {"A": [address]}, **records})
    return address


@pytest.mark.parametrize(
    ("name", "services", "expected"),
    [
        ("silent", {"SRV": "SILENT"}, ("wait", "remote-server-timeout")),
        ("failing", {"SRV": "SERVFAIL"}, ("wait", "remote-server-timeout")),
        ("absent", None, ("cancel", "remote-server-not-found")),
    ],
)
async def test_a_refused_connection(
    world: World, gateway: Peer, name: str, services: object, expected: tuple[str, str]
) -> None:
    """Say `wait` when the domain's own address refuses, unless the DNS knows that there are no other servers."""
    domain = f"{name}-refused.script.test"
    publish(world, domain, services)
    assert await answer(gateway, domain) == expected


@pytest.mark.parametrize(
    ("name", "services", "expected"),
    [
        ("silent", {"SRV": "SILENT"}, ("wait", "remote-server-timeout")),
        ("failing", {"SRV": "SERVFAIL"}, ("wait", "remote-server-timeout")),
        ("absent", None, ("cancel", "remote-server-not-found")),
    ],
)
async def test_a_host_that_is_unknown(
    world: World, gateway: Peer, name: str, services: object, expected: tuple[str, str]
) -> None:
    """Say `wait` when the server at the domain's own address does not know it, under the same condition."""
    domain = f"{name}-unknown.script.test"
    address = publish(world, domain, services)
    async with listen(address, usual(5269)) as connection:
        script = Script(domain, address, connection, world.authorities, world.authorities)

        async def refuse() -> None:
            probe = await script.connection()
            await script.answer(probe)
            await probe.type(f"<stream:error><host-unknown xmlns='{STREAMS}'/></stream:error>{CLOSE}")

        async with attached(gateway) as component:
            lost = component.send_message(f"anybody@{domain}", "Art thou there?")
            await refuse()
            error = await component.expect(lambda stanza: stanza["type"] == "error" and stanza["id"] == lost)
            assert told(error) == expected


@pytest.mark.parametrize(
    ("each_told", "definite", "expected"),
    [
        ([NOT_THERE], True, NOT_THERE),
        ([NOT_THERE], False, OUT_OF_REACH),
        ([NOT_THERE, NOT_THERE], True, NOT_THERE),
        ([NOT_THERE, OUT_OF_REACH], True, OUT_OF_REACH),
        ([OUT_OF_REACH, NOT_THERE], True, OUT_OF_REACH),
        ([NOT_THERE, UNWILLING], True, UNWILLING),
        ([UNWILLING, OUT_OF_REACH], True, OUT_OF_REACH),
    ],
)
def test_the_most_hopeful_server_decides(each_told: list[Told], definite: bool, expected: Told) -> None:
    """Tell the sender what the most hopeful of a domain's servers leaves to hope for."""
    failures = [DeliveryFailed(f"reason {number}", each) for number, each in enumerate(each_told)]
    failure = combined(failures, definite=definite)
    assert failure.told is expected
    assert failure.reason == "; then ".join(f"reason {number}" for number in range(len(each_told)))
