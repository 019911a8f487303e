"""A validating resolver: unbound on a loopback address, with zones that dnspython has signed.

    validator = Validator(world, {"signed.test": {"a.signed.test": {"A": ["127.0.0.9"]}}}).start()
    gateway = start(Gateway, "ours.test", view=validator)

Zones are written as for `tests.support.dns`; what is in none of them does not exist. An entry with "BROKEN": true is
changed after it was signed, and so is bogus.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.name
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

from tests.interop.peers import NotInstalledError
from tests.interop.peers.process import Server
from tests.interop.peers.site import NAMES, Names
from tests.interop.world import World

WEEK = 7 * 86400
SerialRecords = Mapping[str, Mapping[str, Any]]


class Validator(Server):
    """unbound, which checks the signatures of the zones that it is given."""

    name = "unbound"

    def __init__(
        self, world: World, signed: Mapping[str, SerialRecords], unsigned: Mapping[str, SerialRecords] | None = None
    ) -> None:
        """`signed` and `unsigned` are zones by name; they may be changed before a restart."""
        address = world.address()
        super().__init__(address, world.folder / f"unbound-{address}")
        self.signed = signed
        self.unsigned = unsigned or {}
        self.names = Names(hosts=Path("/dev/null"), address=address, port=NAMES)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._dnskey = dns.dnssec.make_dnskey(self._key.public_key(), "ECDSAP256SHA256", flags=257)

    @classmethod
    def check_installed(cls) -> None:
        """Raise `NotInstalledError` unless unbound is there."""
        if shutil.which("unbound") is None:
            raise NotInstalledError("unbound is not installed: see tests/interop/install.sh")

    def command(self) -> list[str]:
        return [shutil.which("unbound") or "unbound", "-d", "-p", "-c", str(self.folder / "unbound.conf")]

    def ports(self) -> tuple[int, ...]:
        return (NAMES,)

    def write_configuration(self) -> None:
        for name, records in self.unsigned.items():
            self._zone_file(name).write_text(_zone_text(name, records))
        for name, records in self.signed.items():
            self._zone_file(name).write_text(self._signed(name, records))
        (self.folder / "unbound.conf").write_text("\n".join(self._configuration()))

    def _configuration(self) -> Iterator[str]:
        yield from (
            "server:",
            f"  interface: {self.address}@{NAMES}",
            "  do-ip6: no",
            "  access-control: 127.0.0.0/8 allow",
            "  do-not-query-localhost: no",
            '  module-config: "validator iterator"',
            "  cache-max-negative-ttl: 0",
            '  username: ""',
            '  chroot: ""',
            f'  directory: "{self.folder}"',
            '  pidfile: ""',
            "  use-syslog: no",
            '  logfile: ""',
            "  val-log-level: 2",
            '  local-zone: "." static',  # no other name exists
        )
        yield from (f'  local-zone: "{name}." transparent' for name in (*self.signed, *self.unsigned))
        yield from (f'  trust-anchor: "{name}. IN DNSKEY {self._dnskey.to_text()}"' for name in self.signed)
        for name in (*self.signed, *self.unsigned):
            yield from ("auth-zone:", f'  name: "{name}"', f'  zonefile: "{self._zone_file(name)}"')
            yield from ("  for-downstream: no", "  for-upstream: yes")

    def _zone_file(self, name: str) -> Path:
        return self.folder / f"{name}.zone"

    def _signed(self, name: str, records: SerialRecords) -> str:
        zone = dns.zone.from_text(_zone_text(name, records), f"{name}.", relativize=False)
        dns.dnssec.sign_zone(zone, keys=[(self._key, self._dnskey)], lifetime=WEEK)
        text = zone.to_text(relativize=False)
        broken = [f"{owner}." for owner, entry in records.items() if entry.get("BROKEN")]
        return "\n".join(_tampered(line, broken) for line in text.splitlines()) + "\n"


def _zone_text(name: str, records: SerialRecords) -> str:
    lines = [f"{name}. 0 IN SOA ns.{name}. root.{name}. 1 60 60 86400 0", f"{name}. 0 IN NS ns.{name}."]
    lines += [f"ns.{name}. 0 IN A 127.0.0.1"]
    for owner, entry in records.items():
        for kind, values in entry.items():
            if kind not in ("TTL", "BROKEN"):
                lines += [f"{owner}. {entry.get('TTL', 0)} IN {kind} {_absolute(kind, value)}" for value in values]
    return "\n".join(lines) + "\n"


def _absolute(kind: str, value: str) -> str:
    return f"{value}." if kind in ("SRV", "CNAME") and not value.endswith(".") else value


def _tampered(line: str, broken: list[str]) -> str:
    """Change the last digit of what an entry says, but not its signatures."""
    fields = line.split()
    if fields and fields[0] in broken and fields[3] in ("A", "TLSA"):
        last = fields[-1][-1]
        return line.rstrip()[:-1] + ("1" if last != "1" else "2")
    return line
