"""Admission: pass each stanza from a stream between servers to the router, or refuse it (RFC 6120 §8.1).

A stanza of a pair that the stream admits is passed on; everything else is a matter of policy. A stanza with a fault of
its own ends alone, and counts as handled. The first one that breaks a rule of the stream ends the stream, after those
before it have been passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from twisted.internet.defer import Deferred

from gateway.notices.attempts.records import Kind
from gateway.notices.notices import Publish, StanzasPassed
from gateway.routing.policy import Domains, are_between, refuse_inbound
from gateway.routing.router import Router
from gateway.stream.facts import ServerFacts
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import StanzaDropped, StanzaError, StreamError
from gateway.xmpp.faults import Fault, StreamKind, refusal
from gateway.xmpp.stanzas import Stanza, domains_of


class Admission:
    """The way from all streams between servers to the router."""

    def __init__(self, domains: Domains, router: Router, publish: Publish) -> None:
        self._domains = domains
        self._router = router
        self._publish = publish

    def admit(self, stanzas: Sequence[Stanza], facts: ServerFacts) -> tuple[int, StreamError | None]:
        """Route a batch; return how many stanzas were dealt with, and the error of the one that ends the stream."""
        admitted = facts.admitted
        handled, ended = 0, None
        try:
            for way, run in groupby(stanzas, domains_of):
                together = list(run)
                if are_between(together, way, admitted):
                    self._router.route_all(together)
                    handled += len(together)
                    continue
                for stanza in together:
                    self._refuse(stanza, facts)
                    handled += 1
        except StreamError as error:
            ended = error
        self._publish(
            StanzasPassed(
                came_in=True,
                via=Kind.SERVER,
                source=facts.remote or "",
                target=facts.local or "",
                stanzas=stanzas,
                size=sum([len(stanza.raw) for stanza in stanzas]),
            )
        )
        return handled, ended

    def drop(self, stanzas: Sequence[Stanza], facts: ServerFacts) -> None:
        """Drop a batch that came in on one of our one-way streams."""
        error = refusal(Fault.ONE_WAY, StreamKind.SERVER, "stanzas are not accepted on this stream")
        if not isinstance(error, StanzaError | StanzaDropped):
            raise error
        for stanza in stanzas:
            self._router.refuse(stanza, error, Address.make("", facts.our_domain, ""))

    def flush(self) -> Deferred[None] | None:
        """Write everything that was routed; return as `IRouter.flush` does."""
        return self._router.flush()

    def _refuse(self, stanza: Stanza, facts: ServerFacts) -> None:
        try:
            refuse_inbound(stanza, facts, self._domains)
        except (StanzaError, StanzaDropped) as error:
            self._router.refuse(stanza, error, Address.make("", facts.our_domain, ""))
