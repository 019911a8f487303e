"""The adapter for IXMPPHandlers, with the real Wokkel."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.words.protocols.jabber.error import StanzaError
from twisted.words.protocols.jabber.jid import JID
from twisted.words.protocols.jabber.xmlstream import TimeoutError
from twisted.words.xish import domish
from wokkel.disco import DiscoHandler
from wokkel.generic import Request
from wokkel.muc import MUCClient
from wokkel.ping import PingClientProtocol, PingHandler
from wokkel.subprotocols import XMPPHandler
from wokkel.xmppim import MessageProtocol

from gateway.handlers import subprotocols
from gateway.handlers.subprotocols import Subprotocols, from_domish, to_domish
from gateway.routing.interfaces import Declined, Handled
from gateway.xmpp.addresses import prepare_domain
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import CLIENT, DISCO_INFO, PING
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

DOMAIN = prepare_domain("pings.test")
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def serving(*handlers: Any) -> tuple[Subprotocols, list[Stanza]]:
    """The handlers as they serve a domain, and what they send."""
    sent: list[Stanza] = []
    service = Subprotocols(handlers)
    service.attached(DOMAIN, sent.append)
    return service, sent


def test_a_handler_named_in_the_configuration_answers() -> None:
    service, sent = serving("wokkel.ping.PingHandler")
    ping = stanza("<iq type='get' id='1' from='a@remote.test/r' to='pings.test'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert service.handle(ping) == Handled()
    assert [(reply.type, reply.id, str(reply.to), str(reply.from_)) for reply in sent] == [
        ("result", "1", "a@remote.test/r", "pings.test")
    ]


@pytest.mark.parametrize(
    "written",
    [
        {"name": "wokkel.generic.VersionHandler", "args": ["Pings", "1.0"]},
        {"name": "wokkel.generic.VersionHandler", "options": {"name": "Pings", "version": "1.0"}},
    ],
    ids=["by position", "by name"],
)
def test_a_handler_gets_the_arguments_of_the_configuration(written: Any) -> None:
    service, sent = serving(written)
    ask = stanza("<iq type='get' id='1' from='a@remote.test' to='pings.test'><query xmlns='jabber:iq:version'/></iq>")
    assert service.handle(ask) == Handled()
    assert b"<name>Pings</name><version>1.0</version>" in sent[0].raw


@pytest.mark.parametrize(
    ("handlers", "problem"),
    [
        (["wokkel.ping.PingHandler", {"name": "wokkel.generic.VersionHandler", "args": ["a", "1"]}], ""),
        ([{"name": f"{__name__}.made"}], ""),
        (
            ["wokkal.ping.PingHandler"],
            "number 1: wokkal.ping.PingHandler cannot be imported: the package wokkal is not",
        ),
        (["wokkel.ping.PingHandler", "wokkel.ping.Pong"], "number 2: wokkel.ping.Pong cannot be imported: Attribute"),
        (["collections.OrderedDict"], "makes no handler: it must be a class with @implementer(IXMPPHandler)"),
        (["wokkel.generic.VersionHandler"], "does not accept these arguments: missing a required argument: 'name'"),
        ([{"name": "wokkel.ping.PingHandler", "arg": [1]}], "write { name = '...', args = [...], options = { ... } }"),
        ([{"args": [1]}], "write { name = '...', args = [...], options = { ... } }"),
        ([{"name": "wokkel.ping.PingHandler", "args": 1}], "args is a list, and options is a table"),
        ([], "a list of handlers is needed"),
        ("wokkel.ping.PingHandler", "a list of handlers is needed"),
    ],
)
def test_what_cannot_be_a_handler_is_named_before_the_start(handlers: Any, problem: str) -> None:
    found = [told for _, told in Subprotocols.mistakes(handlers=handlers)]
    assert len(found) == bool(problem)
    assert all(problem in each for each in found)


def made() -> PingHandler:
    """Return a handler as a function of the operator's makes it."""
    return PingHandler()


def test_xml_is_sent_as_a_stanza() -> None:
    class Writer(XMPPHandler):
        def connectionInitialized(self) -> None:
            self.send("<message to='a@remote.test'><body>é &lt;</body></message>")

    _, sent = serving(Writer())
    assert sent[0].raw == "<message to='a@remote.test' from='pings.test'><body>é &lt;</body></message>".encode()


def test_a_room_is_joined_and_heard() -> None:
    heard: list[str] = []

    class Guest(MUCClient):
        def receivedGroupChat(self, room: Any, user: Any, message: Any) -> None:
            heard.append(f"{room.nick} hears {user.nick} say {message.body}")

    guest = Guest()
    service, sent = serving(guest)
    joined: Deferred[Any] = guest.join(JID("garden@rooms.test"), "romeo")
    assert b"<x xmlns='http://jabber.org/protocol/muc'/>" in sent[0].raw
    inside = "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/>{}</x>"
    for nick, code in (("juliet", ""), ("romeo", "<status code='110'/>")):
        service.handle(
            stanza(f"<presence from='garden@rooms.test/{nick}' to='pings.test'>{inside.format(code)}</presence>")
        )
    assert joined.called
    said = "<message type='groupchat' from='garden@rooms.test/juliet' to='pings.test'><body>Hi</body></message>"
    assert service.handle(stanza(said)) == Handled()
    assert heard == ["romeo hears juliet say Hi"]


def test_what_no_handler_knows_is_declined() -> None:
    service, sent = serving(PingHandler())
    unknown = stanza(
        "<iq type='get' id='1' from='a@remote.test/r' to='pings.test'><query xmlns='jabber:iq:last'/></iq>"
    )
    assert service.handle(unknown) == Declined()
    assert sent == []


