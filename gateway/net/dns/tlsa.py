"""TLSA records: what the owner of a name says about the certificates there (RFC 6698 §2, RFC 7671).

3 1 1 DIGEST     usage, selector, matching type, and the data to compare
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

MOST_DATA = 4096  # bytes of one record; a whole certificate may be in it, and is rarely half as long


class Usage(IntEnum):
    """The subject of the record: an authority or the server itself, with or without the usual authorities."""

    PKIX_TA = 0
    PKIX_EE = 1
    DANE_TA = 2
    DANE_EE = 3


class Selector(IntEnum):
    """The part of a certificate that is compared."""

    CERTIFICATE = 0
    KEY = 1


class Matching(IntEnum):
    """How it is compared."""

    WHOLE = 0
    SHA256 = 1
    SHA512 = 2


_LENGTHS = {Matching.SHA256: 32, Matching.SHA512: 64}


@dataclass(frozen=True, kw_only=True)
class TLSARecord:
    """One record; its numbers may be any."""

    usage: int
    selector: int
    matching: int
    data: bytes = field(repr=False)

    @property
    def is_usable(self) -> bool:
        """Return whether we know its meaning; a record that is not usable counts as absent (RFC 7671 §4.1)."""
        if self.usage not in list(Usage) or self.selector not in list(Selector) or self.matching not in list(Matching):
            return False
        size = len(self.data)
        return 0 < size <= MOST_DATA and size == _LENGTHS.get(Matching(self.matching), size)

    @property
    def parameters(self) -> str:
        """Its three numbers, as people name such a record: `3 1 1`."""
        return f"{self.usage} {self.selector} {self.matching}"

    def __str__(self) -> str:
        shown = self.data[:8].hex()
        return f"{self.parameters} {shown}{'...' if len(self.data) > 8 else ''}"


@dataclass(frozen=True, kw_only=True)
class TLSASet:
    """The records of one name, proved by DNSSEC; `hosts` are the names that an authority's certificate may be for.

    These are the domain itself and the server that it names (RFC 7673 §4).
    """

    name: str
    records: tuple[TLSARecord, ...]
    hosts: tuple[str, ...]

    @property
    def usable(self) -> tuple[TLSARecord, ...]:
        """The usable records."""
        return tuple(record for record in self.records if record.is_usable)


def tlsa_name(host: str, port: int) -> str:
    """Return where the records of a TCP port are (RFC 6698 §3)."""
    return f"_{port}._tcp.{host}"


def read_tlsa(data: bytes) -> TLSARecord | None:
    """Read the data of a record from the wire; return None if it is too short to be one."""
    if len(data) < 3:
        return None
    return TLSARecord(usage=data[0], selector=data[1], matching=data[2], data=data[3:])
