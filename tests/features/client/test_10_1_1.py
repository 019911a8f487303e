"""Feature 10.1-1, as a client: 'to' on all stanzas (RFC 6120 §8.1.1.1), but for those that are for our own server."""

from __future__ import annotations

from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import PING
from tests.support.stays import ROMEO, Stay


def test_stanzas_say_whom_they_are_for() -> None:
    stay = Stay()
    stay.messaging.say(ROMEO, "hi")
    stay.messaging.show(ROMEO)
    stay.messaging.ask("get", Element(PING, "ping"), ROMEO)
    assert all(" to='romeo@away.test'" in said for said in stay.said)
    (reply,) = stay.hears("<iq type='get' id='1' from='romeo@away.test/x'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert " to='romeo@away.test/x'" in reply


def test_broadcast_presence_and_the_account_s_own_affairs_need_none() -> None:
    stay = Stay()
    stay.messaging.show()
    stay.messaging.ask("get", Element(PING, "ping"))
    assert not any(" to=" in said for said in stay.said)
