"""Feature 10.6-1 [stanza-extension], as a client: content that we do not know harms nothing (RFC 6120 §8.4)."""

from __future__ import annotations

from tests.support.stays import Stay

UNKNOWN = "<x xmlns='urn:nonsense' a='1'><y xmlns='urn:more'>z</y></x>"


def test_unknown_content_of_messages_and_presence_is_handed_on_with_the_rest() -> None:
    stay = Stay()
    stay.hears(f"<message from='a@b.test/c'><body>hi</body>{UNKNOWN}</message>")
    stay.hears(f"<presence from='a@b.test/c'>{UNKNOWN}</presence>")
    assert [each.element.first("urn:nonsense", "x") is not None for each in stay.heard] == [True, True]


def test_unknown_request_is_refused_and_unknown_payload_beside_a_known_one_is_against_the_rules() -> None:
    (answer,) = Stay().hears(f"<iq type='get' id='1' from='a@b.test/c'>{UNKNOWN}</iq>")
    assert "<service-unavailable" in answer
