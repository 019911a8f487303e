"""DANE on the wire (RFC 7673): a signed zone, a real unbound that checks it, our gateway on either side.

The servers of the zone are made before it, since the records speak of their certificates and addresses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.net.certificates.dane import association
from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter, require_installed
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import SERVER
from tests.interop.probe import StreamEndedError, client_tls, dial, listen
from tests.interop.scripted import EXTERNAL, Script
from tests.interop.validator import Validator
from tests.interop.world import World
from tests.support.throwaway_ca import Authority, Issued, self_signed

ISLAND = Authority.create("An island's CA")
OTHER = self_signed("other.test")


def tlsa(parameters: str, issued: Issued, at: int = 0) -> str:
    """A record of these three numbers about a certificate of a chain."""
    usage, selector, matching = map(int, parameters.split())
    return f"{usage} {selector} {matching} {association(issued.chain[at], selector, matching).hex()}"


def on_an_island(name: str) -> Issued:
    issued = ISLAND.issue(name)
    return Issued(chain=(*issued.chain, ISLAND.certificate), key=issued.key)


@dataclass(frozen=True)
class Home:
    """A domain of the zone: its address, its certificate, and its records."""

    domain: str
    address: str
    issued: Issued
    bundle: Path
    records: Mapping[str, Any]


def homes(world: World) -> Iterator[Home]:
    """Every domain of the tests."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    trusted = world.authority.issue

    def home(label: str, issued: Issued, *records: str, zone: str = "signed.test", **more: Any) -> Home:
        domain = f"{label}.{zone}"
        address = world.address()
        entries: dict[str, Any] = {
            domain: {"A": [address]},
            f"_xmpp-server._tcp.{domain}": {"SRV": [f"10 0 {SERVER} {domain}"]},
        }
        if records:
            entries[f"_{SERVER}._tcp.{domain}"] = {"TLSA": list(records), **more}
        return Home(domain, address, issued, world.bundle(issued), entries)

    def by_key(label: str, issued: Issued, parameters: str = "3 1 1", **more: Any) -> Home:
        return home(label, issued, tlsa(parameters, issued), **more)

    root = Issued(chain=(ISLAND.certificate,), key=ISLAND.issued.key)
    yield by_key("selfsigned", self_signed("selfsigned.signed.test"))
    yield by_key("expired", world.authority.issue("expired.signed.test", ends=yesterday))
    yield by_key("misnamed", self_signed("elsewhere.test"), "3 1 2")
    yield home("wrong", trusted("wrong.signed.test"), tlsa("3 1 1", OTHER))
    yield home(
        "island",
        on_an_island("island.signed.test"),
        tlsa("2 0 1", root),
    )
    yield home(
        "stranger",
        on_an_island("elsewhere.test"),
        tlsa("2 0 1", root),
    )
    yield home("useless", trusted("useless.signed.test"), "3 1 9 00")
    yield by_key("broken", self_signed("broken.signed.test"), BROKEN=True)
    yield by_key("inward", self_signed("inward.signed.test"))
    yield home("unsigned", trusted("unsigned.plain.test"), tlsa("3 1 1", OTHER), zone="plain.test")


@dataclass(frozen=True)
class Net:
    """The zone's resolver, its domains, and a gateway that asks it."""

    world: World
    validator: Validator
    homes: Mapping[str, Home]
    gateway: Peer

    @asynccontextmanager
    async def script(self, label: str) -> AsyncIterator[Script]:
        """The server of a domain, played by a test."""
        home = self.homes[label]
        async with listen(home.address, SERVER) as connection:
            yield Script(home.domain, home.address, connection, home.bundle, self.world.authorities)


@pytest.fixture(scope="module")
def net(world: World, start_all: Starter) -> Iterator[Net]:
    require_installed(Validator)
    made = {home.domain.partition(".")[0]: home for home in homes(world)}
    zones: dict[str, dict[str, Any]] = {"signed.test": {}, "plain.test": {}}
    for home in made.values():
        zones[home.domain.partition(".")[2]].update(home.records)
    with Validator(world, {"signed.test": zones["signed.test"]}, {"plain.test": zones["plain.test"]}) as validator:
        yield Net(world, validator, made, asking(start_all, "asking.test", validator))


def asking(start: Starter, domain: str, validator: Validator, **dns: Any) -> Peer:
    """A gateway whose nameserver is that one."""
    options = {
        "peers": {"any": {"authenticate": ["external", "dane", "dialback"], "connect_seconds": 5.0}},
        "dns": dns,
    }
    return start(Gateway, domain, components={f"component.{domain}": "secret"}, options=options, view=validator)


async def delivered(net: Net, label: str, gateway: Peer | None = None) -> str:
    """Have a message delivered to a domain, and return the line that says how the stream was established."""
    gateway = gateway or net.gateway
    async with net.script(label) as script, attached(gateway) as component:
        component.send_message(f"anybody@{script.domain}", "Art thou there?")
        element = await (await script.established()).element()
        assert element.findtext("{jabber:server}body") == "Art thou there?"
    (line,) = gateway.logged(f"to {script.domain}", "established")
    return line


