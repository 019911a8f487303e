"""SASL on a stream: the elements, and the questions to the I/O floor (RFC 6120 §6).

What is proved, to whom and by which mechanisms differs between servers and clients; how the elements go to and fro
does not. `sasl_receiving` and `sasl_initiating` are the two sides; each is given its mechanisms.

A mechanism may need an account's keys, and some steps take milliseconds of CPU. Neither is for a stream to do: it asks
by `FindCredentials` and `Compute`, and waits.
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
"""Makes a text that nobody can guess."""

HANDLED = frozenset({(SASL, name) for name in ("auth", "challenge", "response", "abort", "success", "failure")})


@dataclass(frozen=True, kw_only=True)
class FindCredentials(Order):
    """Look up an account's keys of the first of these hashes that it has. Answer: `CredentialsFound`."""

    account: str
    hashes: tuple[ScramHash, ...]


@dataclass(frozen=True, kw_only=True)
class CredentialsFound(Event):
    """The answer to `FindCredentials`: keys, None where there is no such account, or why nobody can tell."""

    keys: ScramKeys | SaslFailure | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Compute(Order):
    """Do this where it holds up nobody else; what it raises as SaslFailure is its outcome. Answer: `Computed`."""

    work: Callable[[], ServerStep | bytes] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Computed(Event):
    """The answer to `Compute`: what the work returned, or the SaslFailure that it raised."""

    outcome: ServerStep | bytes | SaslFailure = field(repr=False)


def carry_out(order: Compute) -> Computed:
    """Do the work of an order, wherever this is called."""
    try:
        return Computed(outcome=order.work())
    except SaslFailure as failure:
        return Computed(outcome=failure)


@dataclass(frozen=True, kw_only=True)
class Pause(Order):
    """A try has failed: let a while pass, always the same. Answer: `Paused`."""


@dataclass(frozen=True, kw_only=True)
class Paused(Event):
    """The answer to `Pause`."""


def payload_element(name: str, payload: bytes) -> Element:
    """`<challenge/>` or `<response/>`."""
    return Element(SASL, name, {}, [encode_payload(payload)])


def failure_element(failure: SaslFailure) -> Element:
    """`<failure/>`: the condition, and a text where there is one (RFC 6120 §6.4.5)."""
    children = [Element(SASL, str(failure.condition))]
    if failure.text:
        children.append(Element(SASL, "text", {(XML, "lang"): "en"}, [failure.text]))
    return Element(SASL, "failure", {}, children)


def read_failure(element: Element) -> SaslFailure:
    """What a `<failure/>` says; a condition that nobody knows is the general one (RFC 6120 §6.4.5)."""
    named = next((child.name for child in element.elements(SASL) if child.name != "text"), "")
    text = element.first(SASL, "text")
    known = named in list(SaslCondition)
    condition = SaslCondition(named) if known else SaslCondition.NOT_AUTHORIZED
    return SaslFailure(condition, text.text if text is not None else "" if known else named)
