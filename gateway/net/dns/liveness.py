"""Liveness of the nameservers: whether any of them answers at all."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.names import dns
from twisted.python.failure import Failure

from gateway.net.dns.nameservers import Asks, NameserverSilent


class WatchedNameservers:
    """Nameservers that know whether any of them answers at all.

    Silence about one name says little: the nameservers of that name may be the silent ones. So after it the root is
    asked for, which every nameserver answers in some way; only if that question gets no answer either are the
    nameservers considered dead. From then on they are asked again with each `look`, until one answers.
    """

    def __init__(self, asks: Asks) -> None:
        self._asks = asks
        self._is_asking = False
        self.dead = ""  # the complaints of all of them, when none answers

    async def ask(self, query: dns.Query) -> dns.Message:
        """Ask a question, as `Asks.ask`."""
        try:
            answer = await self._asks.ask(query)
        except NameserverSilent as silence:
            if silence.silent:
                self._ask_for_the_root()
            else:
                self.dead = ""
            raise
        self.dead = ""
        return answer

    def look(self) -> None:
        """Ask again whether any of them answers, if none did."""
        if self.dead:
            self._ask_for_the_root()

    def _ask_for_the_root(self) -> None:
        if not self._is_asking:
            self._is_asking = True
            Deferred.fromCoroutine(self._asks.ask(dns.Query(b"", dns.NS))).addCallbacks(self._lives, self._is_silent)

    def _lives(self, _: object) -> None:
        self._is_asking = False
        self.dead = ""

    def _is_silent(self, failure: Failure) -> None:
        self._is_asking = False
        silence = failure.value
        if not isinstance(silence, NameserverSilent):
            failure.raiseException()
        self.dead = silence.sentence if silence.silent else ""
