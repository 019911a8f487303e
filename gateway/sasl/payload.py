"""SASL payloads as character data: strict base64, and `=` for an empty one (RFC 6120 §6.4, §13.9.1).

An empty string means "no data at all" in `<auth/>` and `<success/>`, and empty data in the other elements.
"""

from __future__ import annotations

import base64
import binascii

from gateway.xmpp.errors import SaslCondition, SaslFailure

# The longest payload that any mechanism here needs is some 6 KB (names of 1023 bytes, escaped, twice).
PAYLOAD_BYTES = 8192
_TEXT_LENGTH = (PAYLOAD_BYTES + 2) // 3 * 4

EMPTY = "="


def encode_payload(payload: bytes) -> str:
    """Return a challenge or response as character data."""
    return base64.b64encode(payload).decode("ascii")


def encode_optional_payload(payload: bytes | None) -> str:
    """Return an initial response or additional data of success as character data; None means that there is none."""
    if payload is None:
        return ""
    return encode_payload(payload) or EMPTY


def decode_payload(text: str) -> bytes:
    """Return the payload of a `<challenge/>` or `<response/>`; raise SaslFailure if it is not strict base64."""
    return b"" if text == EMPTY else decode_base64(text)


def decode_optional_payload(text: str) -> bytes | None:
    """Return the payload of `<auth/>` or `<success/>`; None if there is none."""
    return decode_payload(text) if text else None


def decode_base64(text: str) -> bytes:
    """Decode base64 without white space, with padding, and with no bits set behind the data (RFC 4648 §3, §4)."""
    if len(text) > _TEXT_LENGTH:
        raise SaslFailure(SaslCondition.MALFORMED_REQUEST, f"more than {PAYLOAD_BYTES} bytes of SASL data")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _not_base64() from error
    if encode_payload(data) != text:
        raise _not_base64()
    return data


def _not_base64() -> SaslFailure:
    return SaslFailure(SaslCondition.INCORRECT_ENCODING, "the data is not base64")
