"""The output of a Stream: events (past tense, from the wire) and orders (imperative, for the I/O layer).

Some orders are questions; the docstring names the answer, which comes back through `Stream.answer`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.stream.facts import Means, PeerCertificate, TLSFacts
from gateway.stream.header import StreamHeader
from gateway.stream.records import record
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import Stanza


class Event:
    """Something happened on the wire."""


@record(frozen=True, kw_only=True)
class StreamOpened(Event):
    """The other side's stream header was accepted."""

    header: StreamHeader


@record(frozen=True, kw_only=True)
class StanzasReceived(Event):
    """Stanzas came, in this order, on an established stream."""

    stanzas: Sequence[Stanza]


@record(frozen=True, kw_only=True)
class PairVerified(Event):
    """The sender domain has proved itself towards the target domain (XEP-0220 §2.2.1, step 4)."""

    pair: DomainPair
    means: Means


INVALID = "invalid"


@record(frozen=True, kw_only=True)
class PairRefused(Event):
    """The other side does not accept our proof for this pair, or we do not accept theirs; the stream may continue.

    `condition` is INVALID if the authoritative server disowned the key, else that of a dialback error.
    """

    pair: DomainPair
    condition: str
    text: str


@record(frozen=True, kw_only=True)
class ProofFailed(Event):
    """One means of proof did not succeed; another may be tried on the same stream."""

    means: Means
    condition: str
    text: str


@record(frozen=True, kw_only=True)
class VerificationAnswered(Event):
    """An authoritative server has answered our db:verify; `valid` is None if it answered with an error."""

    pair: DomainPair
    stream_id: str
    valid: bool | None
    text: str


@record(frozen=True, kw_only=True)
class KeyAnswered(Event):
    """As authoritative server we have answered a question about a key; `known` is False if the domain is not ours."""

    pair: DomainPair
    known: bool
    valid: bool


@record(frozen=True, kw_only=True)
class ClientBound(Event):
    """A client now has a full JID (RFC 6120 §7)."""

    address: Address


@record(frozen=True, kw_only=True)
class NegotiationCompleted(Event):
    """Stanzas may pass."""


@record(frozen=True, kw_only=True)
class StreamErrorReceived(Event):
    """The other side ended the stream with an error."""

    condition: StreamCondition
    text: str


@record(frozen=True, kw_only=True)
class StreamClosed(Event):
    """The other side closed its stream; nothing more will be read."""


class Order:
    """Something that the I/O layer has to do."""


@record(frozen=True, kw_only=True)
class Send(Order):
    """Write these bytes."""

    data: bytes


@record(frozen=True, kw_only=True)
class SecureTransport(Order):
    """Start TLS as client or server by the stream's role. Answer: `Secured`."""


@record(frozen=True, kw_only=True)
class Secured(Event):
    """TLS is up, and the other side's certificate has been judged (None: it presented none)."""

    tls: TLSFacts
    certificate: PeerCertificate | None


@record(frozen=True, kw_only=True)
class FindEvidence(Order):
    """Look elsewhere for what proves that the certificate is that domain's. Answer: `EvidenceFound`."""

    domain: Domain
    means: tuple[Means, ...]


@record(frozen=True, kw_only=True)
class EvidenceFound(Event):
    """The answer to `FindEvidence`: the verdict on the certificate, with what was found."""

    certificate: PeerCertificate


@record(frozen=True, kw_only=True)
class VerifyPair(Order):
    """Ask the authoritative server about a key (XEP-0220 §2.1.2). Answer: `PairChecked`."""

    pair: DomainPair
    stream_id: str
    key: str


@record(frozen=True, kw_only=True)
class PairChecked(Event):
    """The answer to `VerifyPair`: valid, not valid, or None if there was no answer, with the error to send."""

    pair: DomainPair
    valid: bool | None
    condition: str = ""
    text: str = ""


@record(frozen=True, kw_only=True)
class CloseTransport(Order):
    """Nothing more will be sent: end the connection soon, or as soon as the other side has closed its stream."""

    error: StreamError | None
