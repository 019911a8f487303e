"""Whether nameservers check signatures, as `check` tells it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from twisted.internet.threads import deferToThread

from gateway.net.dns.system_names import Nameserver, Validating, parse_nameserver
from gateway.net.dns.validation import about_dnssec, why_not_validating
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor

PATIENCE = 30
ROOT = {"": {"NS": ["a.root.test"]}}
SIGNED_ROOT = {"": {"NS": ["a.root.test"], "SECURE": True}}


def ask(records: dict[str, Any], question: Callable[[Nameserver], Any]) -> Any:
    """Put a question that blocks to a nameserver with these records."""

    async def scenario() -> Any:
        server = NameServer(records)
        await server.start(running_reactor())
        try:
            return await deferToThread(question, parse_nameserver(server.address))
        finally:
            await server.stop()

    return run_in_reactor(scenario)


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        (SIGNED_ROOT, None),
        (ROOT, "does not check signatures (DNSSEC)"),
        ({"": "SERVFAIL"}, "cannot tell the nameservers of the root (result code 2)"),
        ({"": "SILENT"}, "does not answer within 0.2 s"),
    ],
)
def test_a_nameserver_that_proves_the_root_checks_signatures(records: dict[str, Any], problem: str | None) -> None:
    assert ask(records, lambda server: why_not_validating(server, 0.2)) == problem


@pytest.mark.parametrize("answer", [b"", bytes(11), bytes(4) + b"\0\1" + bytes(6) + b"\xc0\x0c"])
def test_what_is_not_dns_is_told(answer: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, ThreadPoolExecutor(1) as others:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE)
        asked = others.submit(why_not_validating, server.getsockname(), PATIENCE)
        server.sendto(answer, server.recvfrom(4096)[1])
        assert asked.result() == "answers with something that is not DNS"


def test_a_machine_without_a_nameserver_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = nobody.getsockname()
    ((_, told),) = about_dnssec([address], Validating.AUTO)
    assert told == "cannot be asked (Connection refused): no DANE"


def test_a_nameserver_that_is_not_believed_is_not_asked() -> None:
    server = ("192.0.2.1", 53)
    assert list(about_dnssec([server], Validating.AUTO)) == [
        ("192.0.2.1:53", "not trusted to check DNSSEC, so there is no DANE ([dns] validating)")
    ]


def test_a_mixture_of_nameservers_is_told() -> None:
    told = ask(SIGNED_ROOT, lambda server: list(about_dnssec([server, ("192.0.2.1", 53)], Validating.AUTO)))
    assert "checks signatures" in told[0][1]
    assert "list no others" in told[2][1]


@pytest.mark.parametrize(
    ("validating", "server", "believed"),
    [
        (Validating.AUTO, "127.0.0.53", True),
        (Validating.AUTO, "::1", True),
        (Validating.AUTO, "192.0.2.1", False),
        (Validating.AUTO, "::ffff:192.0.2.1", False),
        (Validating.YES, "192.0.2.1", True),
        (Validating.NO, "127.0.0.1", False),
    ],
)
def test_which_nameservers_are_believed(validating: Validating, server: str, believed: bool) -> None:
    assert validating.believes((server, 53)) is believed
