"""Faults: everything that can be wrong on a stream, whether it ends the stanza or the stream, and the error it causes.

A stream carries the stanzas of many people. It ends only for the reasons for which RFC 6120 ends a stream: its XML, its
header, a domain that was not proved, a limit that cannot be enforced in any other way. Everything else ends one stanza:
the sender gets an error, or a named rule drops the stanza. The stanzas behind it continue, and with XEP-0198 the faulty
one counts as handled.

This table decides. Code that finds a fault names it and raises `refusal(...)`, or `stream_error(...)` if the outcome is
the same on every stream. docs/delivery.md shows the table (`python -m gateway.xmpp.faults`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import NamedTuple

from gateway.xmpp.errors import GatewayError, StanzaCondition, StanzaDropped, StanzaError, StreamCondition, StreamError


class StreamKind(StrEnum):
    """The kind of peer at the other end of a stream."""

    SERVER = "server"
    RELAYED = "relayed server"
    COMPONENT = "component"
    CLIENT = "client"


class Fault(StrEnum):
    """The faults that can occur once stanzas may pass."""

    # the stream's XML
    NOT_WELL_FORMED = "not-well-formed"
    RESTRICTED_XML = "restricted-xml"
    OTHER_ENCODING = "other-encoding"
    TEXT_BETWEEN_STANZAS = "text-between-stanzas"
    UNKNOWN_ELEMENT = "unknown-element"
    TOO_EARLY = "too-early"
    # limits
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    TOO_MANY_ELEMENTS = "too-many-elements"
    TOO_MANY_ATTRIBUTES = "too-many-attributes"
    ENDLESS = "endless"
    # addresses
    FROM_MISSING = "from-missing"
    FROM_NOT_PROVED = "from-not-proved"
    FROM_MALFORMED = "from-malformed"
    TO_MISSING = "to-missing"
    TO_NOT_PROVED = "to-not-proved"
    TO_UNKNOWN = "to-unknown"
    TO_MALFORMED = "to-malformed"
    # the stanza itself
    ONE_WAY = "one-way"
    INVALID_IQ = "invalid-iq"
    UNKNOWN_PRESENCE = "unknown-presence"


class Silence(StrEnum):
    """The rules by which a stanza is dropped without an answer."""

    NO_SENDER = "no-sender"  # there is no address to send an error to
    ONE_WAY = "one-way-stream"  # nobody has proved where an error would go


class Regular(Enum):
    """The outcome of something that is allowed on a kind of stream."""

    TAKEN = "taken"


Outcome = StreamCondition | StanzaCondition | Silence | Regular
"""A stream condition ends the stream; a stanza condition goes to the sender; silence drops the stanza."""

TAKEN = Regular.TAKEN


class FaultRow(NamedTuple):
    """One fault: its description for the manual, the sections of the standards, and its outcome by kind of stream."""

    situation: str
    section: str
    server: Outcome
    relayed: Outcome
    component: Outcome
    client: Outcome

    def outcome(self, kind: StreamKind) -> Outcome:
        """Return the outcome of this fault on such a stream."""
        found: Outcome = getattr(self, kind.name.lower())
        return found


def _alike(situation: str, section: str, outcome: Outcome) -> FaultRow:
    """Return a row that is the same for all kinds of streams."""
    return FaultRow(situation, section, outcome, outcome, outcome, outcome)


TABLE: Mapping[Fault, FaultRow] = MappingProxyType(
    {
        Fault.NOT_WELL_FORMED: _alike(
            "the XML is not well-formed", "RFC 6120 §4.9.3.13, §11.3", StreamCondition.NOT_WELL_FORMED
        ),
        Fault.RESTRICTED_XML: _alike(
            "a comment, processing instruction, DTD or entity reference",
            "RFC 6120 §4.9.3.18, §11.1",
            StreamCondition.RESTRICTED_XML,
        ),
        Fault.OTHER_ENCODING: _alike(
            "an encoding that is not UTF-8", "RFC 6120 §4.9.3.22, §11.6", StreamCondition.UNSUPPORTED_ENCODING
        ),
        Fault.TEXT_BETWEEN_STANZAS: _alike("text between stanzas", "RFC 6120 §4.9.3.1", StreamCondition.BAD_FORMAT),
        Fault.UNKNOWN_ELEMENT: _alike(
            "a top-level element that is neither a stanza in this stream's content namespace nor negotiated",
            "RFC 6120 §4.9.3.24",
            StreamCondition.UNSUPPORTED_STANZA_TYPE,
        ),
        Fault.TOO_EARLY: _alike(
            "a stanza before the negotiation is complete", "RFC 6120 §4.9.3.12", StreamCondition.NOT_AUTHORIZED
        ),
        Fault.TOO_LARGE: _alike(
            "more bytes in a stanza than the limit for this stream",
            "RFC 6120 §8.3.3.12, §13.12",
            StanzaCondition.POLICY_VIOLATION,
        ),
        Fault.TOO_DEEP: _alike(
            "elements nested more deeply than `[limits] depth`",
            "RFC 6120 §8.3.3.12, §13.12",
            StanzaCondition.POLICY_VIOLATION,
        ),
        Fault.TOO_MANY_ELEMENTS: _alike(
            "more elements in a stanza than `[limits] elements`",
            "RFC 6120 §8.3.3.12, §13.12",
            StanzaCondition.POLICY_VIOLATION,
        ),
        Fault.TOO_MANY_ATTRIBUTES: _alike(
            "more attributes in one tag than `[limits] attributes`, which the parser must not see",
            "RFC 6120 §4.9.3.14, §13.12",
            StreamCondition.POLICY_VIOLATION,
        ),
        Fault.ENDLESS: _alike(
            "too many bytes in a stanza's start tag or in another element, or far beyond the limit:"
            " they cannot be skipped in bounded memory",
            "RFC 6120 §4.9.3.14, §13.12",
            StreamCondition.POLICY_VIOLATION,
        ),
        Fault.FROM_MISSING: FaultRow(
            "no `from`",
            "RFC 6120 §8.1.2; XEP-0114 §3",
            StreamCondition.IMPROPER_ADDRESSING,
            StreamCondition.IMPROPER_ADDRESSING,
            StreamCondition.IMPROPER_ADDRESSING,
            TAKEN,
        ),
        Fault.FROM_NOT_PROVED: _alike(
            "a `from` of a domain that was not proved, of another account or resource, or without a readable domain",
            "RFC 6120 §4.9.3.9, §8.1.2",
            StreamCondition.INVALID_FROM,
        ),
        Fault.FROM_MALFORMED: FaultRow(
            "a `from` of a proved domain with an invalid localpart or resourcepart",
            "RFC 6120 §8.1.2, §8.3.1; RFC 7622",
            Silence.NO_SENDER,
            Silence.NO_SENDER,
            StanzaCondition.JID_MALFORMED,
            StanzaCondition.JID_MALFORMED,
        ),
        Fault.TO_MISSING: FaultRow(
            "no `to`",
            "RFC 6120 §8.1.1.2, §10.3; XEP-0114 §3",
            StreamCondition.IMPROPER_ADDRESSING,
            StreamCondition.IMPROPER_ADDRESSING,
            StanzaCondition.BAD_REQUEST,
            TAKEN,
        ),
        Fault.TO_NOT_PROVED: FaultRow(
            "a `to` in one of our domains for which the sender's domain was not proved",
            "RFC 6120 §4.9.3.9; XEP-0220 §2.6",
            StreamCondition.INVALID_FROM,
            StreamCondition.INVALID_FROM,
            TAKEN,
            TAKEN,
        ),
        Fault.TO_UNKNOWN: FaultRow(
            "a `to` in a domain that is not ours and was not proved: we are not an open relay",
            "RFC 6120 §4.9.3.6; XEP-0220 §2.6",
            StreamCondition.HOST_UNKNOWN,
            StreamCondition.HOST_UNKNOWN,
            TAKEN,
            TAKEN,
        ),
        Fault.TO_MALFORMED: _alike(
            "a `to` that is not an address", "RFC 6120 §8.3.3.8; RFC 7622", StanzaCondition.JID_MALFORMED
        ),
        Fault.ONE_WAY: FaultRow(
            "a stanza received on a one-way stream that we opened",
            "RFC 6120 §8.1.2.2; XEP-0288",
            Silence.ONE_WAY,
            Silence.ONE_WAY,
            TAKEN,
            TAKEN,
        ),
        Fault.INVALID_IQ: _alike(
            "an `iq` without `id`, of an unknown type, or with the wrong number of children",
            "RFC 6120 §8.2.3",
            StanzaCondition.BAD_REQUEST,
        ),
        Fault.UNKNOWN_PRESENCE: FaultRow(
            "`presence` of a type that does not exist",
            "RFC 6121 §4.7.1",
            TAKEN,
            TAKEN,
            TAKEN,
            StanzaCondition.BAD_REQUEST,
        ),
    }
)


def refusal(fault: Fault, kind: StreamKind, text: str, *, reason: str = "") -> GatewayError:
    """Return the error to raise for a fault on such a stream: StreamError, StanzaError or StanzaDropped."""
    outcome = TABLE[fault].outcome(kind)
    if isinstance(outcome, StreamCondition):
        return StreamError(outcome, text, reason=reason)
    if isinstance(outcome, StanzaCondition):
        return StanzaError(outcome, text, reason=reason)
    return StanzaDropped(outcome.value, reason or text)


def stream_error(fault: Fault, text: str, *, reason: str = "") -> StreamError:
    """Return the error for a fault that ends every kind of stream."""
    outcome = TABLE[fault].server
    assert isinstance(outcome, StreamCondition)
    return StreamError(outcome, text, reason=reason)


def stanza_error(fault: Fault, text: str) -> StanzaError:
    """Return the error for a fault that ends the stanza on every kind of stream."""
    outcome = TABLE[fault].server
    assert isinstance(outcome, StanzaCondition)
    return StanzaError(outcome, text)


def manual() -> str:
    """Return the table of docs/delivery.md."""
    kinds = list(StreamKind)
    lines = [
        "| what is wrong | " + " | ".join(kinds) + " | |",
        "|---|" + "---|" * len(kinds) + "---|",
    ]
    for row in TABLE.values():
        cells = (_in_words(row.outcome(kind)) for kind in kinds)
        lines.append(f"| {row.situation} | {' | '.join(cells)} | {row.section} |")
    return "\n".join(lines) + "\n"


def _in_words(outcome: Outcome) -> str:
    match outcome:
        case StreamCondition():
            return f"**stream** ends: `{outcome}`"
        case StanzaCondition():
            return f"answered: `{outcome}`"
        case Silence():
            return f"dropped: `{outcome}`"
        case _:
            return "no fault"


if __name__ == "__main__":
    print(manual(), end="")
