"""A port that listens on IPv6 and IPv4 at once: nobody takes the share of everybody else with an IPv4 address."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from gateway.bounds.tables import address_of, family, neighbourhood

MAPPED, TRANSLATED = "::ffff:192.0.2.1", "64:ff9b::192.0.2.1"


@pytest.mark.parametrize("host", [MAPPED, "::FFFF:C000:201", TRANSLATED, "64:ff9b:0:0:0:0:c000:0201"])
def test_an_ipv4_address_inside_an_ipv6_one_counts_as_itself(host: str) -> None:
    assert neighbourhood(host) == "192.0.2.1"
    assert address_of(f"[{host}]:5269") == "192.0.2.1"
    assert family(f"[{host}]") == "192.0.2.1"


@pytest.mark.parametrize("host", ["2001:db8:0:1::7", "::1", "::fffe:192.0.2.1", "fe80::1%eth0", "64:ff9b:1::c000:201"])
def test_an_ipv6_address_counts_as_its_network(host: str) -> None:
    assert neighbourhood(host).endswith("/64")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_two_who_connect_by_ipv4_to_one_port_for_both_are_two() -> None:
    """The addresses are those that the system gives for the connections."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as port:
        counted = set()
        for source in ("127.0.0.1", "127.0.0.2"):
            there = ("127.0.0.1", port.getsockname()[1])
            with socket.create_connection(there, source_address=(source, 0)), closing(port.accept()[0]) as accepted:
                counted.add(neighbourhood(accepted.getpeername()[0]))
    assert counted == {"127.0.0.1", "127.0.0.2"}
