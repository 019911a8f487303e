"""A real router between one of our domains and the world, both of which write down what they get."""

from __future__ import annotations

from zope.interface import implementer

from gateway.notices.notices import Notice
from gateway.routing.interfaces import IRoute
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.xmpp.stanzas import Stanza
from tests.support.talk import OURS
from tests.support.trees import stanza


@implementer(IRoute)
class Recorder:
    """A route that keeps what it is given."""

    def __init__(self) -> None:
        self.got: list[Stanza] = []

    def deliver(self, stanza: Stanza) -> None:
        self.got.append(stanza)

    def flush(self) -> None:
        return None


class Neighbours:
    """`inside` is the route of `ours.test`, `outside` that of every other domain."""

    def __init__(self) -> None:
        self.inside, self.outside = Recorder(), Recorder()
        self.notices: list[Notice] = []
        self.router = Router(Domains({OURS: DomainRule()}), lambda pair: self.outside, self.notices.append)
        self.router.attach(OURS, self.inside)

    def route(self, *texts: str) -> Neighbours:
        """Stanzas arrive, admitted."""
        for text in texts:
            self.router.route(stanza(text))
        return self
