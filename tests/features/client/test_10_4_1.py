"""Feature 10.4-1 [stanza-iq-id, stanza-iq-type], as a client: an iq has an id and a known type (RFC 6120 §8.2.3)."""

from __future__ import annotations

import pytest

from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import PING
from tests.support.stays import Stay


def test_requests_have_ids_of_their_own() -> None:
    stay = Stay()
    kinds = ("get", "set", "get")
    for kind in kinds:
        stay.messaging.ask(kind, Element(PING, "ping"))
    for number, (kind, said) in enumerate(zip(kinds, stay.said, strict=True), 1):
        assert f"type='{kind}' id='id-{number}'" in said


@pytest.mark.parametrize("attributes", ["type='get'", "id='1'", "type='nonsense' id='1'"])
def test_request_without_them_is_a_bad_one(attributes: str) -> None:
    (answer,) = Stay().hears(f"<iq {attributes} from='romeo@away.test/x'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert "<bad-request" in answer
