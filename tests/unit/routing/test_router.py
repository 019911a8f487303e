"""Router: whose a stanza is, what is answered here, and what is written when."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer

from gateway.notices.notices import Notice, StanzaBounced
from gateway.routing.interfaces import IRoute
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import NOBODY_THERE, Router
from gateway.stream.facts import Terms
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

SERVICE, COMPONENT, RELAYED = Domain("service.test"), Domain("component.test"), Domain("relayed.test")
PING = "<iq type='get' id='1' from='a@far.test/r' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>"
PONG = "<iq type='result' id='1' from='{from_}' to='a@far.test/r'/>"
MESSAGE = "<message from='{from_}' to='{to}' id='1'><body>Hi</body></message>"


@implementer(IRoute)
class Listed:
    """A route that writes down what it is given."""

    def __init__(self, harness: RouterHarness, name: str) -> None:
        self.wait: Deferred[None] | None = None
        self._world = harness
        self._name = name

    def deliver(self, stanza: Stanza) -> None:
        self._world.log.append(f"{self._name} gets {stanza.type or stanza.name} {stanza.id}")

    def flush(self) -> Deferred[None] | None:
        self._world.log.append(f"{self._name} writes")
        return self.wait


class RouterHarness:
    """A router with three of our domains; `log` is what happens, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.notices: list[Notice] = []
        self.routes: dict[Any, Listed] = {}
        rules = {
            SERVICE: DomainRule(),
            COMPONENT: DomainRule(with_subdomains=True),
            RELAYED: DomainRule(terms=Terms()),
        }
        self.router = Router(Domains(rules), self.remote, self.notices.append)
        for domain in (SERVICE, COMPONENT):
            self.routes[domain] = Listed(self, domain)
            self.router.attach(domain, self.routes[domain])

    def remote(self, pair: DomainPair) -> Listed:
        return self.routes.setdefault(pair, Listed(self, f"{pair.sender}->{pair.target}"))

    def route(self, text: str) -> list[str]:
        """Return what happens when this stanza has been admitted."""
        self.log.clear()
        self.router.route(stanza(text))
        return list(self.log)


@pytest.mark.parametrize(
    ("from_", "to", "happens"),
    [
        ("a@far.test/r", "service.test", "service.test gets message 1"),
        ("a@far.test/r", "x@service.test/y", "service.test gets message 1"),
        ("a@far.test/r", "x@component.test", "component.test gets message 1"),
        ("a@far.test/r", "x@rooms.component.test", "component.test gets message 1"),
        ("a@far.test/r", "x@rooms.service.test", "far.test->rooms.service.test gets message 1"),
        ("a@far.test/r", "x@relayed.test", "far.test->relayed.test gets message 1"),
        ("x@relayed.test", "a@far.test", "relayed.test->far.test gets message 1"),
        ("x@rooms.component.test", "a@far.test", "rooms.component.test->far.test gets message 1"),
        ("x@component.test", "y@service.test", "service.test gets message 1"),
    ],
)
def test_each_stanza_has_one_route(from_: str, to: str, happens: str) -> None:
    assert RouterHarness().route(MESSAGE.format(from_=from_, to=to)) == [happens]


@pytest.mark.parametrize(
    "text",
    [
        "<iq type='get' from='a@far.test/r' to='service.test'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='get' id='1' from='a@far.test/r' to='service.test'/>",
        "<iq type='strange' id='1' from='a@far.test/r' to='service.test'><a xmlns='b'/></iq>",
        "<iq id='1' from='a@far.test/r' to='service.test'><a xmlns='b'/></iq>",
    ],
)
def test_a_bad_iq_is_answered_and_goes_nowhere(text: str) -> None:
    harness = RouterHarness()
    (happens,) = harness.route(text)
    assert happens.startswith("service.test->far.test gets error")
    (notice,) = harness.notices
    assert isinstance(notice, StanzaBounced)
    assert notice.condition == "bad-request"


def test_a_bad_answer_is_dropped() -> None:
    harness = RouterHarness()
    assert harness.route("<iq type='result' id='1' from='a@far.test/r' to='service.test'><a/><b/></iq>") == []
    (notice,) = harness.notices
    assert isinstance(notice, StanzaBounced)
    assert not notice.answered


