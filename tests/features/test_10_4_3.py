"""Feature 10.4-3: every iq of type get or set is answered by a result or an error [stanza-iq-reply], even if the
party that was asked has gone (RFC 6120 §8.2.3).
"""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from gateway.handlers.route import HandlerRoute
from gateway.notices.notices import Board
from gateway.xmpp.errors import StanzaCondition, StanzaError
from tests.support.neighbours import Neighbours
from tests.support.talk import OURS

GONE = StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT)
REQUEST = "<iq from='a@theirs.test/r' to='ours.test' id='7' type='{}'><q xmlns='urn:nobody-knows'/></iq>"


@pytest.mark.parametrize("type_", ["get", "set"])
def test_what_nobody_here_knows_is_answered(type_: str) -> None:
    verona = Neighbours()
    verona.router.attach(OURS, HandlerRoute(OURS, (), verona.router, Board().publish, Clock()))
    verona.route(REQUEST.format(type_))
    (answer,) = verona.outside.got
    assert (answer.type, answer.id, str(answer.to), str(answer.from_)) == ("error", "7", "a@theirs.test/r", "ours.test")
    assert b"<service-unavailable " in answer.raw


def asked_and_gone(*then: str) -> Neighbours:
    verona = Neighbours().route(REQUEST.format("get"))
    for request in verona.inside.got:
        verona.router.requests.asked(verona.inside, request)
    verona.route(*then)
    verona.router.abandon(verona.inside, GONE)
    return verona


def test_what_whoever_has_gone_was_asked_is_answered() -> None:
    (answer,) = asked_and_gone().outside.got
    assert (answer.type, answer.id) == ("error", "7")
    assert b"<remote-server-timeout " in answer.raw


def test_what_was_answered_in_time_is_answered_once() -> None:
    verona = asked_and_gone("<iq from='ours.test' to='a@theirs.test/r' id='7' type='result'/>")
    assert [answer.type for answer in verona.outside.got] == ["result"]


def test_a_result_needs_no_answer() -> None:
    verona = Neighbours().route("<iq from='a@theirs.test/r' to='ours.test' id='7' type='result'/>")
    verona.router.bounce(verona.inside.got[0], GONE)
    assert not verona.outside.got
