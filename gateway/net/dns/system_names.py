"""The machine's own configuration of names: hosts file and nameservers (hosts(5), resolv.conf(5)).

Both files may change at run time. They are checked at each use, and read again only if their time, size or inode has
changed. A file that is missing or cannot be read counts as empty, as it does for the C library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from ipaddress import ip_address
from typing import Generic, TypeVar

T = TypeVar("T")

DNS_PORT = 53
MOST_NAMESERVERS = 3  # as many as the C library takes from resolv.conf

Nameserver = tuple[str, int]


class Validating(StrEnum):
    """Which nameservers are believed when they say that DNSSEC proves an answer."""

    AUTO = "auto"  # those on loopback, for which nobody in between can answer (RFC 6698 §A.3)
    YES = "true"
    NO = "false"

    def believes(self, server: Nameserver) -> bool:
        """Return whether this nameserver is believed."""
        return self is Validating.YES or (self is Validating.AUTO and ip_address(server[0]).is_loopback)


class WatchedFile(Generic[T]):
    """The result of `read` for the text of a file, kept until the file changes."""

    def __init__(self, path: str, read: Callable[[str], T]) -> None:
        self._path = path
        self._read = read
        self._seen: tuple[int, int, int] | None = None
        self._content = read("")

    def content(self) -> T:
        """Return the present content of the file."""
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
    """Return the addresses of each name in a hosts file, the name in lower case."""
    hosts: dict[str, tuple[str, ...]] = {}
    for address, *names in _fields(text):
        if not is_address(address):
            continue
        for name in dict.fromkeys(name.lower() for name in names):
            hosts[name] = (*hosts.get(name, ()), address)
    return hosts


def read_resolv_conf(text: str) -> tuple[Nameserver, ...]:
    """Return the nameservers in a resolv.conf; if there are none, the one on this machine."""
    named = [fields[1] for fields in _fields(text) if fields[0] == "nameserver" and len(fields) > 1]
    usable = [(canonical(address), DNS_PORT) for address in named if is_address(address)]
    return tuple(usable[:MOST_NAMESERVERS]) or (("127.0.0.1", DNS_PORT),)


def nameservers_of(nameservers: Sequence[str] | None) -> Callable[[], Sequence[Nameserver]]:
    """Return the configured nameservers, or the system's present ones."""
    if nameservers is None:
        return WatchedFile("/etc/resolv.conf", read_resolv_conf).content
    configured = tuple(parse_nameserver(nameserver) for nameserver in nameservers)
    return lambda: configured


def parse_nameserver(text: str) -> Nameserver:
    """Read `192.0.2.1`, `192.0.2.1:5300`, `2001:db8::1` or `[2001:db8::1]:5300`; the ValueError says what is wrong."""
    host, _, port = text.rpartition(":")
    if is_address(text.strip("[]")):
        host, port = text, str(DNS_PORT)
    elif not is_address(host.strip("[]")):
        raise ValueError(f"{text!r} is not a nameserver: write an IP address, with a port if needed: 127.0.0.1:5300")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no usable port: a number from 1 to 65535 is needed after the last colon")
    return canonical(host.strip("[]")), int(port)


def is_address(text: str) -> bool:
    """Return whether this is an IPv4 or IPv6 address, without brackets and without a zone."""
    if not (":" in text or text[-1:].isdigit()):
        return False  # almost every name, and faster
    try:
        canonical(text)
    except ValueError:
        return False
    return "%" not in text


def canonical(address: str) -> str:
    """Return an IP address in the form in which answers can be compared."""
    return ip_address(address).compressed


def _fields(text: str) -> list[list[str]]:
    """Return the words of each line that has any."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [line for line in lines if line]