# Bounces.


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        (MESSAGE.format(from_="a@far.test/r", to="x@service.test"), True),
        (PING.format(to="service.test"), True),
        ("<presence type='subscribe' id='1' from='a@far.test' to='x@service.test'/>", True),
        ("<presence id='1' from='a@far.test' to='x@service.test'/>", False),
        ("<presence type='probe' id='1' from='a@far.test' to='x@service.test'/>", False),
        ("<message type='error' id='1' from='a@far.test' to='x@service.test'/>", False),
        ("<iq type='error' id='1' from='a@far.test' to='x@service.test'/>", False),
        ("<iq type='result' id='1' from='a@far.test' to='x@service.test'/>", False),
    ],
)
def test_a_bounce_goes_to_the_sender_where_it_may(text: str, answered: bool) -> None:
    harness = RouterHarness()
    harness.router.bounce(stanza(text), NOBODY_THERE)
    assert harness.log == (["service.test->far.test gets error 1"] if answered else [])
    (notice,) = harness.notices
    assert isinstance(notice, StanzaBounced)
    assert notice.answered == answered


def test_who_has_no_usable_to_is_answered_on_behalf_of_somebody() -> None:
    harness = RouterHarness()
    by = Address.make("", SERVICE, "")
    error = StanzaError(StanzaCondition.JID_MALFORMED)
    harness.router.refuse(stanza("<message from='a@far.test/r' to='@' id='1'/>"), error, by)
    assert harness.log == ["service.test->far.test gets error 1"]


# Requests that nobody answers any longer.


def test_whoever_goes_away_leaves_no_request_open() -> None:
    harness = RouterHarness()
    component = harness.routes[COMPONENT]
    harness.router.requests.asked(component, stanza(PING.format(to="x@component.test")))
    harness.router.abandon(component, NOBODY_THERE)
    assert harness.log == ["component.test->far.test gets error 1"]
    harness.router.abandon(component, NOBODY_THERE)
    assert len(harness.log) == 1


@pytest.mark.parametrize("responder", ["x@component.test", "x@rooms.component.test"])
def test_an_answer_of_a_component_closes_its_request(responder: str) -> None:
    harness = RouterHarness()
    harness.router.requests.asked(harness.routes[COMPONENT], stanza(PING.format(to=responder)))
    assert harness.route(PONG.format(from_=responder)) == [f"{responder[2:]}->far.test gets result 1"]
    assert len(harness.router.requests) == 0


@pytest.mark.parametrize("domain", ["other.test", "relayed.test"])
def test_an_answer_of_a_remote_domain_closes_its_request(domain: str) -> None:
    harness = RouterHarness()
    ask = f"<iq type='get' id='1' from='x@service.test' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>"
    harness.router.requests.asked(DomainPair(SERVICE, Domain(domain)), stanza(ask))
    assert harness.route(f"<iq type='result' id='1' from='{domain}' to='x@service.test'/>") == [
        "service.test gets result 1"
    ]
    assert len(harness.router.requests) == 0


# Writing.


def test_each_route_writes_once_for_a_batch() -> None:
    harness = RouterHarness()
    for _ in range(3):
        harness.router.route(stanza(MESSAGE.format(from_="a@far.test", to="service.test")))
    harness.log.clear()
    assert harness.router.flush() is None
    assert harness.log == ["service.test writes"]
    harness.router.flush()
    assert harness.log == ["service.test writes"]


def test_what_writing_bounces_is_written_too() -> None:
    harness = RouterHarness()
    component = harness.routes[COMPONENT]
    lost = stanza(MESSAGE.format(from_="a@far.test", to="component.test"))
    component.flush = lambda: harness.router.bounce(lost, NOBODY_THERE)  # type: ignore[method-assign]
    harness.router.route(lost)
    harness.log.clear()
    harness.router.flush()
    assert harness.log == ["component.test->far.test gets error 1", "component.test->far.test writes"]


def test_who_sends_waits_until_all_have_room() -> None:
    harness = RouterHarness()
    harness.routes[SERVICE].wait, harness.routes[COMPONENT].wait = Deferred(), Deferred()
    for to in (SERVICE, COMPONENT):
        harness.router.route(stanza(MESSAGE.format(from_="a@far.test", to=to)))
    wait = harness.router.flush()
    assert wait is not None
    harness.routes[SERVICE].wait.callback(None)
    assert not wait.called
    harness.routes[COMPONENT].wait.callback(None)
    assert wait.called


def test_a_domain_that_is_detached_is_a_remote_one() -> None:
    harness = RouterHarness()
    harness.router.detach(SERVICE)
    assert harness.route(MESSAGE.format(from_="a@far.test", to="service.test")) == [
        "far.test->service.test gets message 1"
    ]
