"""What an inspection asks the DNS, of a real nameserver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.findings.facts import LookedUp, SeenDomain, SeenNames
from gateway.findings.names import about_services
from gateway.findings.table import FindingId
from gateway.inspection.names import MOST_ADDRESSES, NameInspector
from gateway.net.dns.system_names import parse_nameserver
from gateway.xmpp.addresses import Domain
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor

SIX = [f"2001:db8::{number}" for number in range(1, 10)]
FOUR = [f"192.0.2.{number}" for number in range(1, 10)]
HOST = "xmpp.example.test"


def seen(
    domain: str,
    *zones: dict[str, Any],
    connect: str | None = None,
    hosts: Mapping[str, tuple[str, ...]] = {},
) -> SeenNames:
    """Return what nameservers with these zones say about a domain."""

    async def scenario() -> SeenNames:
        servers = [NameServer(zone) for zone in zones]
        for server in servers:
            await server.start(running_reactor())
        asked = [parse_nameserver(server.address) for server in servers]
        try:
            inspector = NameInspector(running_reactor(), lambda: asked, hosts=lambda: hosts)
            return (await inspector.look(domain, connect)).names
        finally:
            for server in servers:
                await server.stop()

    return run_in_reactor(scenario)


def found(names: SeenNames) -> list[FindingId]:
    return [each.id for each in about_services(SeenDomain(domain=Domain("example.test"), names=names))]


def test_many_addresses_of_one_family_do_not_hide_those_of_the_other() -> None:
    zone = {HOST: {"A": FOUR, "AAAA": SIX}}
    (server,) = seen("example.test", zone, connect=f"tls:{HOST}:5270").servers
    assert (server.host, server.port, server.tls) == (HOST, 5270, "direct")
    for of_family in (SIX, FOUR):
        assert len({*server.addresses} & {*of_family}) == MOST_ADDRESSES


def test_a_configured_name_without_an_address_is_a_finding() -> None:
    absent = seen("example.test", {}, connect=f"tcp:{HOST}:5269")
    assert found(absent) == [FindingId.NO_ADDRESS]
    failing = seen("example.test", {HOST: "SERVFAIL"}, connect=f"tcp:{HOST}:5269")
    assert found(failing) == [FindingId.DNS_SILENT]
    assert found(seen("example.test", {HOST: {"A": FOUR}}, connect=f"tcp:{HOST}:5269")) == []


def test_a_configured_address_is_not_asked_for() -> None:
    for host, address in (("192.0.2.7", "192.0.2.7"), ("[2001:db8::7]", "2001:db8::7")):
        (server,) = seen("example.test", connect=f"tcp:{host}:5269").servers
        assert server.addresses == (address,)


def test_the_hosts_file_goes_before_the_dns() -> None:
    names = seen("example.test", {HOST: {"A": FOUR}}, connect=f"tcp:{HOST}:5269", hosts={HOST: ("192.0.2.9",)})
    assert [server.addresses for server in names.servers] == [("192.0.2.9",)]


def test_a_domain_that_is_an_address_is_its_own_server() -> None:
    names = seen("[2001:db8::7]")
    assert names.source == "literal"
    assert [(server.host, server.port) for server in names.servers] == [("2001:db8::7", 5269)]


def test_a_domain_that_cannot_be_a_dns_name_is_not_asked_for() -> None:
    names = seen("x" * 64 + ".test")
    (server,) = names.servers
    assert server.four is not None
    assert server.four.ended is LookedUp.NO_NAME
    assert found(names) == [FindingId.NO_SUCH_DOMAIN]


def test_nameservers_that_disagree_are_named() -> None:
    zones: list[dict[str, Any]] = [{"example.test": {"A": [address]}} for address in FOUR[:2]]
    (told,) = seen("example.test", *zones).disagreements
    assert "A example.test" in told
    assert all(address in told for address in FOUR[:2])
    assert seen("example.test", zones[0], {"example.test": "SERVFAIL"}).disagreements == ()  # no answer is no opinion
