"""Feature 10.5-2 [stanza-error-id], as a client: an error keeps the id (RFC 6120 §8.1.3)."""

from __future__ import annotations

import pytest

from gateway.xmpp.elements import parse_element, unescape
from tests.support.stays import Stay


@pytest.mark.parametrize("id_", ["1", "a b", "&lt;&amp;&apos;", "\u00fc" * 50])
def test_error_has_the_id_of_the_request(id_: str) -> None:
    (answer,) = Stay().hears(f"<iq type='set' id='{id_}' from='a@b.test/c'><x xmlns='urn:nonsense'/></iq>")
    assert parse_element(answer.encode(), b"<x xmlns='jabber:client'>").get("id") == unescape(id_.encode())
