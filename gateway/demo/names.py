"""The nameserver of the demo: service records that lead each domain to its gateway, and one address for all."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import common, dns
from twisted.names.server import DNSServerFactory
from twisted.python.failure import Failure

SERVERS = {"demo.test": 15269, "outside.test": 16269}
"""The S2S ports of the two gateways, by the domain that they serve together with its subdomains."""

_SERVICE = "_xmpp-server._tcp."


class DemoNames(common.ResolverBase):
    """A resolver for `*.demo.test` and `*.outside.test` only."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def _lookup(self, name: bytes, cls: int, type: int, timeout: object) -> Deferred[Any]:
        text = name.decode("ascii", "replace").lower()
        record: Any = None
        if type == dns.SRV and text.startswith(_SERVICE):
            record = _server_of(text.removeprefix(_SERVICE))
        elif type == dns.A and text.startswith("server."):
            record = dns.Record_A(self._address)
        elif type != dns.SRV and _zone_of(text):
            return succeed(([], [], []))
        if record is None:
            return fail(Failure(dns.AuthoritativeDomainError(name)))
        return succeed(([dns.RRHeader(name, type, cls, 60, record, auth=True)], [], []))


def nameserver(address: str) -> dns.DNSDatagramProtocol:
    """Return a protocol for `reactor.listenUDP` that gives this address for every server."""
    factory = DNSServerFactory(clients=[DemoNames(address)])
    factory.noisy = False
    protocol = dns.DNSDatagramProtocol(factory)
    protocol.noisy = False
    return protocol


def _server_of(domain: str) -> dns.Record_SRV | None:
    zone = _zone_of(domain)
    return dns.Record_SRV(0, 0, SERVERS[zone], f"server.{zone}") if zone else None


def _zone_of(domain: str) -> str:
    return next((zone for zone in SERVERS if domain == zone or domain.endswith(f".{zone}")), "")
