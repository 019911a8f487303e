"""Feature 10.5-3 [stanza-error-reply], as a client: an error is never answered by an error (RFC 6120 §8.3.1)."""

from __future__ import annotations

import pytest

from tests.support.stays import Stay

ERROR = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


@pytest.mark.parametrize("name", ["iq", "message", "presence"])
def test_error_gets_no_answer(name: str) -> None:
    assert Stay().hears(f"<{name} type='error' id='1' from='a@b.test/c'>{ERROR}</{name}>") == []
