"""Feature 4-3: certificates are validated by path and by name, on streams of either side (RFC 6120 §13.7, RFC 9525)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import SASL, client_tls, dial
from tests.interop.scripted import EXTERNAL, scripted
from tests.interop.world import World
from tests.support.throwaway_ca import Authority, Issued, self_signed

PAST = datetime.now(UTC) - timedelta(hours=1)
GOOD = {
    "name": lambda authority, domain: authority.issue(domain),
    "wildcard": lambda authority, domain: authority.issue(f"*.{domain.partition('.')[2]}"),
}
BAD = {
    "expired": lambda authority, domain: authority.issue(domain, ends=PAST),
    "other-name": lambda authority, domain: authority.issue("other.test"),
    "wide-wildcard": lambda authority, domain: authority.issue("*.test"),
    "other-issuer": lambda authority, domain: Authority.create("Somebody").issue(domain),
    "self-signed": lambda authority, domain: self_signed(domain),
}


@pytest.fixture(scope="module")
def strict(start_all: Starter) -> Peer:
    """A gateway for which certificates are everything."""
    return start_all(Gateway, "strict-4-3.test", components={"c.strict-4-3.test": "secret"}, require_certificates=True)


def issued(world: World, kind: str, domain: str) -> Issued:
    return {**GOOD, **BAD}[kind](world.authority, domain)


@pytest.mark.parametrize("kind", [*GOOD, *BAD])
async def test_of_who_comes_to_us(world: World, strict: Peer, kind: str) -> None:
    domain = f"{kind}.coming.test"
    async with dial(strict.address, SERVER) as probe:
        await probe.open(domain, "strict-4-3.test")
        await probe.element()
        await probe.secure(client_tls(world.bundle(issued(world, kind, domain))), "strict-4-3.test")
        await probe.open(domain, "strict-4-3.test")
        if kind in BAD:
            assert await probe.error() == "not-authorized"
        else:
            await probe.element()
            assert (await probe.authenticate(domain)).tag == f"{{{SASL}}}success"


@pytest.mark.parametrize("kind", [*GOOD, *BAD])
async def test_of_whom_we_go_to(world: World, strict: Peer, kind: str) -> None:
    domain = f"{kind}.going.test"
    async with scripted(world, domain, issued(world, kind, domain)) as script, attached(strict) as component:
        lost = component.send_message(f"anybody@{domain}", "A secret")
        if kind in BAD:
            probe = await script.encrypted(EXTERNAL)
            assert await probe.error() == "not-authorized"
            assert await component.expect_error(lost) == "remote-server-timeout"
        else:
            probe = await script.established()
            assert (await probe.element()).findtext("{jabber:server}body") == "A secret"
