"""Feature 10.5-1 [stanza-error, stanza-error-child], as a client: type error, an `<error/>` child (RFC 6120 §8.3)."""

from __future__ import annotations

from tests.support.stays import Stay


def test_what_we_refuse_is_an_error_with_its_condition() -> None:
    (answer,) = Stay().hears("<iq type='set' id='1' from='a@b.test/c'><x xmlns='urn:nonsense'/></iq>")
    assert answer == (
        "<iq type='error' to='a@b.test/c' id='1'><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
