"""ComponentPolicy: accept stream headers of components (XEP-0114, RFC 6120 §4.7).

The 'to' of the header is the domain that the component wants to be (XEP-0114 §3); it proves that by the handshake that
follows. A component names itself nowhere else: its header has no 'from'.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from gateway.stream.facts import Facts
from gateway.stream.header import StreamHeader
from gateway.stream.records import replace
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StreamCondition, StreamError


@dataclass(frozen=True)
class ComponentPolicy:
    """The policy of the component ports."""

    domains: Container[Domain]

    def accept(self, header: StreamHeader, facts: Facts) -> Facts:
        """Check a component's header; anything but the domain of a component is host-unknown (§4.9.3.6)."""
        if header.to_domain is None or header.to_domain not in self.domains:
            raise StreamError(
                StreamCondition.HOST_UNKNOWN,
                "no component is configured for that domain",
                reason=f"no [domains] table with serve = 'component' is for {header.to_domain or 'an unnamed domain'}",
            )
        return replace(facts, local=header.to_domain)
