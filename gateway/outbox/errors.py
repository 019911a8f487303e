"""Errors of an outbox: refusals, and failures."""

from __future__ import annotations

from enum import Enum

from gateway.outbox.conditions import Condition
from gateway.xmpp.errors import GatewayError, StanzaCondition, StanzaError


class Bound(Enum):
    """A bound of the outbox, in words for the sender of the stanza that met it."""

    TOTAL = "this server has no room for more stanzas that wait"
    SENDER = "too many stanzas from this domain wait already"
    PAIR = "too many stanzas wait for that server already"
    PAIRS = "stanzas wait for too many servers already"


class OutboxError(GatewayError):
    """Something was not kept, read or removed; what was there before is unchanged."""

    def stanza_error(self) -> StanzaError:
        """Return the error for the sender of a stanza that was not kept."""
        raise NotImplementedError


class OutboxFull(OutboxError):
    """A stanza would be beyond a bound, which `bound` names."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound.value)
        self.bound = bound

    def stanza_error(self) -> StanzaError:
        return StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, self.bound.value)


class OutboxUnavailable(OutboxError):
    """The outbox cannot work now; `condition` names why, `detail` is what the system said."""

    def __init__(self, condition: Condition, detail: str = "") -> None:
        super().__init__(f"{condition.sentence}: {detail}" if detail else condition.sentence)
        self.condition = condition
        self.detail = detail

    def stanza_error(self) -> StanzaError:
        text = "this server cannot keep stanzas that wait at the moment"
        return StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text, reason=str(self))
