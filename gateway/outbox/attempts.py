"""Attempts to reach a domain, and which kept stanzas go back to their senders when they fail (table: `endings`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from gateway.outbox.endings import failed
from gateway.outbox.errors import ignore_failure
from gateway.outbox.keeper import Keeper
from gateway.outbox.records import DomainState, KeptStanza
from gateway.outbox.retention import name_of
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import AddressedStanza, restored

_BOUNCES = 50  # at a time, four times a second
_BOUNCE_SECONDS = 0.25


class Attempts:
    """The attempts to reach the domain, and the stanzas that go back to their senders when these fail."""

    def __init__(
        self,
        pair: DomainPair,
        keeper: Keeper,
        *,
        bounce: Callable[[AddressedStanza, StanzaError], None],
        remove: Callable[[Collection[int]], None],
        is_over: Callable[[], bool],
    ) -> None:
        """`is_over` returns whether there is a stream meanwhile, so that nothing more goes back."""
        self.count = 0
        self._pair = pair
        self._keeper = keeper
        self._bounce = bounce
        self._remove = remove
        self._is_over = is_over
        self._first_new: int | None = None  # the first stanza put since this attempt began

    def begin(self) -> None:
        """Note that the domain is being tried: stanzas put from now on are new if the attempt fails."""
        self.count += 1
        self._first_new = None

    def put(self, attempt: int, number: int) -> None:
        """Note that a stanza which was accepted during an attempt is on the disk."""
        if attempt == self.count and self._first_new is None:
            self._first_new = number

    def failed(self, verdict: str, error: StanzaError, *, definite: bool) -> None:
        """Note that an attempt failed. A definite verdict ends new stanzas; a second one after a while ends all."""
        outbox = self._keeper.outbox
        if outbox is None:
            return
        first_new = self._first_new

        def known(state: DomainState) -> None:
            now = self._keeper.time_of_day()
            failing, ends = failed(state.failing, verdict=verdict, reason=error.reason, definite=definite, now=now)
            outbox.remember(self._pair.target, failing).addErrback(ignore_failure)
            if ends:
                self._return_all(0, error)
            elif definite and first_new is not None:
                self._return_all(first_new - 1, error)

        outbox.state(self._pair.target).addCallbacks(known, ignore_failure)

    def reached(self) -> None:
        """Note that the domain was reached: earlier failures no longer matter."""
        if self._keeper.outbox is not None:
            self._keeper.outbox.remember(self._pair.target, None).addErrback(ignore_failure)

    def _return_all(self, after: int, error: StanzaError) -> None:
        """Bounce all stanzas kept behind a number, in slices."""
        outbox = self._keeper.outbox
        if outbox is None or self._is_over():
            return

        def found(kept: Sequence[KeptStanza]) -> None:
            if not kept or self._is_over():
                return
            for each in kept:
                self._bounce(restored(name_of(each.raw), each.raw), error)
            self._keeper.counts["returned"] += len(kept)
            self._remove([each.number for each in kept])
            self._keeper.clock.callLater(_BOUNCE_SECONDS, self._return_all, kept[-1].number, error)

        outbox.page(self._pair, after, _BOUNCES).addCallbacks(found, ignore_failure)
