"""StreamEnd: how a stream ended on which stanzas were sent, for the routes that used it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.outbox.window import Break
from gateway.stream.sessions import PeerReading
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import AddressedStanza

ByPair = Mapping[DomainPair, list[AddressedStanza]]


class Headway(StrEnum):
    """What the acknowledgements on a stream have shown."""

    NONE = "nothing, because nothing was waiting for one"
    IN_VAIN = "something was sent, and none of it was acknowledged"
    LED_ON = "something was acknowledged"


@dataclass(frozen=True, kw_only=True)
class StreamEnd:
    """How a stream ended, for the routes that sent on it."""

    reason: str
    made: Break = Break.OTHER  # THEIRS: the other side ended it, or it broke
    reading: PeerReading = PeerReading.READ
    headway: Headway = Headway.NONE
    cleanly: bool = False  # closed properly: what was written has arrived
    resuming: bool = False  # whether the unacknowledged stanzas arrived will be known later
    unacknowledged: ByPair = field(default_factory=dict)  # to be sent again, unless `resuming`
    blamed: AddressedStanza | None = None  # the stanza over which the other side ended the stream: no other could be

    @property
    def returned(self) -> ByPair:
        """The stanzas to be sent again now."""
        return {} if self.resuming else self.unacknowledged


def by_pair(stanzas: Sequence[AddressedStanza]) -> dict[DomainPair, list[AddressedStanza]]:
    """Return stanzas by their pair of domains."""
    sorted_: defaultdict[DomainPair, list[AddressedStanza]] = defaultdict(list)
    for stanza in stanzas:
        sorted_[stanza.pair].append(stanza)
    return dict(sorted_)
