"""SASL payloads as character data (RFC 6120 §6.4, §13.9.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sasl.payload import (
    PAYLOAD_BYTES,
    decode_optional_payload,
    decode_payload,
    encode_optional_payload,
    encode_payload,
)
from gateway.xmpp.errors import SaslCondition, SaslFailure


@given(st.none() | st.binary(max_size=200))
def test_optional_payload_comes_back_as_it_went(payload: bytes | None) -> None:
    assert decode_optional_payload(encode_optional_payload(payload)) == payload


@given(st.binary(max_size=200))
def test_payload_comes_back_as_it_went(payload: bytes) -> None:
    assert decode_payload(encode_payload(payload)) == payload


def test_empty_initial_response_is_an_equals_sign_and_no_response_is_nothing() -> None:
    assert encode_optional_payload(b"") == "="
    assert encode_optional_payload(None) == ""


@pytest.mark.parametrize(
    "text",
    ["Zg", "Zg=", "Zg===", "Z", "Zg ==", " Zg==", "Zg==\n", "Zh==", "Z*==", "Zg==Zg==", "==", "Zg-_", "é", "\ud800"],
)
def test_what_is_not_base64_to_the_letter_is_incorrect_encoding(text: str) -> None:
    with pytest.raises(SaslFailure) as caught:
        decode_payload(text)
    assert caught.value.condition is SaslCondition.INCORRECT_ENCODING


def test_oversized_payload_is_refused_before_it_is_decoded() -> None:
    assert len(decode_payload(encode_payload(b"x" * PAYLOAD_BYTES))) == PAYLOAD_BYTES
    with pytest.raises(SaslFailure) as caught:
        decode_payload("*" * 100_000)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST
