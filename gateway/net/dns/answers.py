"""The answer of the DNS to one question, read and checked: no sockets, no clock.

Records count only if they belong to the name that was asked, or to the end of its aliases (RFC 1034 §3.6.2). Aliases
that form a loop, are too many or lead to something other than a host name are reported as trouble.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Any, Literal, NamedTuple

from twisted.names import dns

from gateway.net.dns.service_records import ServiceRecord
from gateway.net.dns.targets import is_host_name
from gateway.net.dns.tlsa import TLSARecord, read_tlsa
from gateway.xmpp.errors import GatewayError

RecordType = Literal["SRV", "A", "AAAA", "TLSA", "NS", "TXT", "CAA"]
TLSA = 52  # RFC 6698 §7.1; twisted.names has no class for it
CAA = 257  # RFC 8659 §4.1; nor for this


class DNSQuestion(NamedTuple):
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
    """The DNSSEC status of an answer (RFC 4035 §4.3)."""

    SECURE = "secure"
    INSECURE = "insecure"  # not signed, or not checked by anybody whom we believe
    BOGUS = "bogus"  # signed, but the signatures are wrong: its content is never used


@dataclass(frozen=True, kw_only=True)
class DNSAnswer:
    """The answer to a question, and for how many seconds it is valid.

    `values` is the content of a FOUND answer: ServiceRecords, addresses, TLSARecords or names of nameservers.
    """

    question: DNSQuestion
    outcome: LookupOutcome
    detail: str
    values: tuple[Any, ...] = ()
    seconds: float = 0
    remembered: bool = False
    canonical: str = ""  # the end of the name's aliases
    security: Security = Security.INSECURE

    @property
    def is_secure(self) -> bool:
        """Return whether DNSSEC proves the answer, even one that says that there is nothing."""
        return self.security is Security.SECURE

    @property
    def is_bogus(self) -> bool:
        """Return whether the answer was tampered with, or wrongly signed by its owner."""
        return self.security is Security.BOGUS

    @property
    def definite(self) -> bool:
        """Return whether the DNS has said what exists, so that asking again would not help."""
        return self.outcome in (LookupOutcome.FOUND, LookupOutcome.NONE, LookupOutcome.NO_NAME)

    @property
    def sentence(self) -> str:
        """The question and its answer, for an operator to read."""
        signed = " (DNSSEC)" if self.is_secure else ""
        return f"{self.question}: {self.detail}{signed}{', known from before' if self.remembered else ''}"


class AliasTrouble(GatewayError):
    """Aliases that do not lead to a usable name."""


def follow_aliases(
    answers: Iterable[dns.RRHeader], names: list[str], record_type: int, most: int
) -> list[dns.RRHeader]:
    """Return the records of that type at the end of one answer's aliases; the aliases are added to `names`."""
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
    """Return the values in records of one kind, each once, without useless ones."""
    values = map(_READERS[kind], records)
    return tuple(value for value in dict.fromkeys(values) if value is not None)


def in_words(kind: RecordType, values: Sequence[Any]) -> str:
    """Return what was found, for the sentence of an answer."""
    if not values:
        return "nothing that can be used"
    if kind != "SRV":
        return ", ".join(map(str, values))
    if not any(record.target for record in values):
        return "the domain says that there is no such service"
    return "1 record" if len(values) == 1 else f"{len(values)} records"


def _service(record: dns.RRHeader) -> ServiceRecord:
    """Return an SRV record; one that names no usable server becomes target `.`."""
    payload = _payload(record)
    target = _text(payload.target)
    usable = payload.port > 0 and is_host_name(target)
    return ServiceRecord(
        priority=payload.priority, weight=payload.weight, port=payload.port, target=target if usable else ""
    )


def _address(record: dns.RRHeader) -> str | None:
    """Return the address in an A or AAAA record, unless no server can have it."""
    address = ip_address(_payload(record).address)
    return None if address.is_unspecified or address.is_multicast else address.compressed


def _association(record: dns.RRHeader) -> TLSARecord | None:
    return read_tlsa(_payload(record).data)


def _nameserver(record: dns.RRHeader) -> str:
    return _text(_payload(record).name)


def _words(record: dns.RRHeader) -> str:
    return b"".join(_payload(record).data).decode("utf-8", "replace")


def _issuance(record: dns.RRHeader) -> str | None:
    """Return a CAA record as zone files have it; None if its data is too short (RFC 8659 §4.1)."""
    data = _payload(record).data
    if len(data) < 2 or len(data) < 2 + data[1]:
        return None
    end = 2 + data[1]
    tag, value = (part.decode("ascii", "replace") for part in (data[2:end], data[end:]))
    return f'{data[0]} {tag} "{value}"'


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
    "TXT": _words,
    "CAA": _issuance,
}
