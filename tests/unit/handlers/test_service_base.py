"""Service: which method gets which stanza, and what each kind of return means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed

from gateway.handlers import route
from gateway.handlers.route import ANSWER_SECONDS
from gateway.handlers.services import Service
from gateway.routing.interfaces import Handled, Refused
from gateway.testing import ServiceDriver, element
from gateway.xmpp.building import Builder
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import Stanza

CHAT = "<message type='chat'><body>Hi</body></message>"
GET = "<iq type='get'><q xmlns='urn:q'/></iq>"
CLIENT = Builder("jabber:client")


class Answering(Service):
    """Returns the same thing for everything, and notes which method was called."""

    def __init__(self, given: Callable[[Stanza], Any] = lambda _: None) -> None:
        self.called: list[str] = []
        self._given = given

    def message(self, stanza: Stanza) -> Any:
        self.called.append("message")
        return self._given(stanza)

    def presence(self, stanza: Stanza) -> Any:
        self.called.append("presence")

    def request(self, stanza: Stanza) -> Any:
        self.called.append("request")
        return self._given(stanza)

    def bounced(self, stanza: Stanza) -> Any:
        self.called.append("bounced")


def driven(service: Service) -> ServiceDriver:
    driver = ServiceDriver(service, "service.test")
    assert driver.start() == []
    return driver


@pytest.mark.parametrize(
    ("xml", "method"),
    [
        (CHAT, ["message"]),
        ("<message><composing xmlns='http://jabber.org/protocol/chatstates'/></message>", []),
        ("<message type='error'><body>Hi</body></message>", ["bounced"]),
        ("<presence/>", ["presence"]),
        ("<presence type='subscribe'/>", ["presence"]),
        ("<presence type='error'/>", ["bounced"]),
        (GET, ["request"]),
        ("<iq type='result'/>", []),
        ("<iq type='error'/>", []),
    ],
)
def test_each_stanza_goes_to_the_method_of_its_kind(xml: str, method: list[str]) -> None:
    service = Answering()
    driven(service).receive(xml)
    assert service.called == method


async def later(stanza: Stanza) -> Stanza:
    return stanza.reply(body="Ho")


@pytest.mark.parametrize(
    "given",
    [
        lambda stanza: stanza.reply(body="Ho"),
        lambda stanza: [stanza.reply(body="Ho")],
        lambda stanza: Handled(replies=[stanza.reply(body="Ho")]),
        lambda stanza: succeed(stanza.reply(body="Ho")),
        lambda stanza: stanza.reply(body="Ho").element,
        lambda stanza: (each for each in [stanza.reply(body="Ho")]),
        later,
    ],
)
def test_an_answer_may_be_returned_in_any_natural_way(given: Callable[[Stanza], Any]) -> None:
    (sent,) = driven(Answering(given)).receive(CHAT)
    assert sent.element == element(
        "<message type='chat' from='service.test' to='somebody@example.net/client'><body>Ho</body></message>"
    )


@pytest.mark.parametrize(
    ("xml", "given", "condition"),
    [
        (CHAT, lambda stanza: stanza.error("forbidden"), "forbidden"),
        (CHAT, lambda _: Refused(error=StanzaError(StanzaCondition.FORBIDDEN)), "forbidden"),
        (CHAT, lambda _: 7, "internal-server-error"),
        (CHAT, lambda _: "text", "internal-server-error"),
        (CHAT, lambda _: [7], "internal-server-error"),
        (GET, lambda _: None, "service-unavailable"),
        (GET, lambda stanza: stanza.error("item-not-found"), "item-not-found"),
    ],
)
def test_a_refusal_or_a_mistake_is_an_error_for_the_sender(
    xml: str, given: Callable[[Stanza], Any], condition: str
) -> None:
    (sent,) = driven(Answering(given)).receive(xml)
    assert (sent.type, condition in sent.raw.decode()) == ("error", True)


def test_a_message_needs_no_answer() -> None:
    assert driven(Answering()).receive(CHAT) == []


def test_a_service_that_does_nothing_declines() -> None:
    driver = driven(Service())
    assert [each.type for xml in (CHAT, GET, "<presence/>") for each in driver.receive(xml)] == ["error", "error"]


def test_a_coroutine_may_wait_for_an_answer_of_others() -> None:
    class Curious(Service):
        async def message(self, stanza: Stanza) -> Stanza:
            version = Builder("jabber:iq:version")
            answer = await self.context.request(CLIENT.iq(version.query(), type="get", to=stanza.from_))
            name = answer.element.first(name="query").first(name="name")  # type: ignore[union-attr]
            return stanza.reply(body=f"You use {name.text}")  # type: ignore[union-attr]

    driver = driven(Curious())
    (asked,) = driver.receive(CHAT)
    assert (str(asked.to), asked.type) == ("somebody@example.net/client", "get")
    (said,) = driver.receive(
        f"<iq type='result' id='{asked.id}'><query xmlns='jabber:iq:version'><name>Gajim</name></query></iq>"
    )
    assert said.body == "You use Gajim"


def test_a_result_is_a_result() -> None:
    (sent,) = driven(Answering(lambda stanza: stanza.result(Builder("urn:q").a("b")))).receive(GET)
    assert sent.element.first() == element("<a xmlns='urn:q'>b</a>")
    assert (sent.type, sent.id) == ("result", "1")


def test_an_answer_that_comes_after_the_stop_is_not_sent() -> None:
    answers: list[Deferred[Any]] = []

    def wait(stanza: Stanza) -> Deferred[Any]:
        answers.append(Deferred())
        return answers[0].addCallback(lambda _: stanza.reply(body="Too late"))

    driver = driven(Answering(wait))
    driver.receive(CHAT)
    (sent,) = driver.stop()
    assert (sent.type, "remote-server-timeout" in sent.raw.decode()) == ("error", True)
    answers[0].callback(None)
    assert driver.sent() == []


@pytest.mark.parametrize("xml", [CHAT, GET])
def test_work_that_takes_too_long_is_cancelled_and_the_sender_gets_an_error(xml: str) -> None:
    ends: list[str] = []

    class Slow(Service):
        async def message(self, stanza: Stanza) -> Stanza:
            try:
                await Deferred()
            except CancelledError:
                ends.append("cancelled")
            return stanza.error("forbidden")  # type: ignore[return-value]

        request = message

    driver = driven(Slow())
    assert driver.receive(xml) == []
    assert driver.advance(ANSWER_SECONDS - 1) == []
    (sent,) = driver.advance(1)
    assert "remote-server-timeout" in sent.raw.decode()
    assert ends == ["cancelled"]
    assert not driver.clock.getDelayedCalls()


def test_the_domain_that_keeps_a_service_busiest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "MOST_OPEN", 3)
    driver = driven(Answering(lambda _: Deferred()))
    for sender in ("quiet.test", "busy.test/1", "busy.test/2"):
        assert driver.receive(CHAT.replace("<message", f"<message from='{sender}'")) == []
    (sent,) = driver.receive(CHAT.replace("<message", "<message from='other.test'"))
    assert (str(sent.to), sent.type) == ("busy.test/1", "error")