def test_several_handlers_know_of_each_other() -> None:
    service, sent = serving(PingHandler(), DiscoHandler())
    ask = stanza(f"<iq type='get' id='2' from='a@remote.test' to='pings.test'><query xmlns='{DISCO_INFO}'/></iq>")
    assert service.handle(ask) == Handled()
    query = sent[0].element.first(DISCO_INFO, "query")
    assert query is not None
    assert PING in [feature.get("var") for feature in query.elements(DISCO_INFO, "feature")]


def test_a_handler_sees_messages_and_may_send_some() -> None:
    class Shout(MessageProtocol):
        def onMessage(self, message: Any) -> None:
            message.swapAttributeValues("to", "from")
            self.send(message)

    service, sent = serving(Shout())
    assert (
        service.handle(stanza("<message from='a@remote.test' to='x@pings.test'><body>é &lt;</body></message>"))
        == Handled()
    )
    assert sent[0].raw == "<message from='x@pings.test' to='a@remote.test'><body>é &lt;</body></message>".encode()


def test_a_request_is_answered_by_kind_sender_and_id() -> None:
    client = PingClientProtocol()
    service, sent = serving(client)
    answers: list[object] = []
    asked: Deferred[Any] = client.ping(JID("remote.test"))
    asked.addBoth(answers.append)
    (request,) = sent
    assert (
        service.handle(stanza(f"<iq type='result' id='{request.id}' from='evil.test' to='pings.test'/>")) == Handled()
    )
    assert answers == []
    service.handle(stanza(f"<iq type='result' id='{request.id}' from='remote.test' to='pings.test'/>"))
    assert len(answers) == 1


def test_an_error_is_a_failure() -> None:
    client = PingClientProtocol()
    service, sent = serving(client)
    failures: list[Any] = []
    client.ping(JID("remote.test")).addErrback(failures.append)
    service.handle(
        stanza(
            f"<iq type='error' id='{sent[0].id}' from='remote.test' to='pings.test'><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
    )
    assert failures[0].check(StanzaError)


class Asker(XMPPHandler):
    """A handler that asks, and remembers what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    def ask(self, recipient: str) -> None:
        self.request(Request(JID(recipient))).addBoth(self.got.append)


def answer(request: Stanza, sender: str, type_: str = "result", inner: str = "") -> Any:
    return stanza(f"<iq type='{type_}' id='{request.id}' from='{sender}' to='pings.test'>{inner}</iq>")


def test_a_request_of_wokkel_gets_its_answer_or_its_error() -> None:
    asker = Asker()
    service, sent = serving(asker)
    asker.ask("remote.test")
    assert (sent[0].type, str(sent[0].to), str(sent[0].from_)) == ("get", "remote.test", "pings.test")
    service.handle(answer(sent[0], "evil.test"))
    assert asker.got == []
    service.handle(answer(sent[0], "remote.test"))
    service.handle(answer(sent[0], "remote.test"))
    (got,) = asker.got
    assert got["id"] == sent[0].id
    asker.ask("other.test")
    service.handle(answer(sent[1], "other.test", "error", f"<error type='cancel'><gone xmlns='{STANZAS}'/></error>"))
    assert asker.got[1].check(StanzaError)
    assert asker.got[1].value.condition == "gone"


def test_an_answer_may_spell_the_address_in_another_way() -> None:
    asker = Asker()
    service, sent = serving(asker)
    heard: list[Any] = []
    asker.xmlstream.addObserver("/iq[@type='result']", heard.append)
    asker.send("<iq type='get' id='1' to='Remote.TEST'><ping xmlns='urn:xmpp:ping'/></iq>")
    service.handle(answer(sent[0], "remote.test"))
    assert [each["id"] for each in heard] == ["1"]


def test_open_requests_fail_when_the_handlers_are_detached() -> None:
    asker = Asker()
    service, sent = serving(asker)
    asker.ask("remote.test")
    service.detached()
    assert asker.got[0].check(ConnectionDone)
    service.handle(answer(sent[0], "remote.test"))
    assert service.handle(stanza("<message from='a@remote.test' to='x@pings.test'/>")) == Declined()
    assert len(asker.got) == 1


def test_of_too_many_requests_the_oldest_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprotocols, "MOST_REQUESTS", 2)
    asker = Asker()
    service, sent = serving(asker)
    for _ in range(3):
        asker.ask("remote.test")
    (failed,) = asker.got
    assert failed.check(TimeoutError)
    for request in sent:
        service.handle(answer(request, "remote.test"))
    assert [each["id"] for each in asker.got[1:]] == [request.id for request in sent[1:]]


def test_a_language_survives_the_way_out() -> None:
    class Writer(XMPPHandler):
        def connectionInitialized(self) -> None:
            message = domish.Element((None, "message"))
            message["to"], message["xml:lang"] = "a@remote.test", "de"
            self.send(message)

    _, sent = serving(Writer())
    assert sent[0].raw == b"<message to='a@remote.test' xml:lang='de' from='pings.test'/>"


def test_trees_survive_the_way_there_and_back() -> None:
    tree = Element(
        CLIENT,
        "message",
        {"to": "a@b.test", ("http://www.w3.org/XML/1998/namespace", "lang"): "de", ("urn:x", "y"): "z"},
        ["text", Element("urn:x", "x", {}, [Element("urn:x", "inner")]), Element(CLIENT, "body", {}, ["hi"])],
    )
    assert from_domish(to_domish(tree), CLIENT) == tree
