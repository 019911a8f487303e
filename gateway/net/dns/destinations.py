"""Destinations: the addresses to which other domains must not lead us.

The DNS of any domain that writes to us decides where we connect, so it must not decide everything. Addresses where no
server can be are never dialled: unspecified, multicast, broadcast or reserved ones. Nor are our own ports, where we
would meet ourselves. Loopback and link-local addresses are not dialled either, because services there, from a database
to a cloud's metadata, trust anybody who can reach them; the operator may allow some of them (`[dns] allow_networks`),
and may refuse any other network (`[dns] refuse_networks`). Addresses that the operator has configured with `connect`
are always dialled. The hosts file is not exempt: a stranger can name `localhost`, too.

An IPv4 address is recognised in every form that the operating system would convert (RFC 4291 §2.5.5).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from gateway.xmpp.ip_addresses import IPAddress, as_dialled

IPNetwork = IPv4Network | IPv6Network

_THIS_NETWORK = IPv4Network("0.0.0.0/8")  # RFC 1122 §3.2.1.3: never a destination


def is_of_this_machine(address: str) -> bool:
    """Return whether one of our interfaces has that address, because only then can a socket be bound to it."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


class Destinations:
    """Says why an address is not dialled."""

    def __init__(
        self,
        refused: Iterable[IPNetwork] = (),
        *,
        allowed: Iterable[IPNetwork] = (),
        doors: Callable[[], Iterable[tuple[str, int]]] = tuple,
        is_ours: Callable[[str], bool] = is_of_this_machine,
    ) -> None:
        """`doors` returns the addresses and ports on which we listen; `is_ours` is used for ports on all addresses.

        `allowed` are loopback and link-local networks that may be dialled; `refused` are any networks, and take
        precedence.
        """
        self._refused = tuple(refused)
        self._allowed = tuple(allowed)
        self._doors = doors
        self._is_ours = is_ours

    def objection(self, address: str, port: int) -> str:
        """Return why it is not dialled, in words; empty if it may be."""
        target = _read(address)
        if (kind := _never_a_server(target)) is not None:
            return f"no server can be at {kind} address"
        if network := next((each for each in self._refused if target in each), None):
            return f"{network} is refused ([dns] refuse_networks)"
        if (kind := _near(target)) is not None and not any(target in each for each in self._allowed):
            return f"other domains may not lead us to {kind} address ([dns] allow_networks)"
        if any(self._leads_to(target, *door) for door in self._doors() if door[1] == port):
            return "that is a port of this gateway"
        return ""

    def _leads_to(self, target: IPAddress, host: str, port: int) -> bool:
        door = _read(host.partition("%")[0])
        return target == door or (door.is_unspecified and self._is_ours(str(target)))


@lru_cache
def _read(text: str) -> IPAddress:
    """Return an address as the system dials it."""
    return as_dialled(ip_address(text))


@lru_cache
def _never_a_server(address: IPAddress) -> str | None:
    if address.is_unspecified or (address.version == 4 and address in _THIS_NETWORK):
        return "an unspecified"
    if address.is_multicast:
        return "a multicast"
    if address.version == 4 and address.is_reserved:  # 240.0.0.0/4, including the broadcast address
        return "a reserved"
    return None


@lru_cache
def _near(address: IPAddress) -> str | None:
    if address.is_loopback:
        return "a loopback"
    if address.is_link_local:
        return "a link-local"
    return None


ANYWHERE = Destinations(allowed=map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "::1", "fe80::/10")))
"""Allows every address where a server can be: for names chosen here, and not by a stranger."""
