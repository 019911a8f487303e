"""IP addresses: the IPv4 address inside an IPv6 one.

A socket for IPv6 and IPv4 at once shows an IPv4 address as an IPv4-mapped one (RFC 4291 §2.5.5.2), and dials it as
IPv4. A network that has IPv6 alone translates it to one below 64:ff9b::/96 (RFC 6052 §2.1).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address

_TRANSLATED = IPv6Network("64:ff9b::/96")


def as_dialled(address: IPAddress) -> IPAddress:
    """Return the address that the system dials: for an IPv4-mapped one, the IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def ipv4_inside(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that the system has mapped, or a network has translated; None if there is none."""
    if address in _TRANSLATED:
        return IPv4Address(address.packed[12:])
    return address.ipv4_mapped
