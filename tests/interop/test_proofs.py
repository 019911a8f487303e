"""How the gateway and another server prove themselves to each other, each way round (XEP-0178, XEP-0220, XEP-0368).

A user of the other server speaks to our echo service: their stream to us carries the words, ours to them the echo. So
one conversation needs both proofs, and each side's log says by which means it let the other in.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.interop.clients import user
from tests.interop.fixtures import Starter
from tests.interop.peers import Ejabberd, Gateway, Peer, Prosody
from tests.interop.peers.gateway import ECHO
from tests.interop.peers.site import SERVER_TLS
from tests.interop.world import World
from tests.support.throwaway_ca import Authority, Issued, self_signed

CLOSED_PORT = 9
# What we log of a certificate, and of a stream in clear, is the same for every peer, and an ejabberd is slow to start.
# How it proves itself by dialback is shown by the one that all tests share.
SLOW = pytest.mark.soak


def expired(authority: Authority, domain: str) -> Issued:
    return authority.issue(domain, ends=datetime.now(UTC) - timedelta(hours=1))


def for_another_name(authority: Authority, _: str) -> Issued:
    return authority.issue("another.test")


def by_an_unknown_issuer(_: Authority, domain: str) -> Issued:
    return self_signed(domain)


BAD = {"expired": expired, "misnamed": for_another_name, "unknown": by_an_unknown_issuer}
WHY = {"expired": "expired", "misnamed": "but for another.test", "unknown": "self-signed"}


async def converse(echo: str, theirs: Peer) -> None:
    """A user there says something to one of our echo services, and hears it."""
    async with user(theirs, "romeo") as romeo:
        romeo.send_message(f"anybody@{echo}", "Ay me!")
        await romeo.expect_message("Ay me!")


def proofs(ours: Peer, theirs: Peer) -> tuple[set[str], set[str]]:
    """By which means we have let them in, and they us."""
    return set(ours.proofs(theirs.site.domains[0])), set(theirs.proofs(ours.site.domains[0]))


async def test_certificates_prove_both_sides(start: Starter, peer: Peer) -> None:
    ours = start(Gateway, f"good.{peer.site.domains[0]}")
    await converse(ours.site.domains[0], peer)
    assert proofs(ours, peer) == ({"external"}, {"external"})
    assert f"certificate proves {peer.site.domains[0]}" in ours.log()


async def test_direct_tls_carries_streams_both_ways(world: World, start: Starter, peer: Peer) -> None:
    ours = start(Gateway, "direct.test", direct_tls=True)
    # Without a port for STARTTLS, every connection that arrives uses direct TLS.
    world.nameserver.publish_records({"_xmpp-server._tcp.direct.test": {"SRV": [f"20 0 {CLOSED_PORT} direct.test"]}})
    await converse(ours.site.domains[0], peer)
    assert proofs(ours, peer) == ({"external"}, {"external"})
    assert f"to {peer.site.domains[0]} ({peer.address}:{SERVER_TLS})" in ours.log()


@pytest.mark.parametrize("bad", ["expired", "unknown"])
async def test_dialback_proves_us_when_our_certificate_does_not(
    world: World, start: Starter, peer: Peer, bad: str
) -> None:
    domain = f"{bad}-here.{peer.site.domains[0]}"
    start(Gateway, domain, certificate=BAD[bad](world.authority, domain))
    await converse(domain, peer)
    assert set(peer.proofs(domain)) == {"dialback"}


async def test_dialback_proves_a_domain_of_ours_that_has_no_certificate_of_its_own(
    world: World, start: Starter, peer: Peer
) -> None:
    domain = f"misnamed-here.{peer.site.domains[0]}"
    ours = start(Gateway, "another.test", options={"domains": {domain: {"serve": ECHO}}})
    world.nameserver.publish(ours.address, domain)
    await converse(domain, peer)
    assert set(peer.proofs(domain)) == {"dialback"}


@pytest.mark.parametrize(
    ("kind", "bad"),
    [*((Prosody, bad) for bad in BAD), *(pytest.param(Ejabberd, bad, marks=SLOW) for bad in BAD)],
)
async def test_dialback_proves_them_when_their_certificate_does_not(
    world: World, start: Starter, gateway: Peer, kind: type[Peer], bad: str
) -> None:
    domain = f"{bad}-there.{kind.name.lower()}.test"
    theirs = start(kind, domain, certificate=BAD[bad](world.authority, domain))
    await converse("gateway.test", theirs)
    assert proofs(gateway, theirs)[0] == {"dialback"}
    assert any(domain in line and WHY[bad] in line for line in gateway.log().splitlines())
    looks_unproved(gateway, domain, WHY[bad])


async def test_dialback_proves_them_where_we_do_not_know_their_authority(
    start: Starter, peer: Peer, tmp_path: Path
) -> None:
    authorities = Authority.create("another").save(tmp_path / "authorities.pem")
    domain = f"knows-nobody.{peer.site.domains[0]}"
    ours = start(Gateway, domain, options={"tls": {"authorities": str(authorities)}})
    await converse(domain, peer)
    assert proofs(ours, peer) == ({"dialback"}, {"external"})


def looks_unproved(gateway: Peer, domain: str, why: str) -> None:
    """Its certificate proves nothing, so on one of our streams to it nothing but its address does: wherever one
    looks.
    """
    assert isinstance(gateway, Gateway)
    explained = gateway.ask("explain", domain=domain)
    streams = [each for each in explained["streams"] if each["kind"] == "server"]
    proofs = {each["direction"]: (each["they_to_us"], each["certificate_fault"]) for each in streams}
    assert proofs["in"][0] == "dialback"
    assert proofs["out"][0] == "address"
    assert why in proofs["out"][1]
    assert explained["peer"]["they_to_us"] == "address"
    line = next(line for line in gateway.log().splitlines() if f"to {domain} (" in line and ") established " in line)
    assert "they to us: the address alone" in line
    assert why in line
    found = gateway.operate("explain", domain)
    assert "they to us: the address alone" in found


@pytest.mark.parametrize("kind", [Prosody, pytest.param(Ejabberd, marks=SLOW)])
async def test_dialback_serves_without_tls_where_both_allow_it(start: Starter, gateway: Peer, kind: type[Peer]) -> None:
    theirs = start(kind, f"plain.{kind.name.lower()}.test", starttls=False)
    await converse("gateway.test", theirs)
    assert proofs(gateway, theirs) == ({"dialback"}, {"dialback"})