async def refused(net: Net, label: str) -> str:
    """Have a message refused, and return the line that says why."""
    async with net.script(label) as script, attached(net.gateway) as component:
        lost = component.send_message(f"anybody@{script.domain}", "Art thou there?")
        probe = await script.encrypted(EXTERNAL)
        assert await probe.error() == "not-authorized"
        assert b"<auth" not in probe.received
        assert await component.expect_error(lost) == "remote-server-timeout"
    return net.gateway.logged(f"to {script.domain}", "failed")[-1]


@pytest.mark.parametrize(
    ("label", "record"),
    [("selfsigned", "3 1 1"), ("expired", "3 1 1"), ("misnamed", "3 1 2"), ("island", "2 0 1")],
)
async def test_a_server_is_proved_by_its_record(net: Net, label: str, record: str) -> None:
    line = await delivered(net, label)
    assert f"proves {label}.signed.test by TLSA {record} of _{SERVER}._tcp.{label}.signed.test" in line


async def test_a_certificate_that_no_record_names_is_refused_whatever_an_authority_says(net: Net) -> None:
    line = await refused(net, "wrong")
    assert "not-in-tlsa" in line
    assert "are about another certificate (3 1 1: no match)" in line


async def test_the_certificate_of_a_named_authority_has_to_have_the_name(net: Net) -> None:
    line = await refused(net, "stranger")
    assert "2 0 1: the certificate is not for stranger.signed.test, but for elsewhere.test" in line


async def test_records_in_an_unsigned_zone_are_ignored(net: Net) -> None:
    assert "TLSA" not in await delivered(net, "unsigned")


async def test_records_that_nobody_can_use_leave_authorities_and_require_tls(net: Net) -> None:
    line = await delivered(net, "useless")
    assert "certificate proves useless.signed.test" in line
    assert "by TLSA" not in line


async def test_a_server_with_bogus_records_is_never_dialled(net: Net) -> None:
    async with net.script("broken") as script, attached(net.gateway) as component:
        lost = component.send_message(f"anybody@{script.domain}", "Art thou there?")
        assert await component.expect_error(lost) == "remote-server-timeout"
    (line,) = net.gateway.logged("to broken.signed.test", "dns-bogus")
    assert "TLSA records cannot be obtained" in line
    assert "bogus" in line


async def test_the_word_of_a_resolver_that_is_not_believed_does_not_count(net: Net, start: Starter) -> None:
    """As one elsewhere than on loopback, which `validating = false` says about this one."""
    gateway = asking(start, "doubting.test", net.validator, validating=False)
    async with net.script("selfsigned") as script, attached(gateway) as component:
        component.send_message(f"anybody@{script.domain}", "Art thou there?")
        await (await script.encrypted(EXTERNAL)).element()
    (line,) = gateway.logged("to selfsigned.signed.test", "self-signed")
    assert "TLSA" not in line


# -- inward ------------------------------------------------------------------------------------------------------------


async def test_a_caller_is_proved_by_its_record_until_it_is_gone(net: Net) -> None:
    home = net.homes["inward"]
    async with dial(net.gateway.address, SERVER) as probe:
        await probe.prove(client_tls(home.bundle), home.domain, "component.asking.test")
    (line,) = net.gateway.logged("from inward.signed.test", "established")
    assert f"proves inward.signed.test by TLSA 3 1 1 of _{SERVER}._tcp.inward.signed.test" in line
    assert "proof by dane" in line

    net.validator.signed["signed.test"].pop(f"_{SERVER}._tcp.inward.signed.test")  # type: ignore[attr-defined]
    net.validator.restart()
    net.gateway.operate("retry", home.domain)  # which forgets what the DNS has said
    async with dial(net.gateway.address, SERVER) as probe:
        with pytest.raises(StreamEndedError, match="not let in"):
            await probe.prove(client_tls(home.bundle), home.domain, "component.asking.test")


# -- a real server on the other side -----------------------------------------------------------------------------------


async def test_prosody_with_a_certificate_of_its_own_is_proved_both_ways(net: Net, start: Starter) -> None:
    domain = "prosody.signed.test"
    issued = self_signed(domain)
    theirs = start(Prosody, domain, certificate=issued)
    zone: dict[str, Any] = net.validator.signed["signed.test"]  # type: ignore[assignment]
    zone[domain] = {"A": [theirs.address]}
    zone[f"_xmpp-server._tcp.{domain}"] = {"SRV": [f"10 0 {SERVER} {domain}"]}
    zone[f"_{SERVER}._tcp.{domain}"] = {"TLSA": [tlsa("3 1 1", issued)]}
    net.validator.restart()
    async with user(theirs, "romeo") as romeo:
        romeo.send_message("anybody@asking.test", "Ay me!")
        await romeo.expect_message("Ay me!")
    assert net.gateway.logged(f"to {domain}", "established", f"proves {domain} by TLSA 3 1 1")
    assert net.gateway.logged(f"from {domain}", "established", "proof by dane")
