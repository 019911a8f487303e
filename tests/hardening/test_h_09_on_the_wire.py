"""H-09: one of our domains is nobody's name outside, however it is spelled: in headers, in dialback, in stanzas."""

from __future__ import annotations

import pytest

from gateway.xmpp.addresses import Domain, to_ascii
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World
from tests.support.addresses import other_spellings

HANDLED, COMPONENT, BELOW = (
    Domain("gâteau.test"),
    Domain("component.gâteau.test"),
    Domain("below.component.gâteau.test"),
)
SPELLINGS = [
    spelling
    for domain in (HANDLED, COMPONENT, BELOW)
    for spelling in (
        domain,
        *other_spellings(domain),
        f"user@{domain}",
        f"{domain}/resource",
        f"User@{domain.upper()}/a",
    )
]


@pytest.fixture(scope="module")
def bakery(world: World, start_all: Starter) -> Peer:
    """A gateway for a domain that can be spelled in many ways."""
    certificate = world.authority.issue(to_ascii(HANDLED), to_ascii(COMPONENT))
    return start_all(Gateway, HANDLED, components={COMPONENT: "secret"}, certificate=certificate)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_as_the_name_in_a_header(bakery: Peer, spelling: str) -> None:
    async with dial(bakery.address, SERVER) as probe:
        await probe.open(spelling, HANDLED)
        assert await probe.error() == "invalid-from"


async def test_as_the_sender_domain_in_dialback_and_of_stanzas(world: World, bakery: Peer) -> None:
    context = client_tls(world.bundle(world.authority.issue("probe.test")))
    for spelling in SPELLINGS:
        for forged in (
            f"<db:result from='{spelling}' to='{HANDLED}'>0123</db:result>",
            f"<message from='{spelling}' to='{HANDLED}'/>",
        ):
            async with dial(bakery.address, SERVER) as probe:
                await probe.prove(context, "probe.test", HANDLED)
                await probe.type(forged)
                assert await probe.error() in ("invalid-from", "improper-addressing"), forged


async def test_our_own_certificate_does_not_help(bakery: Peer) -> None:
    """Somebody who has stolen it is still somebody outside."""
    stolen = bakery.site.certificates[HANDLED]
    async with dial(bakery.address, SERVER) as probe:
        await probe.open("probe.test", HANDLED)
        await probe.element()
        await probe.secure(client_tls(stolen), to_ascii(HANDLED))
        await probe.open(HANDLED, COMPONENT)
        assert await probe.error() == "invalid-from"
