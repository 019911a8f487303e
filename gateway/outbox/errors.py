"""Errors of an outbox: refusals, and failures."""

from __future__ import annotations

from enum import Enum

from twisted.python.failure import Failure

from gateway.outbox.conditions import Condition
from gateway.xmpp.errors import GatewayError, StanzaCondition, StanzaError


class Bound(Enum):
    """A limit of the outbox, in words for the sender of a refused stanza."""

    TOTAL = "this server has no room for more waiting stanzas"
    SENDER = "too many stanzas from this domain are already waiting"
    PAIR = "too many stanzas are already waiting for that server"
    PAIRS = "stanzas are already waiting for too many servers"


class OutboxError(GatewayError):
    """Something was not kept, read or removed; the previous state is unchanged."""

    def stanza_error(self) -> StanzaError:
        """Return the error for the sender of a stanza that was not kept."""
        raise NotImplementedError


class OutboxFull(OutboxError):
    """A stanza would exceed a limit, which `bound` names."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound.value)
        self.bound = bound

    def stanza_error(self) -> StanzaError:
        return StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, self.bound.value)


class OutboxUnavailable(OutboxError):
    """The outbox cannot work now; `condition` says why, `detail` is the system's message."""

    def __init__(self, condition: Condition, detail: str = "") -> None:
        super().__init__(f"{condition.sentence}: {detail}" if detail else condition.sentence)
        self.condition = condition
        self.detail = detail

    def stanza_error(self) -> StanzaError:
        text = "this server cannot keep waiting stanzas at the moment"
        return StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text, reason=str(self))


def ignore_failure(failure: Failure) -> None:
    """Ignore a failure of the outbox: it has reported its condition, and remembers what was settled."""
    failure.trap(OutboxError)


def error_of(failure: Failure) -> OutboxError:
    """Return the error of a failed call; a failure that is none of the outbox is raised again."""
    failure.trap(OutboxError)
    error = failure.value
    assert isinstance(error, OutboxError)
    return error
