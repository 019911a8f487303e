"""SASL on a stream: the elements, and the questions to the I/O layer (RFC 6120 §6).

Servers and clients prove different things by different mechanisms; the exchange of elements is the same.
`sasl_receiving` and `sasl_initiating` are the two sides; each takes its mechanisms as arguments.

A mechanism may need an account's keys, and some steps take milliseconds of CPU. A stream does neither itself: it sends
`FindCredentials` or `Compute`, and waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.sasl.mechanism import ServerStep
from gateway.sasl.payload import encode_payload
from gateway.stream.events import Event, Order
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import SaslCondition, SaslFailure
from gateway.xmpp.namespaces import SASL, XML

Token = Callable[[], str]
"""Makes a string that nobody can guess."""

HANDLED = frozenset({(SASL, name) for name in ("auth", "challenge", "response", "abort", "success", "failure")})


@dataclass(frozen=True, kw_only=True)
class FindCredentials(Order):
    """Look up an account's keys for the first of these hashes that it has. Answer: `CredentialsFound`."""

    account: str
    hashes: tuple[ScramHash, ...]


@dataclass(frozen=True, kw_only=True)
class CredentialsFound(Event):
    """The answer to `FindCredentials`: the keys, None if there is no such account, or why nobody can say."""

    keys: ScramKeys | SaslFailure | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Compute(Order):
    """Do this work where it delays nobody else; a SaslFailure that it raises is its result. Answer: `Computed`."""

    work: Callable[[], ServerStep | bytes] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Computed(Event):
    """The answer to `Compute`: what the work returned, or the SaslFailure that it raised."""

    outcome: ServerStep | bytes | SaslFailure = field(repr=False)


def carry_out(order: Compute) -> Computed:
    """Do the work of an order in the calling thread."""
    try:
        return Computed(outcome=order.work())
    except SaslFailure as failure:
        return Computed(outcome=failure)


@dataclass(frozen=True, kw_only=True)
class Pause(Order):
    """An attempt has failed: wait for a while, always the same. Answer: `Paused`."""


@dataclass(frozen=True, kw_only=True)
class Paused(Event):
    """The answer to `Pause`."""


def payload_element(name: str, payload: bytes) -> Element:
    """Return `<challenge/>` or `<response/>`."""
    return Element(SASL, name, {}, [encode_payload(payload)])


def failure_element(failure: SaslFailure) -> Element:
    """Return `<failure/>`: the condition, and a text if there is one (RFC 6120 §6.4.5)."""
    children = [Element(SASL, str(failure.condition))]
    if failure.text:
        children.append(Element(SASL, "text", {(XML, "lang"): "en"}, [failure.text]))
    return Element(SASL, "failure", {}, children)


def read_failure(element: Element) -> SaslFailure:
    """Read a `<failure/>`; an unknown condition becomes the general one (RFC 6120 §6.4.5)."""
    named = next((child.name for child in element.elements(SASL) if child.name != "text"), "")
    text = element.first(SASL, "text")
    known = named in list(SaslCondition)
    condition = SaslCondition(named) if known else SaslCondition.NOT_AUTHORIZED
    return SaslFailure(condition, text.text if text is not None else "" if known else named)
