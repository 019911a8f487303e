"""What this machine itself says about names: the hosts file and the system's nameservers (hosts(5), resolv.conf(5)).

Both files may change while we run. They are looked at whenever they are asked, and read again only when their time,
size or inode has changed. A file that is missing or cannot be read counts as empty, as it does for the C library.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_address
from typing import Generic, TypeVar

T = TypeVar("T")

DNS_PORT = 53
MOST_NAMESERVERS = 3  # what the C library takes from resolv.conf, too

Nameserver = tuple[str, int]


class Validating(StrEnum):
    """Which nameservers are believed when they say that DNSSEC proves an answer."""

    AUTO = "auto"  # those on loopback: nobody on the way can have said it in their place (RFC 6698 §A.3)
    YES = "true"
    NO = "false"

    def believes(self, server: Nameserver) -> bool:
        """Whether this nameserver is."""
        return self is Validating.YES or (self is Validating.AUTO and ip_address(server[0]).is_loopback)


class WatchedFile(Generic[T]):
    """What `read` makes of the text of a file, kept until the file changes."""

    def __init__(self, path: str, read: Callable[[str], T]) -> None:
        self._path = path
        self._read = read
        self._seen: tuple[int, int, int] | None = None
        self._content = read("")

    def content(self) -> T:
        """What the file says now."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._content = self._read(self._text())
            self._seen = stamp
        return self._content

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _text(self) -> str:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""


def read_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """The addresses of each name in a hosts file, the name in lower case."""
    hosts: dict[str, tuple[str, ...]] = {}
    for address, *names in _fields(text):
        if not is_address(address):
            continue
        for name in dict.fromkeys(name.lower() for name in names):
            hosts[name] = (*hosts.get(name, ()), address)
    return hosts


def read_resolv_conf(text: str) -> tuple[Nameserver, ...]:
    """The nameservers that a resolv.conf names; without any, the one on this machine."""
    named = [fields[1] for fields in _fields(text) if fields[0] == "nameserver" and len(fields) > 1]
    usable = [(canonical(address), DNS_PORT) for address in named if is_address(address)]
    return tuple(usable[:MOST_NAMESERVERS]) or (("127.0.0.1", DNS_PORT),)


def parse_nameserver(text: str) -> Nameserver:
    """Read `192.0.2.1`, `192.0.2.1:5300`, `2001:db8::1` or `[2001:db8::1]:5300`; a ValueError says what is wrong."""
    host, _, port = text.rpartition(":")
    if is_address(text.strip("[]")):
        host, port = text, str(DNS_PORT)
    elif not is_address(host.strip("[]")):
        raise ValueError(f"{text!r} is not a nameserver: write an IP address, with a port if needed: 127.0.0.1:5300")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no usable port: a number from 1 to 65535 is needed after the last colon")
    return canonical(host.strip("[]")), int(port)


def is_address(text: str) -> bool:
    """Whether this is an IPv4 or IPv6 address, without brackets and without a zone."""
    if not (":" in text or text[-1:].isdigit()):
        return False  # almost every name, and found out faster
    try:
        canonical(text)
    except ValueError:
        return False
    return "%" not in text


def canonical(address: str) -> str:
    """The one spelling of an IP address in which answers can be compared."""
    return ip_address(address).compressed


def _fields(text: str) -> list[list[str]]:
    """The words of each line that says something."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [line for line in lines if line]
