"""Feature 10-1, as a client: message, presence and iq are handled (RFC 6120 §8); anything else ends the stream."""

from __future__ import annotations

from tests.support.logins import Login
from tests.support.stays import Stay

PING = "<iq type='get' id='1' from='romeo@away.test/x'><ping xmlns='urn:xmpp:ping'/></iq>"


def test_each_kind_is_heard_or_answered() -> None:
    stay = Stay()
    assert stay.hears("<message from='romeo@away.test/x'><body>hi</body></message>") == []
    assert stay.hears("<presence from='romeo@away.test/x'/>") == []
    assert "type='result'" in stay.hears(PING)[0]
    assert [each.name for each in stay.heard] == ["message", "presence"]


def test_anything_else_is_an_unsupported_stanza_type() -> None:
    login = Login()
    login.start()
    login.took(login.initiating, login.initiating.stream.received(b"<gossip xmlns='jabber:client'/>"))
    assert login.ends() == ["unsupported-stanza-type"]
