"""Feature 10.4-2 [stanza-iq-child], as a client: one child in a request, at most one in a result (RFC 6120 §8.2.3)."""

from __future__ import annotations

import pytest

from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import PING
from tests.support.stays import Stay


def test_requests_and_answers_have_what_they_must() -> None:
    stay = Stay()
    stay.messaging.ask("get", Element(PING, "ping"))
    stay.hears("<iq type='get' id='1' from='romeo@away.test/x'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert stay.said == ["<iq type='result' to='romeo@away.test/x' id='1'/>"]
    (info,) = stay.hears(
        "<iq type='get' id='1' from='romeo@away.test/x'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    assert info.count("<query") == 1


@pytest.mark.parametrize("inside", ["", "<ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/>"])
def test_request_with_none_or_two_is_a_bad_one(inside: str) -> None:
    (answer,) = Stay().hears(f"<iq type='get' id='1' from='romeo@away.test/x'>{inside}</iq>")
    assert "<bad-request" in answer
