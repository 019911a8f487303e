"""The surroundings of a stream: the policy of its port, and the tools that all streams share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.stream.budget import Budget
from gateway.stream.facts import Facts
from gateway.stream.header import StreamHeader
from gateway.stream.stanza_reader import AddressLookup

STREAM_ID_BYTES = 20
"""Random bytes in the id of a stream (RFC 6120 §4.7.3): 160 bits, because dialback keys and component handshakes depend
on an id that nobody can guess."""


class Acceptor(Protocol):
    """The policy of a port: turns a header into new facts; raises StreamError to refuse it."""

    def __call__(self, header: StreamHeader, facts: Any) -> Facts: ...  # of the kind that the profile of the door has


@dataclass(frozen=True, kw_only=True)
class StreamTools:
    """Shared by every stream of a process: prepared addresses, our language, budgets, and the maker of ids, which takes
    STREAM_ID_BYTES from a strong source.
    """

    addresses: AddressLookup
    new_id: Callable[[], str]
    lang: str = "en"
    negotiating: Budget = field(default_factory=lambda: Budget(stanza_bytes=10000, elements=200, attributes=100))
