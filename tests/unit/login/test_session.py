"""How a login ends when the server refuses it, ends the stream, or is not the one that was called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from gateway.login.login import accept_server
from gateway.login.session import LoginFailed, LoginSession
from gateway.stream.events import CloseTransport, ProofFailed, StreamErrorReceived
from gateway.stream.facts import ClientFacts, Means, Role, Terms
from gateway.stream.sessions import Ending
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StreamCondition, StreamError

OURS = StreamError(StreamCondition.NOT_AUTHORIZED, "no", reason="its certificate has expired")
THEIRS = StreamErrorReceived(condition=StreamCondition.SYSTEM_SHUTDOWN, text="until noon")
REFUSED = ProofFailed(means=Means.PASSWORD, condition="not-authorized", text="who are you?")


@pytest.mark.parametrize(
    ("outputs", "told", "was_refused"),
    [
        ([], "the connection was lost", False),
        ([THEIRS], "the other side ended the stream with system-shutdown: until noon", False),
        ([CloseTransport(error=OURS)], "we ended the stream with not-authorized: its certificate has expired", False),
        ([CloseTransport(error=None)], "the connection was lost", False),
        ([REFUSED, THEIRS], "the login was refused with not-authorized: who are you?", True),
    ],
)
def test_the_first_reason_is_the_one_that_is_told(outputs: list[Any], told: str, was_refused: bool) -> None:
    connection: Any = SimpleNamespace()
    log: Any = None
    session = LoginSession(
        connection, log, lambda *_: pytest.fail("it is not in"), lambda _: Deferred(), lambda _: None
    )
    for output in outputs:
        session.happened(output)
    assert session.stanzas_received([]) is None
    ends: list[Any] = []
    session.entered.addErrback(lambda failure: ends.append(failure.value))
    session.gone.addCallback(ends.append)
    session.lost(Ending(reason="the connection was lost"))
    assert isinstance(ends[0], LoginFailed)
    assert [str(end) for end in ends] == [told, told]
    assert session.was_refused is was_refused


@pytest.mark.parametrize(("said", "is_accepted"), [("home.test", True), (None, True), ("other.test", False)])
def test_server_must_answer_for_the_domain_that_was_called(said: str | None, is_accepted: bool) -> None:
    facts = ClientFacts(role=Role.INITIATING, remote=Domain("home.test"), terms=Terms(stanza_bytes=10_000))
    header: Any = SimpleNamespace(from_domain=said)
    if is_accepted:
        assert accept_server(header, facts) is facts
        return
    with pytest.raises(StreamError) as caught:
        accept_server(header, facts)
    assert caught.value.condition is StreamCondition.INVALID_FROM
