"""The host name of a remote domain is resolved before a stream is opened [stream-fqdn-resolution], RFC 6120 §3.2:
service records `_xmpp-server` and `_xmpps-server` (XEP-0368) first, then A and AAAA; the target `.` means no service.
"""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol

from gateway.net.dial.dialling import Dialled, dial
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.service_records import FOR_CLIENTS
from gateway.net.dns.targets import Resolution
from gateway.xmpp.errors import ResolutionFailed
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor

STARTTLS = "_xmpp-server._tcp.example.test"
DIRECT = "_xmpps-server._tcp.example.test"


async def resolve(server: NameServer, **options: Any) -> Resolution:
    await server.start(running_reactor())
    try:
        resolver = Resolver(running_reactor(), [server.address], hosts_file="/dev/null")
        return await resolver.resolve("example.test", **options)
    finally:
        await server.stop()


def resolved(records: dict[str, Any], **options: Any) -> list[tuple[str, int, str]]:
    """Return where the records lead, by way of a real nameserver: addresses, port and kind of TLS of each target."""
    resolution = run_in_reactor(lambda: resolve(NameServer(records), **options))
    return [(", ".join(target.addresses), target.port, target.tls) for target in resolution.targets]


def test_service_records_of_both_kinds_come_before_addresses_in_order_of_priority() -> None:
    records = {
        STARTTLS: {"SRV": ["5 0 5269 xmpp.example.test", "30 0 15269 xmpp.example.test"]},
        DIRECT: {"SRV": ["10 0 443 tls.example.test"]},
        "xmpp.example.test": {"A": ["127.0.0.2"]},
        "tls.example.test": {"A": ["127.0.0.3"], "AAAA": ["::1"]},
        "example.test": {"A": ["127.0.0.9"]},
    }
    assert resolved(records) == [
        ("127.0.0.2", 5269, "starttls"),
        ("::1, 127.0.0.3", 443, "direct"),
        ("127.0.0.2", 15269, "starttls"),
    ]


def test_without_service_records_the_addresses_of_the_domain_and_port_5269_are_used() -> None:
    assert resolved({"example.test": {"A": ["127.0.0.9"], "AAAA": ["::1"]}}) == [("::1, 127.0.0.9", 5269, "starttls")]


def test_target_dot_for_one_service_leaves_the_other() -> None:
    records = {
        STARTTLS: {"SRV": ["0 0 0 ."]},
        DIRECT: {"SRV": ["0 0 5270 example.test"]},
        "example.test": {"A": ["127.0.0.9"]},
    }
    assert resolved(records) == [("127.0.0.9", 5270, "direct")]


@pytest.mark.parametrize("services", [(STARTTLS,), (DIRECT,), (STARTTLS, DIRECT)])
def test_target_dot_without_another_service_is_no_service_even_with_an_address(services: tuple[str, ...]) -> None:
    records = {service: {"SRV": ["0 0 0 ."]} for service in services} | {"example.test": {"A": ["127.0.0.9"]}}
    with pytest.raises(ResolutionFailed, match="has no XMPP service") as failure:
        resolved(records)
    assert failure.value.permanent


def test_domain_that_does_not_exist_is_told_apart_from_nameservers_that_fail() -> None:
    with pytest.raises(ResolutionFailed) as absent:
        resolved({})
    with pytest.raises(ResolutionFailed) as failing:
        resolved({"example.test": "SERVFAIL"})
    assert (absent.value.permanent, failing.value.permanent) == (True, False)


def test_stream_goes_to_the_server_that_the_records_name() -> None:
    async def scenario() -> tuple[Dialled, str]:
        reactor = running_reactor()
        listening = reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.2")
        here = listening.getHost()
        records = {
            STARTTLS: {"SRV": [f"0 0 {here.port} xmpp.example.test"]},
            "xmpp.example.test": {"A": ["127.0.0.2"]},
        }
        try:
            resolution = await resolve(NameServer(records))
            dialled = await dial(reactor, resolution.targets, lambda target: Protocol())
            dialled.protocol.transport.abortConnection()
            return dialled, f"{here.host}:{here.port} connected"
        finally:
            await listening.stopListening()

    dialled, step = run_in_reactor(scenario)
    assert (dialled.target.host, dialled.steps) == ("xmpp.example.test", (step,))


def test_clients_look_for_records_and_a_port_of_their_own() -> None:
    records = {
        "_xmpp-client._tcp.example.test": {"SRV": ["10 0 5222 xmpp.example.test"]},
        "_xmpps-client._tcp.example.test": {"SRV": ["5 0 5223 xmpp.example.test"]},
        "xmpp.example.test": {"A": ["127.0.0.1"]},
        "example.test": {"A": ["127.0.0.2"]},
    }
    assert resolved(records, service=FOR_CLIENTS) == [("127.0.0.1", 5223, "direct"), ("127.0.0.1", 5222, "starttls")]
    bare = {"example.test": {"A": ["127.0.0.2"]}}
    assert resolved(bare, service=FOR_CLIENTS) == [("127.0.0.2", 5222, "starttls")]
