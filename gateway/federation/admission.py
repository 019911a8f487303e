"""Admission: what comes in on a stream between servers, stanza by stanza, to the router or back (RFC 6120 §8.1).

A stanza of a pair that the stream admits goes on its way; everything else about it is policy. The first one that breaks
a rule of the stream ends it, after those before it have gone on.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from gateway.addresses import Address
from gateway.attempts.records import Kind
from gateway.errors import StanzaError, StreamError
from gateway.notices import Publish, StanzasPassed
from gateway.policy import Domains, check_inbound
from gateway.router import Router
from gateway.stanzas import Stanza
from gateway.stream.facts import Facts


class Admission:
    """The way from all streams between servers to the router."""

    def __init__(self, domains: Domains, router: Router, publish: Publish) -> None:
        self._domains = domains
        self._router = router
        self._publish = publish

    def admit(self, stanzas: Sequence[Stanza], facts: Facts) -> tuple[int, StreamError | None]:
        """Route a batch; how many of it were dealt with, and the error of the one that ends the stream."""
        admitted = facts.admitted
        route = self._router.route
        handled, ended = len(stanzas), None
        size = 0
        stanza = stanzas[0]
        try:
            for stanza in stanzas:
                to, from_ = stanza.to, stanza.from_
                if to is None or from_ is None or (from_.domain, to.domain) not in admitted:
                    self._refuse(stanza, facts)
                else:
                    size += len(stanza.raw)
                    route(stanza)
        except StreamError as error:
            handled, ended = stanzas.index(stanza), error
        self._publish(
            StanzasPassed(
                came_in=True,
                via=Kind.SERVER,
                source=facts.remote or "",
                target=facts.local or "",
                stanzas=stanzas,
                size=size,
            )
        )
        return handled, ended

    def flush(self) -> Deferred[None] | None:
        """Have everything written that was routed; the answer is as for `IRouter.flush`."""
        return self._router.flush()

    def _refuse(self, stanza: Stanza, facts: Facts) -> None:
        try:
            check_inbound(stanza, facts, self._domains)
        except StanzaError as error:
            assert facts.local is not None
            self._router.refuse(stanza, error, Address.make("", facts.local, ""))
