"""Negotiation: an ordered tuple of features, and the steps that they return (RFC 6120 §4.3).

A feature is stateless: everything that it needs is in the facts, and what it finds out goes into new facts. It knows no
other feature, and the loop over them (in `stream`) knows none by name. Tuple order is preference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.stream.events import Event, Order
from gateway.stream.facts import Facts
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse


class Then(Enum):
    """The action after a step."""

    AWAIT = "the other side's next element"
    SUSPEND = "the answer to a question; what comes meanwhile waits"
    BEGIN = "the features: what had to be known before them is known"
    CONTINUE = "the next feature, if any"
    RESTART = "a new stream header on both sides (RFC 6120 §4.3.3)"
    CLOSE = "the end of the stream, without an error"


@dataclass(frozen=True, kw_only=True)
class Step:
    """The result of a feature: outputs in order, the new facts, and what comes next."""

    facts: Facts
    outputs: Sequence[Element | Event | Order] = ()  # elements are sent
    then: Then = Then.AWAIT


class StreamFeature:
    """One thing that can be negotiated. Subclasses override the methods that they need."""

    name: str
    handles: frozenset[tuple[str, str]] = frozenset()  # the top-level elements it receives: (namespace, name)
    answers: tuple[type, ...] = ()  # the answers to its questions

    def opened(self, facts: Facts) -> Step | None:
        """The other side's header was accepted: a question to be answered before any feature, or None.

        The feature has its answer followed by `Then.BEGIN`.
        """
        return None

    def offer(self, facts: Facts) -> Element | None:
        """Receiving entity: return the element to advertise, or None if the feature does not apply now."""
        return None

    def begin(self, facts: Facts, offered: Element) -> Step | None:
        """Initiating entity: start this feature, given the offered features, or return None to skip it.

        Raise StreamError if continuing without it is not acceptable.
        """
        return None

    def receive(self, facts: Facts, element: Element) -> Step:
        """Take one of the elements in `handles`."""
        raise Misuse(f"{self.name} receives nothing")

    def answered(self, facts: Facts, answer: object) -> Step:
        """Take one of the `answers`."""
        raise Misuse(f"{self.name} asks nothing")

    def closing(self, facts: Facts) -> Sequence[Event]:
        """Return last events for the session before the closing tag is sent."""
        return ()

    def is_complete(self, facts: Facts) -> bool:
        """Return whether stanzas may pass as far as this feature is concerned; they pass once all agree."""
        return True
