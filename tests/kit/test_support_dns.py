"""The tests' own nameserver: what it makes of a zone, and standing alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.names import client, dns

from gateway.net.dns.system_names import parse_nameserver
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor

ZONE: dict[str, Any] = {
    "example.test": {"A": ["127.0.0.2", "127.0.0.3"], "AAAA": ["::1"], "TTL": 5},
    "_xmpp-server._tcp.example.test": {"SRV": ["10 5 5269 xmpp.example.test", "20 0 0 ."]},
    "www.example.test": {"CNAME": "Example.test."},
    "half.test": {"A": ["127.0.0.2"], "AAAA": "SERVFAIL"},
    "broken.test": "REFUSED",
}


def query(address: str, kind: int, name: str) -> dns.Message:
    async def scenario() -> dns.Message:
        asking = client.Resolver(servers=[parse_nameserver(address)], reactor=running_reactor())
        return await asking.queryUDP([dns.Query(name, kind)], (2,))

    return run_in_reactor(scenario)


def answer(kind: int, name: str) -> dns.Message:
    message = dns.Message()
    message.queries = [dns.Query(name, kind)]
    answer = NameServer(ZONE).answer(message)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("kind", "name", "code", "count"),
    [
        (dns.A, "example.test", dns.OK, 2),
        (dns.A, "EXAMPLE.test", dns.OK, 2),
        (dns.SRV, "_xmpp-server._tcp.example.test", dns.OK, 2),
        (dns.AAAA, "www.example.test", dns.OK, 2),
        (dns.CNAME, "www.example.test", dns.OK, 1),
        (dns.SRV, "example.test", dns.OK, 0),
        (dns.SRV, "_tcp.example.test", dns.OK, 0),
        (dns.A, "nowhere.test", dns.ENAME, 0),
        (dns.AAAA, "half.test", dns.ESERVER, 0),
        (dns.A, "below.broken.test", dns.EREFUSED, 0),
    ],
)
def test_zone_is_answered_with_code_and_records(kind: int, name: str, code: int, count: int) -> None:
    message = answer(kind, name)
    assert (message.rCode, len(message.answers)) == (code, count)


def test_records_carry_their_time_to_live() -> None:
    assert {record.ttl for record in answer(dns.A, "example.test").answers} == {5}


@pytest.fixture
def standing_alone(tmp_path: Path) -> Iterator[tuple[str, Path, Any]]:
    """A nameserver in its own process: its address, its zone file, and what it prints."""
    path = tmp_path / "zone.json"
    path.write_text(json.dumps(ZONE))
    command = [sys.executable, "-m", "tests.support.dns", "--listen", "127.0.0.1:0", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("listening on ").strip()
        yield address, path, process.stdout
        process.terminate()


def test_server_standing_alone_answers_prints_and_sees_changes(standing_alone: tuple[str, Path, Any]) -> None:
    address, path, printed = standing_alone
    assert len(query(address, dns.A, "example.test").answers) == 2
    assert printed.readline() == "A example.test udp\n"
    path.write_text(json.dumps({"example.test": {"A": ["127.0.0.9"]}}))
    assert len(query(address, dns.A, "example.test").answers) == 1
