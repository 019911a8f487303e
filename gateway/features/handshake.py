"""The handshake of an external component (XEP-0114 §3): it proves that it knows the secret, and is attached.

The digest covers the stream's id, which comes from a strong source and is never used twice, so a handshake from one
stream is useless on another.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from gateway.stream.events import Event, Order
from gateway.stream.facts import ComponentFacts
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import COMPONENT_ACCEPT


@dataclass(frozen=True, kw_only=True)
class AttachComponent(Order):
    """The component has proved that it knows the secret of this domain. Answer: `ComponentAttached`."""

    domain: Domain


@dataclass(frozen=True, kw_only=True)
class ComponentAttached(Event):
    """The answer to `AttachComponent`: whether it gets the domain, or another connection keeps it."""

    accepted: bool


class Handshake(StreamFeature[ComponentFacts]):
    """Authenticates a component."""

    name = "handshake"
    handles = frozenset({(COMPONENT_ACCEPT, "handshake")})
    answers = (ComponentAttached,)

    def __init__(self, secret_of: Callable[[Domain], str | None]) -> None:
        self._secret_of = secret_of

    def receive(self, facts: ComponentFacts, element: Element) -> Step:
        """Take `<handshake/>` with the digest, in lower-case hexadecimal."""
        if facts.attached is not None or facts.local is None:
            raise StreamError(
                StreamCondition.UNSUPPORTED_STANZA_TYPE, "this component has already completed its handshake"
            )
        secret = self._secret_of(facts.local)
        digest = hashlib.sha1(f"{facts.stream_id}{secret}".encode(), usedforsecurity=False).hexdigest()
        if secret is None or not hmac.compare_digest(digest.encode(), element.text.strip().lower().encode()):
            raise StreamError(
                StreamCondition.NOT_AUTHORIZED, "the handshake does not match", reason="the component's secret is wrong"
            )
        return Step(facts=facts, outputs=[AttachComponent(domain=facts.local)], then=Then.SUSPEND)

    def answered(self, facts: ComponentFacts, answer: ComponentAttached) -> Step:
        """Attach the component, or refuse it because another one keeps the domain."""
        if not answer.accepted:
            raise StreamError(StreamCondition.CONFLICT, "another connection of this component is alive")
        attached = replace(facts, attached=facts.local)
        return Step(facts=attached, outputs=[Element(COMPONENT_ACCEPT, "handshake")], then=Then.CONTINUE)

    def is_complete(self, facts: ComponentFacts) -> bool:
        """Hold stanzas until the handshake."""
        return facts.attached is not None
