"""Withheld: stanzas that a rule holds back, kept in the outbox until an operator decides, or for 7 days."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.filters.border import Passing
from gateway.notices.notices import Publish, Remark, counted
from gateway.outbox.delay import delayed
from gateway.outbox.errors import Bound, OutboxError, OutboxFull, ignore_failure
from gateway.outbox.keeper import Keeper
from gateway.outbox.records import WithheldStanza
from gateway.outbox.retention import name_of
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import AddressedStanza, restored

HELD_SECONDS = 7 * 86400.0


class Withheld:
    """The held stanzas; `count` is their number, as far as they have been counted."""

    def __init__(self, keeper: Keeper, router: Passing, time_of_day: Callable[[], float], publish: Publish) -> None:
        self.count = 0
        self._keeper = keeper
        self._router = router
        self._time_of_day = time_of_day
        self._publish = publish

    def withhold(self, pair: DomainPair, stanza: AddressedStanza, rule: str) -> bool:
        """Hold a stanza back; return False if the outbox accepts none. A sender whose stanza is lost gets an error."""
        if not self._keeper.takes:
            return False
        now = self._time_of_day()
        self.count += 1

        def kept(number: int | None) -> None:
            if number is None:
                not_kept(OutboxFull(Bound.SENDER))

        def failed(failure: Failure) -> Failure | None:
            if not isinstance(failure.value, OutboxError):
                return failure
            not_kept(failure.value)
            return None

        def not_kept(why: OutboxError) -> None:
            self.count -= 1
            self._router.bounce(stanza, why.stanza_error())
            self._router.flush()

        self._keeper.withhold(pair, stanza.raw, rule, now, now + HELD_SECONDS).addCallbacks(kept, failed)
        return True

    def look(self) -> None:
        """Count the held stanzas, and drop those that have been held back too long."""
        if self._keeper.outbox is not None:
            self._keeper.outbox.expire_withheld(self._time_of_day()).addCallbacks(self._expired, ignore_failure)

    def _expired(self, number: int) -> None:
        if number:
            text = f"{counted(number, 'stanza')} held back by filters dropped: nobody released them within 7 days"
            self._publish(Remark(text=text))
        self.all().addCallbacks(self._counted, ignore_failure)

    def _counted(self, found: Sequence[WithheldStanza]) -> None:
        self.count = len(found)

    # -- for the operator --------------------------------------------------------------------------------------------

    def all(self) -> Deferred[tuple[WithheldStanza, ...]]:
        """Return everything that is held back, oldest first; fail with OutboxError."""
        if self._keeper.outbox is None:
            raise self._keeper.refusal()
        return self._keeper.outbox.withheld()

    def release(self, number: int) -> Deferred[WithheldStanza | None]:
        """Let a stanza through after all, with the time since when it waited; the rules are not asked again."""
        return self._take(number).addCallback(self._let_through)

    def drop(self, number: int) -> Deferred[WithheldStanza | None]:
        """Delete a stanza without a bounce."""
        return self._take(number)

    def _take(self, number: int) -> Deferred[WithheldStanza | None]:
        if self._keeper.outbox is None:
            raise self._keeper.refusal()
        return self._keeper.outbox.take_withheld(number).addCallback(self._taken)

    def _taken(self, each: WithheldStanza | None) -> WithheldStanza | None:
        self.count -= each is not None
        return each

    def _let_through(self, each: WithheldStanza | None) -> WithheldStanza | None:
        if each is not None and each.raw:  # a stanza that can no longer be decrypted is only shown
            name = name_of(each.raw)
            raw = delayed(each.raw, each.pair.target, each.accepted) if name == "message" else each.raw
            self._router.pass_on(restored(name, raw))
            self._router.flush()
        return each
