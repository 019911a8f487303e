"""Whether nameservers check signatures, as `check` tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.threads import deferToThread

from gateway.net.dns.system_names import Nameserver, Validating, parse_nameserver
from gateway.net.dns.validation import about_dnssec, why_not_validating
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor

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


def test_a_nameserver_that_is_not_believed_is_not_asked() -> None:
    server = ("192.0.2.1", 53)
    assert list(about_dnssec([server], Validating.AUTO)) == [
        ("192.0.2.1:53", "not believed about DNSSEC: no DANE ([dns] validating)")
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
