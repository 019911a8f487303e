"""Resource binding, and what is announced beside it: both sides, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.features.advertisement import Advertisement
from gateway.features.bind import Bind, BindOurselves, LegacySession, ResourceBound
from gateway.features.client_state import ClientState
from gateway.im.assembly import STREAM_FEATURES
from gateway.stream.events import ClientBound, NegotiationCompleted
from gateway.stream.facts import ClientFacts, Facts, Role
from gateway.stream.negotiation import Then
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import StanzaCondition, StanzaError
from tests.support.logins import ACCOUNT, Login
from tests.support.steps import OURS, Outcome, element, facts, outcome, received

FULL = ACCOUNT.with_resource("balcony")
ANNOUNCED = [Bind(), LegacySession(), ClientState(), *map(Advertisement, STREAM_FEATURES)]


def door(**known: Any) -> Facts:
    return facts(**{"kind": ClientFacts, "remote": None, "client": ACCOUNT, **known})


@pytest.mark.parametrize("feature", ANNOUNCED, ids=lambda feature: feature.name)
def test_features_of_a_client_are_announced_between_authentication_and_binding(feature: Any) -> None:
    assert feature.offer(door(client=None)) is None
    assert feature.offer(door()) is not None
    assert feature.offer(door(client=FULL)) is None


def test_what_must_be_negotiated_says_so_and_what_need_not_says_that() -> None:
    bind, session = Bind().offer(door()), LegacySession().offer(door())
    assert bind is not None
    assert [child.name for child in bind.elements()] == ["required"]
    assert session is not None
    assert [child.name for child in session.elements()] == ["optional"]


@dataclass(frozen=True)
class Case:
    title: str
    gets: str
    then: Outcome | str
    known: dict[str, Any] = field(default_factory=dict)


def bind(inside: str = "", attributes: str = "type='set' id='b'") -> str:
    return f"<iq xmlns='jabber:client' {attributes}><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{inside}</bind></iq>"


def query(to: str) -> str:
    return f"<iq xmlns='jabber:client' type='get' id='q' to='{to}'><query xmlns='jabber:iq:roster'/></iq>"


ASKED = Outcome(("BindResource",), Then.SUSPEND)
REFUSED = Outcome(("<iq error>",), Then.AWAIT)
CASES = [
    Case("a resource is made", bind(), ASKED),
    Case("one is wished", bind("<resource>balcony</resource>"), ASKED),
    Case("of the server by name", bind(attributes="type='set' id='b' to='ours.test'"), ASKED),
    Case("of one's account by name", bind(attributes="type='set' id='b' to='juliet@ours.test'"), ASKED),
    Case("of somebody else", bind(attributes="type='set' id='b' to='theirs.test'"), "not-authorized"),
    Case("of nobody", bind(attributes="type='set' id='b' to='@'"), "not-authorized"),
    Case("asking is not setting", bind(attributes="type='get' id='b'"), REFUSED),
    Case("without an id", bind(attributes="type='set'"), REFUSED),
    Case("another iq to the server", query("ours.test"), REFUSED),
    Case("an iq to somebody else", query("romeo@ours.test"), "not-authorized"),
    Case("before authentication", bind(), "not-authorized", {"client": None}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_door(case: Case) -> None:
    assert received(Bind(), door(**case.known), case.gets) == case.then


def test_refusal_leaves_the_client_another_try() -> None:
    step = Bind().answered(
        door(), ResourceBound(id="b", address=StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "20 are enough"))
    )
    assert outcome(step) == REFUSED
    assert step.facts.awaits_resource


def bound(login: Login) -> list[Address]:
    return [
        output.address
        for end in (login.initiating, login.receiving)
        for output in end.outputs
        if isinstance(output, ClientBound)
    ]


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    ("wish", "taken", "resource"),
    [(None, [], "made-1"), ("balcony", [], "balcony"), ("balcony", ["balcony"], "made-1")],
)
def test_client_and_door_agree_on_the_resource(
    wish: str | None, taken: list[str], resource: str, bytewise: bool
) -> None:
    login = Login(wish=wish, bytewise=bytewise)
    login.taken.update(taken)
    login.start()
    assert bound(login) == [ACCOUNT.with_resource(resource)] * 2
    for end in (login.initiating, login.receiving):
        assert isinstance(end.outputs[-1], NegotiationCompleted)


ANSWERS = [
    ("<iq xmlns='jabber:client' type='error' id='bind'/>", "undefined-condition"),
    (bind(attributes="type='result' id='bind'"), "undefined-condition"),
    (bind("<jid>juliet@ours.test</jid>", "type='result' id='bind'"), "invalid-from"),
    (bind("<jid>@/</jid>", "type='result' id='bind'"), "invalid-from"),
    (bind("<jid>juliet@ours.test/1</jid>", "type='result' id='other'"), "not-authorized"),
]


@pytest.mark.parametrize(("answer", "condition"), ANSWERS)
def test_client_leaves_a_server_that_binds_nothing(answer: str, condition: str) -> None:
    feature = BindOurselves()
    step = feature.begin(
        facts(Role.INITIATING, ClientFacts, remote=OURS, client=ACCOUNT),
        element("<features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></features>"),
    )
    assert step is not None
    assert received(feature, step.facts.having_tried("bind"), answer) == condition
