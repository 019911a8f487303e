"""The limits that one side announces to the other, as an element (XEP-0478).

It is part of the receiving entity's stream features, and of the `<bidi/>` of an initiating server (XEP-0288).
"""

from __future__ import annotations

from functools import lru_cache

from gateway.stream.facts import Facts, PeerLimits
from gateway.xmpp.digits import read_number
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import LIMITS

_MOST = 10**18 - 1


def our_limits(facts: Facts) -> Element:
    """Return `<limits/>` from our terms for the other side."""
    return _limits(facts.terms.stanza_bytes, int(facts.terms.idle_seconds))


@lru_cache
def _limits(stanza_bytes: int, idle_seconds: int) -> Element:
    told = {"max-bytes": stanza_bytes, "idle-seconds": idle_seconds}
    return Element(
        LIMITS, "limits", {}, [Element(LIMITS, name, {}, [str(value)]) for name, value in told.items() if value]
    )


def their_limits(parent: Element) -> PeerLimits:
    """Return the content of `<limits/>` inside an element, as far as it consists of numbers."""
    limits = parent.first(LIMITS, "limits")
    if limits is None:
        return PeerLimits()
    return PeerLimits(stanza_bytes=_number(limits, "max-bytes"), idle_seconds=_number(limits, "idle-seconds"))


def _number(limits: Element, name: str) -> int | None:
    element = limits.first(LIMITS, name)
    text = element.text.strip() if element is not None else ""
    return read_number(text, _MOST)
