"""What the DNS says to one question, read and checked: no sockets, no clock.

Records count only when they belong to the name that was asked, or to where its aliases lead (RFC 1034 §3.6.2); aliases
that go round in circles, are too many or lead to no host name are trouble, told as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Any, Literal

from twisted.names import dns

from gateway.net.dns.service_records import ServiceRecord
from gateway.net.dns.targets import is_host_name
from gateway.net.dns.tlsa import TLSARecord, read_tlsa
from gateway.xmpp.errors import GatewayError

RecordType = Literal["SRV", "A", "AAAA", "TLSA", "NS"]
TLSA = 52  # RFC 6698 §7.1; twisted.names has no class for it


@dataclass(frozen=True, kw_only=True)
class DNSQuestion:
    """A kind of record at a name, in its A-label form."""

    kind: RecordType
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class LookupOutcome(Enum):
    """How a question ended."""

    FOUND = "found"
    NONE = "none"
    NO_NAME = "no such name"
    FAILED = "failed"
    SILENT = "silent"


class Security(Enum):
    """What DNSSEC says about an answer (RFC 4035 §4.3)."""

    SECURE = "secure"
    INSECURE = "insecure"  # not signed, or checked by nobody whom we believe
    BOGUS = "bogus"  # signed, and the signatures are wrong: nothing in it is ever used


@dataclass(frozen=True, kw_only=True)
class DNSAnswer:
    """What came of a question; it is good for this many seconds.

    `values` are what was FOUND: ServiceRecords, addresses, TLSARecords or names of nameservers.
    """

    question: DNSQuestion
    outcome: LookupOutcome
    detail: str
    values: tuple[Any, ...] = ()
    seconds: float = 0
    remembered: bool = False
    canonical: str = ""  # where the aliases of the name lead
    security: Security = Security.INSECURE

    @property
    def is_secure(self) -> bool:
        """Whether DNSSEC proves the answer, also where it says that there is nothing."""
        return self.security is Security.SECURE

    @property
    def is_bogus(self) -> bool:
        """Whether somebody has tampered with the answer, or its owner has signed it wrongly."""
        return self.security is Security.BOGUS

    @property
    def definite(self) -> bool:
        """Whether the DNS has said what there is, so that asking again would not help."""
        return self.outcome in (LookupOutcome.FOUND, LookupOutcome.NONE, LookupOutcome.NO_NAME)

    @property
    def sentence(self) -> str:
        """The question and its answer, for an operator to read."""
        signed = " (DNSSEC)" if self.is_secure else ""
        return f"{self.question}: {self.detail}{signed}{', known from before' if self.remembered else ''}"


class AliasTrouble(GatewayError):
    """Aliases that lead nowhere."""


def follow_aliases(
    answers: Iterable[dns.RRHeader], names: list[str], record_type: int, most: int
) -> list[dns.RRHeader]:
    """The records of that type where the aliases of one answer lead; those that were followed are added to `names`."""
    ours = [record for record in answers if record.cls == dns.IN]
    aliases = {_text(record.name): _text(_payload(record).name) for record in ours if record.type == dns.CNAME}
    while names[-1] in aliases:
        alias = aliases[names[-1]]
        if alias in names:
            raise AliasTrouble(f"the alias {names[-1]} leads back to {alias}")
        if len(names) > most:
            raise AliasTrouble(f"more than {most} aliases, one after the other")
        if not is_host_name(alias):
            raise AliasTrouble(f"the alias {names[-1]} leads to something other than a host name")
        names.append(alias)
    return [record for record in ours if record.type == record_type and _text(record.name) == names[-1]]


def read_records(kind: RecordType, records: Iterable[dns.RRHeader]) -> tuple[Any, ...]:
    """The values in records of one kind, each once, without those that are of no use to anybody."""
    values = map(_READERS[kind], records)
    return tuple(value for value in dict.fromkeys(values) if value is not None)


def in_words(kind: RecordType, values: Sequence[Any]) -> str:
    """What was found, for the sentence of an answer."""
    if not values:
        return "nothing that can be used"
    if kind != "SRV":
        return ", ".join(map(str, values))
    if not any(record.target for record in values):
        return "the domain says that there is no such service"
    return "1 record" if len(values) == 1 else f"{len(values)} records"


def _service(record: dns.RRHeader) -> ServiceRecord:
    """An SRV record; one that names no server that could be asked is taken as target `.`."""
    payload = _payload(record)
    target = _text(payload.target)
    usable = payload.port > 0 and is_host_name(target)
    return ServiceRecord(
        priority=payload.priority, weight=payload.weight, port=payload.port, target=target if usable else ""
    )


def _address(record: dns.RRHeader) -> str | None:
    """The address in an A or AAAA record, unless no server can have it."""
    address = ip_address(_payload(record).address)
    return None if address.is_unspecified or address.is_multicast else address.compressed


def _association(record: dns.RRHeader) -> TLSARecord | None:
    return read_tlsa(_payload(record).data)


def _nameserver(record: dns.RRHeader) -> str:
    return _text(_payload(record).name)


def _payload(record: dns.RRHeader) -> Any:
    return record.payload


def _text(name: dns.Name) -> str:
    return name.name.decode("latin-1").lower()


_READERS: dict[RecordType, Callable[[dns.RRHeader], Any]] = {
    "SRV": _service,
    "A": _address,
    "AAAA": _address,
    "TLSA": _association,
    "NS": _nameserver,
}
