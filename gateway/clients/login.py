"""Login: answers the questions of SASL: keys from the store, work in a thread of its own, a pause after a failure.

All of it takes the same time whether there is such an account or not: the key is looked up either way, the work is done
either way, and the pause is of one length.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.features.sasl import Compute, Computed, CredentialsFound, FindCredentials, Paused, carry_out
from gateway.storage.errors import StoreError
from gateway.storage.interfaces import IStore
from gateway.xmpp.errors import SaslCondition, SaslFailure

PAUSE_SECONDS = 0.5

Run = Callable[[Callable[[], Any]], "Deferred[Any]"]


class Login:
    """What all logins of a process share."""

    def __init__(self, store: IStore, run: Run, clock: IReactorTime, pause_seconds: float = PAUSE_SECONDS) -> None:
        """`run` does something in another thread."""
        self._store = store
        self._run = run
        self._clock = clock
        self._pause_seconds = pause_seconds

    def find(self, question: FindCredentials) -> Deferred[CredentialsFound]:
        """The keys that the store has."""
        found = self._store.keys(question.account, question.hashes)
        return found.addCallbacks(lambda keys: CredentialsFound(keys=keys), _not_now)

    def compute(self, order: Compute) -> Deferred[Computed]:
        """The outcome of some work."""
        return self._run(partial(carry_out, order))

    def pause(self, _: object) -> Deferred[Paused]:
        """Some time later."""
        over: Deferred[Paused] = Deferred()
        self._clock.callLater(self._pause_seconds, over.callback, Paused())
        return over


def _not_now(failure: Failure) -> CredentialsFound:
    failure.trap(StoreError)
    return CredentialsFound(
        keys=SaslFailure(SaslCondition.TEMPORARY_AUTH_FAILURE, reason=f"accounts cannot be read: {failure.value}")
    )
