"""F-5: answers to what came in the same read as a closing tag go out before ours (RFC 6120 §4.4)."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from tests.interop.clients import PASSWORD
from tests.interop.fixtures import Starter
from tests.interop.knocking import at_home
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT as PORT
from tests.interop.probe import dial
from tests.support.wire import TIMING
from tests.unit.net.connection.test_protocol import CLOSING, message, standing

PING = "<iq type='get' id='{id}' to='f5.test'><ping xmlns='urn:xmpp:ping'/></iq>"
STORED = "<iq type='get' id='stored'><query xmlns='jabber:iq:private'><notes xmlns='urn:notes'/></query></iq>"
SM = "xmlns='urn:xmpp:sm:3'"


def test_f_5_our_closing_tag_waits_for_answers_that_are_under_way() -> None:
    """The stream stays open for writing until the session owes nothing more, and then is closed in order."""
    wire = standing()
    wire.owes = Deferred()
    wire.type(message(1) + CLOSING)
    assert wire.log == ["stanzas: 1"]
    wire.connection.write(b"<answer/>")
    wire.type(message(2))  # behind their closing tag, where nothing counts
    wire.owes.callback(None)
    assert wire.heard() == f"<answer/>{CLOSING}"
    assert wire.log == ["stanzas: 1", "closing: in good order", "transport: lose"]


def test_f_5_it_does_not_wait_for_ever() -> None:
    """Answers that do not come within the time for closing are given up."""
    wire = standing()
    wire.owes = Deferred()
    wire.type(message(1) + CLOSING)
    wire.clock.advance(TIMING.close)
    assert wire.heard() == CLOSING
    wire.owes.callback(None)
    assert wire.heard() == ""


def test_f_5_a_connection_that_breaks_while_answers_are_under_way() -> None:
    """The answers come too late, and nothing is written any longer."""
    wire = standing()
    wire.owes = Deferred()
    wire.type(message(1) + CLOSING).leave()
    wire.owes.callback(None)
    assert wire.heard() == ""
    assert not wire.clock.getDelayedCalls()


@pytest.fixture(scope="module")
def home(start_all: Starter) -> Peer:
    """A gateway with accounts and a component."""
    options = {"domains": {"f5.test": {"serve": "im"}}}
    home = start_all(Gateway, "f5.test", components={"component.f5.test": "secret"}, options=options)
    home.register("romeo@f5.test", PASSWORD)
    return home


@pytest.mark.parametrize("is_managed", [False, True])
async def test_f_5_a_client_on_the_wire(home: Peer, is_managed: bool) -> None:
    """A client gets every answer, those that need the store too, and an acknowledgement, before our closing tag."""
    async with at_home(home, "romeo") as romeo:
        if is_managed:
            await romeo.type(f"<enable {SM} resume='true'/>")
            await romeo.element()
        asked = PING.format(id="first") + STORED + PING.format(id="last") + (f"<r {SM}/>" if is_managed else "")
        await romeo.type(f"{asked}</stream:stream>")
        assert await romeo.ended()
        received = romeo.received.decode()
    last = received.rindex("</stream:stream>")
    for id_ in ("first", "stored", "last"):
        assert 0 < received.find(f"id='{id_}'") < last
    assert not is_managed or 0 < received.rfind("h='3'") < last


async def test_f_5_a_component_on_the_wire(home: Peer) -> None:
    """A component gets the answer of one of our domains before our closing tag."""
    async with dial(home.address, PORT) as probe:
        await probe.attach("component.f5.test", "secret")
        ping = PING.format(id="c").replace("<iq", "<iq from='component.f5.test'")
        await probe.type(f"{ping}</stream:stream>")
        assert await probe.ended()
        received = probe.received.decode()
    assert 0 < received.find("id='c'") < received.rindex("</stream:stream>")
