"""Login: answers the questions of SASL: keys from the store, work in its own thread, a pause after a failure.

Everything takes the same time whether the account exists or not: the key is looked up in either case, the work is done
in either case, and the pause always has the same length.

Wrong passwords are counted, by the address that they come from and by the account that they are for, existing or not.
After some of them further attempts have to wait, twice as long each time, and are refused until then without checking
the password. An account that has logged in from an address before is not locked out by others who guess: that account
at that address is counted separately.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.bounds.tables import MOST_CAUSES, Bounded
from gateway.features.sasl import Compute, Computed, CredentialsFound, FindCredentials, Paused, carry_out
from gateway.storage.errors import StoreError
from gateway.storage.interfaces import IStore
from gateway.xmpp.errors import SaslCondition, SaslFailure

PAUSE_SECONDS = 0.5
MOST_FAILURES = 10
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
FORGOTTEN_AFTER = 900.0
"""The seconds without a failure after which everything is forgotten."""
_NOT_YET = SaslFailure(
    SaslCondition.TEMPORARY_AUTH_FAILURE,
    "too many wrong passwords; try again later",
    reason="after too many wrong passwords from there or for that account it has to wait ([limits] login_failures)",
)


@dataclass(kw_only=True)
class LoginTry:
    """One attempt to log in: its address, its account, and whether a password was compared for it."""

    address: str
    account: str
    has_begun: bool = False


MOST_COUNTED = 2 * MOST_CAUSES  # addresses and accounts


class Failures:
    """How often logins have failed, and until when the next attempt has to wait."""

    def __init__(self, most: int) -> None:
        """After `most` failures in a row the waiting begins; 0 means unlimited."""
        self._most = most
        # count, time of the last, wait until
        self._counts: Bounded[str, tuple[int, float, float]] = Bounded(MOST_COUNTED)
        self._known: Bounded[tuple[str, str], None] = Bounded(MOST_CAUSES)

    def may(self, a_try: LoginTry, now: float) -> bool:
        """Return whether a password may be compared now. Once waiting has begun, each attempt starts the next wait."""
        keys = self._keys(a_try)
        counts = [self._count(key, now) for key in keys]
        if any(now < until for _, _, until in counts):
            return False
        for key, (count, last, _) in zip(keys, counts, strict=True):
            if self._most and count >= self._most:
                self._counts.put(key, (count, last, now + self._wait(count)), a_try.address)
        return True

    def failed(self, a_try: LoginTry, now: float) -> None:
        """Count a wrong password."""
        for key in self._keys(a_try):
            count = self._count(key, now)[0] + 1
            until = now + self._wait(count) if self._most and count >= self._most else 0.0
            self._counts.put(key, (count, now, until), a_try.address)

    def succeeded(self, a_try: LoginTry) -> None:
        """Remember the account at that address. Failures of either of the two elsewhere still count."""
        self._counts.pop(f"{a_try.account} at {a_try.address}")
        self._known.put((a_try.account, a_try.address), None, a_try.address)

    def _keys(self, a_try: LoginTry) -> tuple[str, ...]:
        if (a_try.account, a_try.address) in self._known:
            return (f"{a_try.account} at {a_try.address}",)
        return (f"from {a_try.address}", f"for {a_try.account}")

    def _count(self, key: str, now: float) -> tuple[int, float, float]:
        count = self._counts.get(key)
        return count if count is not None and now - count[1] < FORGOTTEN_AFTER else (0, now, 0.0)

    def _wait(self, count: int) -> float:
        return min(FIRST_WAIT * 2.0 ** min(count - self._most, 30), LONGEST_WAIT)


Run = Callable[[Callable[[], Any]], "Deferred[Any]"]


class Login:
    """The part that all logins of a process share."""

    def __init__(
        self,
        store: IStore,
        run: Run,
        clock: IReactorTime,
        pause_seconds: float = PAUSE_SECONDS,
        most_failures: int = MOST_FAILURES,
    ) -> None:
        """`run` runs a function in another thread."""
        self._failures = Failures(most_failures)
        self._store = store
        self._run = run
        self._clock = clock
        self._pause_seconds = pause_seconds

    def find(self, question: FindCredentials, a_try: LoginTry) -> Deferred[CredentialsFound]:
        """Look up the keys in the store, unless the attempt comes too early after too many failures."""
        if not self._failures.may(a_try, self._clock.seconds()):
            return succeed(CredentialsFound(keys=_NOT_YET))
        a_try.has_begun = True
        found = self._store.keys(question.account, question.hashes)
        return found.addCallbacks(lambda keys: CredentialsFound(keys=keys), partial(_not_now, a_try))

    def compute(self, order: Compute) -> Deferred[Computed]:
        """Do some work and return its outcome."""
        return self._run(partial(carry_out, order))

    def succeeded(self, a_try: LoginTry) -> None:
        """Note that the password was right."""
        self._failures.succeeded(a_try)

    def pause(self, a_try: LoginTry | None) -> Deferred[Paused]:
        """Count a failed attempt, and let some time pass."""
        if a_try is not None and a_try.has_begun:
            self._failures.failed(a_try, self._clock.seconds())
        over: Deferred[Paused] = Deferred()
        self._clock.callLater(self._pause_seconds, over.callback, Paused())
        return over


def _not_now(a_try: LoginTry, failure: Failure) -> CredentialsFound:
    failure.trap(StoreError)
    a_try.has_begun = False
    return CredentialsFound(
        keys=SaslFailure(SaslCondition.TEMPORARY_AUTH_FAILURE, reason=f"accounts cannot be read: {failure.value}")
    )
