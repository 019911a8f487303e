"""A filter that takes its time about some stanzas, and then lets them pass."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from zope.interface import implementer

from gateway.filters.interfaces import FilterFunction, IFilter, Opinion
from gateway.filters.rules import Act, Decision
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import Stanza

EVERY = 50
_PASS = Decision(act=Act.PASS)


@implementer(IFilter)
class SlowFilter:
    """Answers at once, but for every fiftieth stanza."""

    def __init__(self) -> None:
        self._count = 0

    def plan(self, pair: DomainPair) -> FilterFunction | None:
        return self.judge

    def judge(self, stanza: Stanza) -> Opinion | Deferred[Opinion]:
        self._count += 1
        if self._count % EVERY:
            return _PASS
        return deferLater(reactor, 0.01, lambda: _PASS)  # type: ignore[arg-type]
