"""Where no other domain may lead us."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gateway.net.dns.destinations import ANYWHERE, Destinations, is_of_this_machine

NOWHERE = Destinations()
LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1")]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("::ffff:239.255.255.250", "multicast"),
        ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"),
    ],
)
def test_where_no_server_can_be_is_never_dialled(address: str, told: str) -> None:
    assert told in NOWHERE.objection(address, 5269)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.5", "2001:db8::1", "fd00::1"])
def test_inner_networks_are_refused_only_on_demand(address: str) -> None:
    assert NOWHERE.objection(address, 5269) == ""


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "::1", "fe80::1"])
def test_a_name_that_was_chosen_here_may_lead_anywhere(address: str) -> None:
    assert ANYWHERE.objection(address, 5269) == ""


def test_what_is_refused_is_refused_although_it_is_allowed() -> None:
    both = Destinations([ip_network("127.77.0.0/16")], allowed=LOOPBACK)
    assert both.objection("127.78.0.1", 5269) == ""
    assert "refuse_networks" in both.objection("127.77.0.1", 5269)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1", "10.1.2.3", "fd00::7"])
def test_networks_of_the_operators_choice_are_refused(address: str) -> None:
    refusing = Destinations(map(ip_network, ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"]))
    assert "refuse_networks" in refusing.objection(address, 5269)
    assert refusing.objection("192.0.2.1", 5269) == ""


def test_our_own_doors_are_refused_and_no_other_port_of_ours() -> None:
    destinations = Destinations(allowed=LOOPBACK, doors=lambda: [("127.0.0.2", 5269), ("::1", 5280)])
    assert "port of this gateway" in destinations.objection("127.0.0.2", 5269)
    assert "port of this gateway" in destinations.objection("::ffff:127.0.0.2", 5269)
    assert "port of this gateway" in destinations.objection("::1", 5280)
    assert destinations.objection("127.0.0.3", 5269) == ""
    assert destinations.objection("127.0.0.2", 5270) == ""


@pytest.mark.parametrize("anywhere", ["0.0.0.0", "::"])
def test_a_door_at_any_address_is_ours_at_each_address_of_this_machine(anywhere: str) -> None:
    destinations = Destinations(doors=lambda: [(anywhere, 5269)], is_ours=lambda address: address == "192.0.2.1")
    assert "port of this gateway" in destinations.objection("192.0.2.1", 5269)
    assert destinations.objection("192.0.2.2", 5269) == ""
    assert destinations.objection("192.0.2.1", 5270) == ""


def test_doors_are_looked_at_when_they_are_needed() -> None:
    doors: list[tuple[str, int]] = []
    destinations = Destinations(allowed=LOOPBACK, doors=lambda: doors)
    assert destinations.objection("127.0.0.2", 5269) == ""
    doors.append(("127.0.0.2", 5269))
    assert destinations.objection("127.0.0.2", 5269)


def test_what_is_of_this_machine() -> None:
    assert is_of_this_machine("127.0.0.1")
    assert not is_of_this_machine("192.0.2.1")
