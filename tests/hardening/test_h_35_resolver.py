"""Names that lead in circles, answers that are huge, malformed or never come (CVE-2026-42304): each search ends, in
bounded time, with a bounded number of questions, servers and addresses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.protocol import DatagramProtocol
from twisted.names import dns

from gateway.net.dns.questions import ResolverBounds
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.target_search import Patience
from gateway.net.dns.targets import Resolution
from gateway.xmpp.errors import ResolutionFailed
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor

STARTTLS = "_xmpp-server._tcp.example.test"
BRIEF = Patience(overall=0.6, services=0.3, other_family=0.1)


def search(
    server: Any, patience: Patience = Patience(), bounds: ResolverBounds = ResolverBounds(), times: int = 1
) -> Resolution:
    """Start the nameserver, resolve example.test, and stop it."""

    async def scenario() -> Resolution:
        await server.start(running_reactor())
        resolver = Resolver(
            running_reactor(), [server.address], hosts_file="/dev/null", patience=patience, bounds=bounds
        )
        try:
            for _ in range(times):
                resolution = await resolver.resolve("example.test")
            return resolution
        finally:
            await server.stop()

    return run_in_reactor(scenario)


@pytest.mark.parametrize(
    "records",
    [
        {"example.test": {"CNAME": "example.test"}},
        {"example.test": {"CNAME": "a.test"}, "a.test": {"CNAME": "b.test"}, "b.test": {"CNAME": "example.test"}},
        {STARTTLS: {"CNAME": STARTTLS}},
        {STARTTLS: {"SRV": ["0 0 5269 a.test"]}, "a.test": {"CNAME": "b.test"}, "b.test": {"CNAME": "a.test"}},
    ],
    ids=["itself", "three names", "service", "server of a service"],
)
def test_h_35_aliases_in_circles_end(records: dict[str, Any]) -> None:
    server = NameServer(records)
    with pytest.raises(ResolutionFailed) as failure:
        search(server)
    assert any("leads back to" in step for step in failure.value.steps)
    assert len(server.queries) <= 6


def test_h_35_endless_aliases_end() -> None:
    """Each answer brings one alias more, to a name that was never seen before."""

    def one_more(answer: dns.Message) -> dns.Message:
        name = str(answer.queries[0].name)
        answer.rCode = dns.OK
        answer.answers = [dns.RRHeader(name, dns.CNAME, dns.IN, 60, dns.Record_CNAME(f"x{name}"))]
        return answer

    server = NameServer({}, alter=one_more)
    with pytest.raises(ResolutionFailed) as failure:
        search(server)
    assert any("more than 8 aliases" in step for step in failure.value.steps)
    assert len(server.queries) <= 4 * (ResolverBounds().aliases + 1)


def test_h_35_service_that_names_itself_leads_nowhere() -> None:
    server = NameServer({STARTTLS: {"SRV": [f"0 0 5269 {STARTTLS}"]}})
    with pytest.raises(ResolutionFailed):
        search(server)
    assert len(server.queries) == 4


def test_h_35_huge_answer_leads_to_few_questions_and_few_targets() -> None:
    servers = [f"{number} 0 5269 s{number}.test" for number in range(900)]
    addresses = [f"127.{part}.{part}.{host}" for part in range(1, 5) for host in range(1, 200)]
    records: dict[str, Any] = {f"s{number}.test": {"A": addresses} for number in range(900)}
    server = NameServer(records | {STARTTLS: {"SRV": servers}})
    resolution = search(server)
    assert len(resolution.targets) == 16
    assert {len(target.addresses) for target in resolution.targets} == {8}
    assert len({name for _, name, _ in server.queries}) == 2 + 16


@pytest.mark.parametrize("fault", ["SILENT", "SERVFAIL", "REFUSED"])
def test_h_35_nameserver_that_gives_no_answer_does_not_keep_us(fault: str) -> None:
    with pytest.raises(ResolutionFailed) as failure:
        search(NameServer({"test": fault}), BRIEF)
    assert not failure.value.permanent


def test_h_35_failures_are_not_asked_for_again_and_again() -> None:
    server = NameServer({"example.test": {"A": ["127.0.0.2"]}})
    search(server, times=5)
    assert len(server.queries) == 4


def pointer(offset: int) -> bytes:
    return struct.pack("!H", 0xC000 | offset)


def record(name: bytes, data: bytes, kind: int = dns.A) -> bytes:
    return name + struct.pack("!HHIH", kind, dns.IN, 60, len(data)) + data


def pointer_to_itself(end: int) -> tuple[int, bytes]:
    return 1, record(pointer(end), b"\x7f\x00\x00\x02")


def pointers_to_each_other(end: int) -> tuple[int, bytes]:
    return 1, record(pointer(end + 2), b"") + record(pointer(end), b"")


def chains_of_pointers(end: int) -> tuple[int, bytes]:
    """A long chain of pointers, and many names that each begin at its far end."""
    links = 150
    chain = b"".join(pointer(12) if link == 0 else pointer(end + 12 + 2 * (link - 1)) for link in range(links))
    far = pointer(end + 12 + 2 * (links - 1))
    names = 8000 // 14
    return 1 + names, record(pointer(12), chain, kind=10) + record(far, b"\x7f\x00\x00\x02") * names


def more_records_than_there_are(end: int) -> tuple[int, bytes]:
    return 0xFFFF, b""


def record_longer_than_the_message(end: int) -> tuple[int, bytes]:
    return 1, pointer(12) + struct.pack("!HHIH", dns.A, dns.IN, 60, 0xFFFF)


class Crooked(DatagramProtocol):
    """A nameserver whose answers begin well, with the id and the question, and go on as the test wants."""

    def __init__(self, rest: Callable[[int], tuple[int, bytes]]) -> None:
        self._rest = rest

    async def start(self, reactor: Any) -> None:
        self._port = reactor.listenUDP(0, self, interface="127.0.0.1")
        self.address = f"127.0.0.1:{self._port.getHost().port}"

    async def stop(self) -> None:
        await self._port.stopListening()

    def datagramReceived(self, data: bytes, address: Any) -> None:
        count, rest = self._rest(len(data))
        self.transport.write(data[:2] + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0) + data[12:] + rest, address)


@pytest.mark.parametrize(
    "rest",
    [
        pointer_to_itself,
        pointers_to_each_other,
        chains_of_pointers,
        more_records_than_there_are,
        record_longer_than_the_message,
    ],
)
def test_h_35_malformed_answers_end_in_no_address(rest: Callable[[int], tuple[int, bytes]]) -> None:
    with pytest.raises(ResolutionFailed):
        search(Crooked(rest), BRIEF)


def test_h_35_peers_cannot_fill_the_memory() -> None:
    async def scenario() -> tuple[int, int]:
        server = NameServer({})
        await server.start(running_reactor())
        bounds = ResolverBounds(kept=8)
        resolver = Resolver(running_reactor(), [server.address], hosts_file="/dev/null", bounds=bounds)
        try:
            for number in range(20):
                with pytest.raises(ResolutionFailed):
                    await resolver.resolve(f"{number}.test")
            before = len(server.queries)
            with pytest.raises(ResolutionFailed):
                await resolver.resolve("0.test")  # forgotten since
            return before, len(server.queries)
        finally:
            await server.stop()

    assert run_in_reactor(scenario) == (80, 84)
