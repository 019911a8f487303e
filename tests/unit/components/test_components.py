"""Components: which connection has the domain, and how stanzas to it end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from gateway.components.conflict import SIGN_OF_LIFE_SECONDS
from gateway.components.route import ComponentRoute
from gateway.components.session import ComponentSession
from gateway.features.handshake import AttachComponent, ComponentAttached
from gateway.notices.attempts.records import Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.notices import ComponentChanged, MaybeLost, Notice
from gateway.outbox.keeper import Keeper
from gateway.routing.interfaces import IRoute
from gateway.routing.outflow import Outflow, OutflowBounds, QueueSpace
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.stream.events import CloseTransport, StreamClosed, StreamErrorReceived, StreamOpened
from gateway.stream.facts import ComponentFacts, Role
from gateway.stream.header import StreamHeader
from gateway.stream.sessions import ending_of
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

DOMAIN = Domain("nurse.test")
FROM_FAR = "<message from='romeo@far.test/a' to='nurse.test' id='{id}'><body>Hi</body></message>"
ASKED = "<iq type='get' id='{id}' from='romeo@far.test/a' to='nurse.test'><ping xmlns='urn:xmpp:ping'/></iq>"
ANSWERED = "<iq type='result' id='{id}' from='nurse.test' to='romeo@far.test/a'/>"
TO_FAR = "<message from='{from_}' to='romeo@far.test/a' id='{id}'><body>Anon!</body></message>"
LIFE = "<iq type='result' id='alive' from='nurse.test' to='nurse.test'/>"


@implementer(IRoute)
class ComponentHarness:
    """A router with one component domain; everything outside is one route. `log` is what happens, in order."""

    def __init__(self, connections: int = 1) -> None:
        self.log: list[str] = []
        self.notices: list[Notice] = []
        self.clock = Clock()
        self.router = Router(Domains({DOMAIN: DomainRule(with_subdomains=True)}), self.remote, self.notices.append)
        self.route = self.new_route(connections)
        self.router.attach(DOMAIN, self.route)

    def new_route(self, connections: int) -> ComponentRoute:
        """Return a route that keeps nothing."""
        keeper = Keeper(self.clock, self.clock.seconds)
        outflows = self.outflows(connections)
        return ComponentRoute(DOMAIN, self.router, outflows, self.clock, self.notices.append, keeper=keeper)

    def outflows(self, connections: int) -> list[Outflow]:
        bounds = OutflowBounds(wait_above=1000, most_bytes=2000)
        return [Outflow(bounds, QueueSpace(1_000_000), self.clock) for _ in range(connections)]

    def replace_route(self) -> None:
        """Do what a reload does when the domain has changed."""
        self.route.end(StreamError(StreamCondition.RESET))
        self.route = self.new_route(1)
        self.router.attach(DOMAIN, self.route)

    def remote(self, pair: DomainPair) -> ComponentHarness:
        return self

    def deliver(self, stanza: Stanza) -> None:
        condition = next((each.name for each in stanza.element.elements(name="error") for each in each.elements()), "")
        self.log.append(f"far gets {' '.join(filter(None, [stanza.type or stanza.name, stanza.id, condition]))}")

    def flush(self) -> None:
        return None

    def send(self, *texts: str) -> Deferred[None] | None:
        """Stanzas come from far away."""
        for text in texts:
            self.router.route(stanza(text))
        return self.router.flush()

    def maybe_lost(self) -> list[int]:
        """Return how many stanzas were named as perhaps lost, each time."""
        return [notice.count for notice in self.notices if isinstance(notice, MaybeLost)]

    def told(self) -> list[str]:
        """Return what was noticed about the component."""
        return [notice.text for notice in self.notices if isinstance(notice, ComponentChanged)]


class Line:
    """One connection of a component; to its session it is the Connection."""

    def __init__(self, harness: ComponentHarness, name: str) -> None:
        self.peer_address = f"192.0.2.1:{name}"
        self.stream: Any = SimpleNamespace(
            facts=ComponentFacts(role=Role.RECEIVING, local=DOMAIN),
            offered=None,
            header=None,
            is_open=True,
            closed_by_them=False,
            their_error=None,
        )
        self.bytes_in = self.bytes_out = 0
        self.full: Deferred[None] | None = None
        self._world = harness
        self._name = name
        self.is_lost = False
        attempt = StreamLog(harness.notices.append, harness.clock.seconds, 1, Direction.IN, kind=Kind.COMPONENT)
        self.session = ComponentSession(
            self, attempt, lambda domain: {DOMAIN: harness.route}.get(domain), harness.router, harness.notices.append
        )
        self.session.happened(StreamOpened(header=StreamHeader(content_namespace="jabber:component:accept")))

    def knows_the_secret(self) -> Line:
        """The handshake was right."""
        self.session.happened(AttachComponent(domain=DOMAIN))
        return self

    def says(self, *texts: str) -> Deferred[None] | None:
        """The component sends a batch."""
        return self.session.stanzas_received([stanza(text) for text in texts])

    def closes(self) -> None:
        """The component closes its stream; the connection is still there."""
        self.stream.closed_by_them = True
        self.session.happened(StreamClosed())
        self.session.happened(CloseTransport(error=None))

    def complains(self, condition: StreamCondition) -> None:
        """The component ends its stream with an error; the closing tag is still to come."""
        self.stream.their_error = condition
        self.session.happened(StreamErrorReceived(condition=condition, text=""))

    def leaves(self) -> None:
        """The component ends the connection in good order, after we have closed our stream."""
        self.session.lost(ending_of(self.stream, "the other side closed the connection", answered=True))

    def breaks(self) -> None:
        """The connection is gone, unless it was already."""
        if self.is_lost:
            return
        self.is_lost = True
        self.session.lost(ending_of(self.stream, "the connection was lost"))

    # -- as a Connection ---------------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        return self.full is None

    def room(self) -> Deferred[None] | None:
        return self.full

    def write(self, data: bytes) -> None:
        ids = [piece.partition(b"'")[0].decode() for piece in data.split(b" id='")[1:]]
        self._world.log.append(f"{self._name} gets {' '.join(ids)}")

    def answer(self, answer: object) -> None:
        assert isinstance(answer, ComponentAttached)
        self._world.log.append(f"{self._name} is {'attached' if answer.accepted else 'refused'}")

    def close(self, error: StreamError | None = None) -> None:
        self._world.log.append(f"{self._name} is closed: {error.condition if error else 'properly'}")
        self.session.happened(CloseTransport(error=error))


@pytest.fixture
def harness() -> ComponentHarness:
    return ComponentHarness()


@pytest.fixture
def nurse(harness: ComponentHarness) -> Line:
    """A component that is attached."""
    line = Line(harness, "nurse").knows_the_secret()
    harness.log.clear()
    return line


# Sending to it.


def test_while_nobody_is_attached_senders_are_told(harness: ComponentHarness) -> None:
    harness.send(FROM_FAR.format(id=1), ASKED.format(id=2))
    assert harness.log == ["far gets error 1 remote-server-timeout", "far gets error 2 remote-server-timeout"]


def test_what_comes_is_written_once_a_batch(harness: ComponentHarness, nurse: Line) -> None:
    harness.send(FROM_FAR.format(id=1), FROM_FAR.format(id=2))
    assert harness.log == ["nurse gets 1 2"]


def test_what_has_no_room_waits_and_then_is_written_in_order(harness: ComponentHarness, nurse: Line) -> None:
    nurse.full = Deferred()
    harness.send(FROM_FAR.format(id=1))
    harness.send(FROM_FAR.format(id=2))
    assert harness.log == []
    full, nurse.full = nurse.full, None
    full.callback(None)
    assert harness.log == ["nurse gets 1 2"]


def test_who_sends_too_much_to_a_slow_one_waits_and_then_is_refused(harness: ComponentHarness, nurse: Line) -> None:
    nurse.full = Deferred()
    waits = [harness.send(FROM_FAR.format(id=number)) for number in range(30)]
    assert waits[0] is None
    assert waits[-1] is not None
    assert harness.log[-1] == "far gets error 29 resource-constraint"


# The ends of requests.


@pytest.mark.parametrize("end", [Line.closes, Line.breaks])
def test_open_requests_are_answered_when_it_goes_away(harness: ComponentHarness, nurse: Line, end: Any) -> None:
    harness.send(ASKED.format(id=1), ASKED.format(id=2), FROM_FAR.format(id=3))
    nurse.says(ANSWERED.format(id=1))
    harness.log.clear()
    end(nurse)
    nurse.breaks()  # up to here an answer might still have come
    assert harness.log == ["far gets error 2 remote-server-timeout"]


def test_what_still_waited_is_answered_when_it_goes_away(harness: ComponentHarness, nurse: Line) -> None:
    nurse.full = Deferred()
    harness.send(FROM_FAR.format(id=1), ASKED.format(id=2))
    nurse.breaks()
    assert harness.log == ["far gets error 1 remote-server-timeout", "far gets error 2 remote-server-timeout"]


def test_nothing_is_written_once_the_stream_is_closed(harness: ComponentHarness, nurse: Line) -> None:
    nurse.closes()
    harness.send(FROM_FAR.format(id=1))
    assert harness.log == ["far gets error 1 remote-server-timeout"]


# What it may not have read.


def test_what_was_written_to_a_connection_that_broke_may_be_lost(harness: ComponentHarness, nurse: Line) -> None:
    harness.send(FROM_FAR.format(id=1), FROM_FAR.format(id=2))
    nurse.breaks()
    assert harness.maybe_lost() == [2]


def test_a_component_that_closes_its_stream_has_read_everything(harness: ComponentHarness, nurse: Line) -> None:
    harness.send(FROM_FAR.format(id=1))
    nurse.closes()
    nurse.breaks()
    assert harness.maybe_lost() == []


def test_so_has_one_that_ends_the_connection_when_we_have_closed_ours(harness: ComponentHarness, nurse: Line) -> None:
    harness.send(FROM_FAR.format(id=1))
    nurse.close()
    nurse.leaves()
    assert harness.maybe_lost() == []


def test_but_not_one_that_leaves_with_an_error(harness: ComponentHarness, nurse: Line) -> None:
    harness.send(FROM_FAR.format(id=1))
    nurse.complains(StreamCondition.INTERNAL_SERVER_ERROR)
    nurse.leaves()
    assert harness.maybe_lost() == [1]


# What it sends.


def test_its_stanzas_go_on_their_way(harness: ComponentHarness, nurse: Line) -> None:
    nurse.says(TO_FAR.format(from_="nurse.test", id=1), TO_FAR.format(from_="a@rooms.nurse.test/b", id=2))
    assert harness.log == ["far gets message 1", "far gets message 2"]


def test_a_foreign_sender_ends_the_stream_after_what_was_before_it(harness: ComponentHarness, nurse: Line) -> None:
    nurse.says(
        *(TO_FAR.format(from_=from_, id=id_) for id_, from_ in enumerate(["nurse.test", "far.test", "nurse.test"]))
    )
    assert harness.log == ["far gets message 0", "nurse is closed: invalid-from"]
    assert not harness.route.is_attached


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("<message from='nurse.test' id='1'/>", "bad-request"),
        ("<message from='nurse.test' to='@' id='1'/>", "jid-malformed"),
    ],
)
def test_a_stanza_to_nobody_is_answered(harness: ComponentHarness, nurse: Line, text: str, condition: str) -> None:
    nurse.says(text)
    assert harness.log == ["nurse gets 1"]
    (bounced,) = [each for each in harness.notices if getattr(each, "came_in", None) is False]
    assert condition in bounced.stanzas[0].raw.decode()  # type: ignore[attr-defined]


# Two connections for one domain.


def test_the_second_is_refused_when_the_first_shows_life(harness: ComponentHarness, nurse: Line) -> None:
    Line(harness, "second").knows_the_secret()
    assert harness.log == ["nurse gets alive"]
    nurse.says(LIFE)
    assert harness.log == ["nurse gets alive", "second is refused"]
    harness.clock.advance(SIGN_OF_LIFE_SECONDS)
    assert len(harness.log) == 2  # and the sign of life itself went nowhere


def test_anything_is_a_sign_of_life(harness: ComponentHarness, nurse: Line) -> None:
    Line(harness, "second").knows_the_secret()
    nurse.says(TO_FAR.format(from_="nurse.test", id=1))
    assert harness.log == ["nurse gets alive", "second is refused", "far gets message 1"]


def test_the_second_takes_over_when_the_first_is_silent(harness: ComponentHarness, nurse: Line) -> None:
    second = Line(harness, "second").knows_the_secret()
    harness.send(ASKED.format(id=1))
    harness.clock.advance(SIGN_OF_LIFE_SECONDS)
    assert harness.log == [
        "nurse gets alive",
        "nurse gets 1",
        "nurse is closed: conflict",
        "second is attached",
        "far gets error 1 remote-server-timeout",
    ]
    assert harness.route.sessions == [second.session]
    nurse.says(TO_FAR.format(from_="nurse.test", id=2))  # it awakes too late
    nurse.breaks()
    assert harness.route.sessions == [second.session]
    assert len(harness.log) == 5


@pytest.mark.parametrize("end", [Line.closes, Line.breaks])
def test_the_second_takes_over_when_the_first_goes(harness: ComponentHarness, nurse: Line, end: Any) -> None:
    second = Line(harness, "second").knows_the_secret()
    end(nurse)
    assert harness.log == ["nurse gets alive", "second is attached"]
    assert harness.route.sessions == [second.session]
    assert not harness.clock.getDelayedCalls()


def test_a_third_is_refused_while_the_second_waits(harness: ComponentHarness, nurse: Line) -> None:
    Line(harness, "second").knows_the_secret()
    Line(harness, "third").knows_the_secret()
    assert harness.log == ["nurse gets alive", "third is refused"]


def test_the_first_keeps_the_domain_when_the_second_leaves(harness: ComponentHarness, nurse: Line) -> None:
    Line(harness, "second").knows_the_secret().breaks()
    harness.clock.advance(SIGN_OF_LIFE_SECONDS)
    assert harness.log == ["nurse gets alive"]
    assert harness.route.sessions == [nurse.session]


# A reload that puts another route in place, because the secret has changed, or takes the domain away.

RESET = StreamError(StreamCondition.RESET)


def test_who_has_proved_the_old_secret_and_still_waits_is_closed_too(harness: ComponentHarness, nurse: Line) -> None:
    second = Line(harness, "second").knows_the_secret()
    harness.log.clear()
    harness.route.end(RESET)
    assert harness.log == ["nurse is closed: reset", "second is closed: reset"]
    assert harness.route.sessions == []
    harness.log.clear()
    second.says(TO_FAR.format(from_="nurse.test", id=1))
    assert harness.log == []
    assert not harness.clock.getDelayedCalls()


@pytest.mark.parametrize(("disowned", "heard"), [(True, []), (False, ["far gets message 1"])])
def test_nothing_more_is_accepted_from_who_has_proved_only_the_old_secret(
    harness: ComponentHarness, nurse: Line, disowned: bool, heard: list[str]
) -> None:
    harness.log.clear()
    harness.route.end(RESET, disowned=disowned)
    nurse.says(TO_FAR.format(from_="nurse.test", id=1))
    assert harness.log == ["nurse is closed: reset", *heard]


def test_an_ended_route_attaches_nobody(harness: ComponentHarness) -> None:
    harness.route.end(RESET)
    Line(harness, "late").knows_the_secret()
    assert harness.log == ["late is closed: reset"]
    assert harness.route.sessions == []


def test_a_handshake_after_the_reload_attaches_to_the_new_route(harness: ComponentHarness) -> None:
    late = Line(harness, "late")  # its header came before
    harness.replace_route()
    late.knows_the_secret()
    harness.send(FROM_FAR.format(id=1))
    assert harness.log == ["late is attached", "late gets 1"]


def test_who_comes_and_goes_is_noticed(harness: ComponentHarness, nurse: Line) -> None:
    nurse.breaks()
    assert harness.told() == ["attached from 192.0.2.1:nurse", "detached: the connection was lost"]
