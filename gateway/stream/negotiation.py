"""Negotiation: an ordered tuple of features, and the steps that they return (RFC 6120 §4.3).

A feature is stateless: everything that it needs is in the facts, and what it finds out goes into new facts. It knows no
other feature, and the loop over them (in `stream`) knows none by name. Tuple order is preference.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Generic, TypeVar

from gateway.stream.events import Event, Order
from gateway.stream.facts import Facts
from gateway.stream.records import record
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse


class Then(Enum):
    """The action after a step."""

    AWAIT = "the other side's next element"
    SUSPEND = "the answer to a question; input waits meanwhile"
    BEGIN = "the features, now that what they depend on is known"
    CONTINUE = "the next feature, if any"
    RESTART = "a new stream header on both sides (RFC 6120 §4.3.3)"
    CLOSE = "the end of the stream, without an error"


@record(frozen=True, kw_only=True)
class Step:
    """The result of a feature: outputs in order, the new facts, and what comes next."""

    facts: Facts
    outputs: Sequence[Element | Event | Order] = ()  # elements are sent
    then: Then = Then.AWAIT


KnownT = TypeVar("KnownT", bound=Facts, contravariant=True)


class StreamFeature(Generic[KnownT]):
    """One thing that can be negotiated, on streams with facts of one kind. Subclasses override what they need."""

    name: str
    handles: frozenset[tuple[str, str]] = frozenset()  # the top-level elements it receives: (namespace, name)
    answers: tuple[type, ...] = ()  # the answers to its questions

    def offer(self, facts: KnownT) -> Element | None:
        """Receiving entity: return the element to advertise, or None if the feature does not apply now."""
        return None

    def begin(self, facts: KnownT, offered: Element) -> Step | None:
        """Initiating entity: start this feature, given the offered features, or return None to skip it.

        Raise StreamError if continuing without it is not acceptable.
        """
        return None

    def opened(self, facts: KnownT) -> Step | None:
        """The other side's header was accepted: a question to be answered before any feature, or None.

        The feature has its answer followed by `Then.BEGIN`.
        """
        return None

    def receive(self, facts: KnownT, element: Element) -> Step:
        """Take one of the elements in `handles`."""
        raise Misuse(f"{self.name} receives nothing")

    def answered(self, facts: KnownT, answer: Any) -> Step:
        """Take one of the `answers`; a subclass names their types."""
        raise Misuse(f"{self.name} asks nothing")

    def closing(self, facts: KnownT) -> Sequence[Event]:
        """Return last events for the session before the closing tag is sent."""
        return ()

    def is_complete(self, facts: KnownT) -> bool:
        """Return whether stanzas may pass as far as this feature is concerned; they pass once all agree."""
        return True
