"""Failures of an account's work, as the stanza errors that their senders get."""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.storage.errors import NoSuchAccount, StoreFull, StoreUnavailable
from gateway.xmpp.elements import Oversized
from gateway.xmpp.errors import StanzaCondition, StanzaError


def explain(failure: Failure) -> StanzaError:
    """Return the error for a sender; an unexpected exception is one of our bugs, and is logged with its traceback."""
    error = failure.value
    if isinstance(error, StanzaError):
        return error
    if isinstance(error, Oversized):
        return StanzaError(StanzaCondition.POLICY_VIOLATION, str(error))
    if isinstance(error, StoreFull):
        return StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, str(error))
    if isinstance(error, NoSuchAccount):
        return StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
    if isinstance(error, StoreUnavailable):
        return StanzaError(
            StanzaCondition.INTERNAL_SERVER_ERROR, "nothing can be stored now", reason=str(error), error_type="wait"
        )
    Logger(namespace=__name__).failure("a stanza could not be handled", failure)
    return StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR, reason=repr(error))
