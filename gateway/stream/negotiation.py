"""Negotiation: an ordered tuple of features, and the steps that they answer with (RFC 6120 §4.3).

A feature is stateless: what it needs to know is in the facts, what it finds out goes into new facts. It knows no other
feature, and the loop over them (in `stream`) knows none by name. Tuple order is preference.
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
    """What a feature wants done: outputs in their order, the facts from now on, and what comes next."""

    facts: Facts
    outputs: Sequence[Element | Event | Order] = ()  # elements are sent
    then: Then = Then.AWAIT


class StreamFeature:
    """One thing that can be negotiated. A subclass overrides what applies to it."""

    name: str
    handles: frozenset[tuple[str, str]] = frozenset()  # the top-level elements it receives: (namespace, name)
    answers: tuple[type, ...] = ()  # the answers to its questions

    def opened(self, facts: Facts) -> Step | None:
        """The other side's header was accepted: a question to be answered before any feature, or None.

        The feature has its answer followed by `Then.BEGIN`.
        """
        return None

    def offer(self, facts: Facts) -> Element | None:
        """Receiving entity: what to advertise, or None where it does not apply now."""
        return None

    def begin(self, facts: Facts, offered: Element) -> Step | None:
        """Initiating entity: start on it, given the features that were offered, or None to pass it over.

        Raises StreamError where going on without it is not acceptable.
        """
        return None

    def receive(self, facts: Facts, element: Element) -> Step:
        """One of the elements in `handles` came."""
        raise Misuse(f"{self.name} receives nothing")

    def answered(self, facts: Facts, answer: object) -> Step:
        """One of `answers` came back."""
        raise Misuse(f"{self.name} asks nothing")

    def closing(self, facts: Facts) -> Sequence[Event]:
        """The closing tag is about to be sent: what still concerns the session before that."""
        return ()

    def is_complete(self, facts: Facts) -> bool:
        """Whether this feature is content that stanzas pass; they do once all are."""
        return True
