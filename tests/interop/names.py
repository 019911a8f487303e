"""How the servers find each other: a nameserver, and a hosts file for servers that ask libc for addresses.

Both follow what is published while they run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.interop.peers.process import Server
from tests.interop.peers.site import CLIENT, CLIENT_TLS, NAMES, SERVER, SERVER_TLS, Names
from tests.support import forks

MOST_HOSTS = 95  # names and addresses; nss_wrapper refuses the whole file when there are more than a hundred
UNCACHED = 0  # a domain may move to another address from one test to the next
ROOT = Path(__file__).parent.parent.parent


class Nameserver(Server):
    """`tests.support.dns` as a process, with a zone that grows."""

    name = "nameserver"

    def __init__(self, address: str, folder: Path) -> None:
        super().__init__(address, folder)
        self.names = Names(hosts=folder / "hosts", address=address, port=NAMES)
        self._records: dict[str, Any] = {}
        self._addresses: dict[str, str] = {}
        self._hosts_time = 0

    def publish(
        self, address: str, *domains: str, port: int = SERVER, direct_tls: bool = False, ttl: int = UNCACHED
    ) -> None:
        """Let domains be found at an address: with STARTTLS, and with direct TLS before it where that is said.

        The records for clients are there too, whether the server has accounts or not.
        """
        for domain in domains:
            self._addresses[domain] = address
            lasting = {"TTL": ttl}
            self._records[domain] = {"A": [address], **lasting}
            self._records[f"_xmpp-server._tcp.{domain}"] = {"SRV": [f"10 0 {port} {domain}"], **lasting}
            self._records[f"_xmpp-client._tcp.{domain}"] = {"SRV": [f"10 0 {CLIENT} {domain}"], **lasting}
            if direct_tls:
                self._records[f"_xmpps-server._tcp.{domain}"] = {"SRV": [f"5 0 {SERVER_TLS} {domain}"], **lasting}
                self._records[f"_xmpps-client._tcp.{domain}"] = {"SRV": [f"5 0 {CLIENT_TLS} {domain}"], **lasting}
        self.write_configuration()

    @property
    def published(self) -> frozenset[str]:
        """The domains that have an address."""
        return frozenset(self._addresses)

    def withdraw(self, *domains: str) -> None:
        """Let domains be found no longer; the hosts file, for one, has not much room."""
        for domain in domains:
            self._addresses.pop(domain, None)
            for name in (domain, f"_xmpp-server._tcp.{domain}", f"_xmpps-server._tcp.{domain}"):
                self._records.pop(name, None)
        self.write_configuration()

    def publish_records(self, records: Mapping[str, Any]) -> None:
        """Put any records into the zone, in the words of `tests.support.dns`, instead of those for the same names."""
        self._records.update(records)
        self.write_configuration()

    def command(self) -> list[str]:
        listen = f"{self.address}:{NAMES}"
        return [sys.executable, "-m", "tests.support.dns", "--listen", listen, str(self._zone_file)]

    def environment(self) -> Mapping[str, str]:
        usual = {"PYTHONUNBUFFERED": "1"}
        return usual if forks.is_possible(self.command(), usual) else {"PYTHONPATH": str(ROOT), **usual}

    def ports(self) -> tuple[int, ...]:
        return (NAMES,)

    def write_configuration(self) -> None:
        names: dict[str, list[str]] = {}
        for domain, address in self._addresses.items():
            names.setdefault(address, []).append(domain)
        hosts = "".join(f"{address} {' '.join(domains)}\n" for address, domains in names.items())
        if len(names) + len(self._addresses) > MOST_HOSTS:
            raise RuntimeError("nss_wrapper takes no more hosts: withdraw some")
        # nss_wrapper looks at the file again when its time has changed, which it reads in whole seconds.
        self._hosts_time = max(int(time.time()), self._hosts_time + 1)
        _replace(self.names.hosts, hosts, self._hosts_time)
        _replace(self._zone_file, json.dumps(self._records, indent=1))

    @property
    def _zone_file(self) -> Path:
        return self.folder / "zone.json"


def _replace(file: Path, text: str, modified: float | None = None) -> None:
    """Write a file at once, so that nobody reads half of it."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    if modified is not None:
        os.utime(fresh, (modified, modified))
    os.replace(fresh, file)
