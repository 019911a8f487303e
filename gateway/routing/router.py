"""Router: from a stanza to the one route that owns its domain (RFC 6120 §10).

Remote domains, components, handlers, accounts and relayed servers are all routes to it; it never sees a stream. It
checks what every stanza must have, whatever its sender, answers stanzas that nobody can take, and writes once per
destination: `route` passes stanzas on, `flush` makes every route that got some write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import Deferred, DeferredList
from zope.interface import implementer

from gateway.notices.notices import Publish, StanzaBounced
from gateway.routing.interfaces import IBorder, IRoute, IRouter, IStreamRoute
from gateway.routing.policy import Domains
from gateway.routing.requests import OwnQuestions, RequestKey, Requests, domain_in
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition, StanzaDropped, StanzaError
from gateway.xmpp.iqs import check_iq
from gateway.xmpp.stanzas import AddressedStanza, Stanza, error_reply

RemoteRoutes = Callable[[DomainPair], IRoute]


@implementer(IRouter)
class Router:
    """The table of routes."""

    def __init__(self, domains: Domains, remote: RemoteRoutes, publish: Publish) -> None:
        """`remote` returns the route for a pair whose target is not one of our own domains, or is relayed."""
        self.requests = Requests()
        self.own_questions = OwnQuestions()
        self.domains = domains
        self.border: IBorder | None = None  # None if there are no filters
        self._remote = remote
        self._publish = publish
        self._local: dict[Domain, IRoute] = {}
        self._unflushed: set[IRoute] = set()

    def attach(self, domain: Domain, route: IRoute) -> None:
        """Let `route` take the stanzas for this domain, which is ours, and for its subdomains that are ours."""
        self._local[domain] = route

    def detach(self, domain: Domain) -> None:
        """Remove the route of a domain that is no longer ours."""
        self._local.pop(domain, None)

    def _local_route(self, domain: Domain) -> IRoute | None:
        route = self._local.get(domain)
        if route is None and (owner := self.domains.owner(domain)) is not None:
            route = self._local.get(owner)
        return route

    def route(self, stanza: AddressedStanza) -> None:
        """Pass an admitted stanza to its route."""
        if (stanza.name != "iq" or self._may_pass(stanza)) and self._is_let_through(stanza):
            self._deliver(stanza)

    def _is_let_through(self, stanza: AddressedStanza) -> bool:
        if self.border is None:
            return True
        plan = self.border.plan(stanza.from_.domain, stanza.to.domain)
        return plan is None or self.border.lets_through(plan, stanza)

    def route_all(self, stanzas: Iterable[AddressedStanza]) -> None:
        """Route stanzas that came one after the other and are all between the same two domains."""
        passing = [stanza for stanza in stanzas if stanza.name != "iq" or self._may_pass(stanza)]
        border = self.border
        if border is not None and passing:
            first = passing[0]
            if (plan := border.plan(first.from_.domain, first.to.domain)) is not None:
                passing = [stanza for stanza in passing if border.lets_through(plan, stanza)]
        if passing:
            self._deliver_all(passing)

    def _deliver_all(self, passing: Sequence[AddressedStanza]) -> None:
        """Deliver stanzas that are all for the same route."""
        route = self._way(passing[0])
        if IStreamRoute.providedBy(route):
            if route.outflow.take(passing):
                self._unflushed.add(route)
                return
            if route.outflow.is_diverted:  # what is kept goes first, so the route is not forgotten meanwhile
                route.deliver_all(passing)
                self._unflushed.add(route)
                return
        for stanza in passing:  # a route may be forgotten after one stanza, and made again for the next
            self._deliver(stanza)

    def _deliver(self, stanza: AddressedStanza) -> None:
        route = self._way(stanza)
        route.deliver(stanza)
        self._unflushed.add(route)

    def _way(self, stanza: AddressedStanza) -> IRoute:
        local = self._local_route(stanza.to.domain)
        return local if local is not None else self._remote(stanza.pair)

    def _may_pass(self, iq: AddressedStanza) -> bool:
        if (problem := check_iq(iq)) is not None:
            self.bounce(iq, problem)
            return False
        if self.own_questions and iq.is_response and self.own_questions.take(iq):
            return False
        if iq.is_response and not self._note_answer(iq):
            self.bounce(iq, _TOO_LATE)
            return False
        return True

    def _note_answer(self, stanza: AddressedStanza) -> bool:
        route = self._local_route(stanza.from_.domain)
        way = DomainPair(stanza.to.domain, stanza.from_.domain)
        return self.requests.answered(way if route is None else route, stanza)

    def is_open(self, key: RequestKey) -> bool:
        """Return whether a request has passed here and is not answered."""
        asker, asked, _ = key
        responder = Domain(domain_in(asked))
        route = self._local_route(responder)
        return self.requests.is_open(DomainPair(Domain(domain_in(asker)), responder) if route is None else route, key)

    def arrived(self, stanzas: Iterable[AddressedStanza]) -> None:
        """Pass on stanzas to one of our domains that another node has admitted and let through its border."""
        passing = [stanza for stanza in stanzas if stanza.name != "iq" or self._may_pass(stanza)]
        if passing and self._local_route(passing[0].to.domain) is not None:
            self._deliver_all(passing)
            return
        for stanza in passing:
            self._deliver(stanza)

    def pass_on(self, stanza: AddressedStanza) -> None:
        """Pass on a stanza that the border has let through after all."""
        self._deliver(stanza)

    def ask(self, question: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        """As `IRouter.ask`."""
        self.own_questions.ask(question, answered)
        self.route(question)

    def end(self, stanza: AddressedStanza, why: StanzaDropped) -> None:
        """End a stanza here, without an answer, by a rule."""
        self._end(stanza, why, None)

    def bounce(self, stanza: AddressedStanza, error: StanzaError) -> None:
        """Answer a stanza with an error, if it may be answered; otherwise drop it."""
        self._end(stanza, error, error_reply(stanza, error))

    def refuse(self, stanza: Stanza, error: StanzaError | StanzaDropped, by: Address) -> None:
        """End a stanza that cannot be accepted as it came; if it has no usable 'to', `by` answers it."""
        self._end(stanza, error, error_reply(stanza, error, from_=by) if isinstance(error, StanzaError) else None)

    def _end(self, stanza: Stanza, error: StanzaError | StanzaDropped, reply: AddressedStanza | None) -> None:
        if reply is not None and not (self.is_own(reply.to.domain) or self.is_own(reply.from_.domain)):
            reply = None  # its sender was one of our domains until a reload; nobody may answer for the other side
        self._publish(
            StanzaBounced(
                name=stanza.name,
                id=stanza.id,
                sender=str(stanza.sender or ""),
                target=str(stanza.recipient or ""),
                condition=str(error.condition) if isinstance(error, StanzaError) else error.rule,
                reason=error.reason,
                answered=reply is not None,
            )
        )
        if reply is not None and not (self.own_questions and self.own_questions.take(reply)):
            self._deliver(reply)

    def is_own(self, domain: Domain) -> bool:
        """Return whether the domain is one of ours."""
        return self.domains.is_own(domain)

    def abandon(
        self, responder: IRoute | DomainPair, error: StanzaError, among: frozenset[RequestKey] | None = None
    ) -> None:
        """Answer the open requests of a responder that is gone: all of them, or only those in `among`."""
        for request in self.requests.abandoned(responder, among):
            self.bounce(request, error)

    def flush(self) -> Deferred[None] | None:
        """Let every route write; return a Deferred if the sender should wait for room."""
        waits: list[Deferred[None]] = [] if self.border is None else self.border.undecided()
        # Writing may bounce, and bounces are delivered too: continue until none is left.
        while self._unflushed:
            routes, self._unflushed = self._unflushed, set()
            waits.extend(wait for route in routes if (wait := route.flush()) is not None)
        if not waits:
            return None
        return waits[0] if len(waits) == 1 else DeferredList(waits).addCallback(lambda _: None)


_TOO_LATE = StanzaError(
    StanzaCondition.UNEXPECTED_REQUEST, reason="its request has already been answered with an error"
)
# Not service-unavailable, which XEP-0410 reads as "still joined"; and the component may come back.
NOBODY_THERE = StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, "nobody is there at the moment")
