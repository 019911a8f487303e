"""What a server is to be, in words that are common to all kinds of servers.

Certificates decide which proof a server can give: one that verifies lets it use SASL EXTERNAL, one that is expired,
self-signed or for another name leaves it dialback. So there is no switch for EXTERNAL; give the domain another
certificate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.interop.peers.ports import chosen_distance

DISTANCE = chosen_distance()

# S2S and C2S with STARTTLS and with TLS from the first byte (XEP-0368), components (XEP-0114), HTTP.
SERVER = 5269 + DISTANCE
SERVER_TLS = 5270 + DISTANCE
CLIENT = 5222 + DISTANCE
CLIENT_TLS = 5223 + DISTANCE
COMPONENT = 5347 + DISTANCE
HTTP = 5280 + DISTANCE
INSIDE = 5279 + DISTANCE  # a gateway's door for the servers that it relays
NAMES = 5300 + DISTANCE  # of the nameserver
NATS = 4222 + DISTANCE


@dataclass(frozen=True, kw_only=True)
class Names:
    """Where a server looks names up: a nameserver, and a hosts file for servers that ask libc for addresses."""

    hosts: Path
    address: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Site:
    """One server: where it listens, for whom it speaks, and what it demands of others."""

    address: str
    domains: Sequence[str]
    certificates: Mapping[str, Path]  # of domains and components; PEM files with certificate, chain and key
    authorities: Path
    names: Names
    components: Mapping[str, str] = field(default_factory=dict)  # domain -> shared secret
    starttls: bool = True  # False: S2S without any TLS
    require_tls: bool = False
    require_certificates: bool = False  # a certificate that does not verify ends the stream
    dialback: bool = True
    direct_tls: bool = False
    bidi: bool = False  # XEP-0288, where the server has it
    stream_management: bool = False  # XEP-0198
    client_certificates: bool = False  # clients may log in by SASL EXTERNAL, where the server can do that
    verbose: bool = True  # False: log only what is wrong, for measurements
    options: Mapping[str, Any] = field(default_factory=dict)  # in the server's own words, laid over all the above


def laid_over(settings: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the options in place: tables are merged, everything else is replaced."""
    merged = dict(settings)
    for key, value in options.items():
        beneath = merged.get(key)
        if isinstance(beneath, Mapping) and isinstance(value, Mapping):
            value = laid_over(beneath, value)
        merged[key] = value
    return merged
