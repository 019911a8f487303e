"""A real router between one of our domains and the world, both of which write down what they get."""

from __future__ import annotations

from gateway.notices.notices import Notice
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from tests.support.routers import Recorder
from tests.support.talk import OURS
from tests.support.trees import stanza


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
