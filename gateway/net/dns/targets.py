"""Targets: where a stream to a remote domain may be opened, and the names and strings that lead there.

A configured `connect` replaces the DNS. It is written like Twisted's client endpoints:

    tcp:127.0.0.2:5269              STARTTLS
    tcp:host=10.0.0.5:port=5269     the same, with keywords
    tls:xmpp.example.com:5270       TLS from the first byte (XEP-0368)
    tcp:[2001:db8::1]:5269          IPv6 in brackets, or with its colons escaped: tcp:2001\\:db8\\:\\:1:5269
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

import idna

from gateway.net.dns.service_records import Tls
from gateway.net.dns.system_names import canonical, is_address
from gateway.net.dns.tlsa import TLSASet
from gateway.xmpp.errors import ResolutionFailed

Source = Literal["srv", "fallback", "literal", "configured"]

_CONNECT = re.compile(r"(tcp|tls):(?:host=)?(\[[^\]]+\]|(?:[^:=\\\[\]]|\\:)+):(?:port=)?([0-9]{1,5})")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One server by its name or address, and how TLS begins there."""

    host: str
    port: int
    tls: Tls


@dataclass(frozen=True, kw_only=True)
class Target:
    """One server of a remote domain: a place, its addresses in the order of RFC 8305, and where it came from.

    `tlsa` is set if DNSSEC proves the way to it and such records exist.
    """

    host: str
    port: int
    tls: Tls
    addresses: tuple[str, ...]
    source: Source
    tlsa: TLSASet | None = None


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """The result for a domain: the targets in the order to try, and the questions and answers on the way.

    `definite` is False if the DNS did not answer every question about the domain's services, so its real servers may be
    others than these.
    """

    domain: str
    targets: tuple[Target, ...]
    steps: tuple[str, ...]
    definite: bool = True


def parse_connect(text: str) -> Place:
    """Read a configured `connect`; the ValueError says what is wrong with it."""
    match = _CONNECT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not of the form tcp:HOST:PORT, nor tls:HOST:PORT for TLS from the first byte")
    scheme, host, port = match.groups()
    if not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} has no usable port: a number from 1 to 65535 is needed at the end")
    name = ascii_name(host.replace("\\:", ":").strip("[]"))
    if not is_address(name) and not is_host_name(name):
        raise ValueError(f"{text!r} names no host: an IP address or a host name is needed before the port")
    return Place(host=name, port=int(port), tls="direct" if scheme == "tls" else "starttls")


def literal_address(domain: str) -> str | None:
    """Return the address that a domainpart itself is: `192.0.2.1` or `[2001:db8::1]` (RFC 7622 §3.2)."""
    bare = domain[1:-1] if domain.startswith("[") and domain.endswith("]") else domain
    bracketed = bare != domain
    if is_address(bare) and bracketed == (":" in bare):
        return canonical(bare)
    return None


def ascii_name(domain: str) -> str:
    """Return the DNS name of a prepared domainpart: its A-labels (RFC 5890), in lower case."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain).decode("ascii").lower()
    except idna.IDNAError:
        return ""  # not a name at all, as is_host_name() will report


def is_host_name(name: str) -> bool:
    """Return whether the DNS could have such a name: its length, its labels, and only characters of host names."""
    return _HOST_NAME.fullmatch(name) is not None


def dns_name(domain: str) -> str:
    """Return the name to ask the DNS for; a domain that cannot have one is definitely not found."""
    name = ascii_name(domain)
    if not is_host_name(name):
        raise ResolutionFailed(f"{domain} cannot be looked up: it is not a valid name in the DNS", permanent=True)
    return name


def interleaved(addresses: Iterable[str], most: int) -> tuple[str, ...]:
    """Return at most this many addresses, alternating IPv6 and IPv4, IPv6 first (RFC 8305 §4)."""
    once = list(dict.fromkeys(addresses))
    six = [address for address in once if ":" in address]
    four = [address for address in once if ":" not in address]
    mixed = chain.from_iterable(zip_longest(six, four))
    return tuple(address for address in mixed if address is not None)[:most]


def endpoint_text(address: str, port: int) -> str:
    """Return an address and a port as people write them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
