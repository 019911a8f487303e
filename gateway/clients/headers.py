"""ClientPolicy: accept stream headers of clients to domains with accounts (RFC 6120 §4.7).

Before a client has proved itself, its 'from' means nothing; afterwards it must be the account that it has proved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.stream.facts import ClientFacts
from gateway.stream.header import StreamHeader
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StreamCondition, StreamError


@dataclass(frozen=True)
class ClientPolicy:
    """The policy of the client ports."""

    domains: frozenset[Domain]

    def accept(self, header: StreamHeader, facts: ClientFacts) -> ClientFacts:
        """Check a client's header; it must name one of our domains that has accounts, others are unknown (§4.9.3.6)."""
        if header.to_domain is None:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "the stream header needs a 'to'")
        if header.to_domain not in self.domains:
            raise StreamError(
                StreamCondition.HOST_UNKNOWN,
                "this server has no accounts in that domain",
                reason=f"it asks for accounts in {header.to_domain}, but no [domains] table has any",
            )
        if facts.client is not None and header.from_ is not None and header.from_.bare != facts.client.bare:
            raise StreamError(StreamCondition.INVALID_FROM, "'from' is not the account that this stream has proved")
        return replace(facts, local=header.to_domain)
