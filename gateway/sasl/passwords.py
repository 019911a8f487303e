"""Passwords prepared for hashing: SASLprep, a profile of stringprep (RFC 4013 over RFC 3454).

RFC 8265 replaced it with OpaqueString, which differs for full-width letters and ligatures. SCRAM clients prepare the
password themselves, with SASLprep (RFC 5802 §5.1), so keys made by another rule would lock their users out. Code points
that Unicode 3.2 did not know, such as emoji, pass unchanged, as RFC 3454 §7 specifies for queries and as OpaqueString
does. Refusing them only when a password is set would apply the rule to one of the two sides.
"""

from __future__ import annotations

import stringprep

from gateway.xmpp.stringprep_steps import normalised, visible

PASSWORD_BYTES = 1023  # before and after; NFKC can turn one character into eighteen

_PROHIBITED = (  # RFC 4013 §2.3
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def prepare_password(text: str) -> bytes:
    """Return the bytes to hash for a password; raise ValueError, without the password in it, if it is invalid."""
    if len(text) > PASSWORD_BYTES:
        raise ValueError(f"a password may have at most {PASSWORD_BYTES} bytes")
    prepared = text if text.isascii() else _normalise(text)
    if not prepared:
        raise ValueError("a password cannot be empty")
    if any(prohibits(character) for character in prepared for prohibits in _PROHIBITED):
        raise ValueError("a password cannot contain control characters or code points that are not characters")
    if not prepared.isascii():
        _check_direction(prepared)
    encoded = prepared.encode("utf-8")
    if len(encoded) > PASSWORD_BYTES:
        raise ValueError(f"a password may have at most {PASSWORD_BYTES} bytes")
    return encoded


def _normalise(text: str) -> str:
    """Map to space, map to nothing, and normalise with Unicode 3.2 (RFC 4013 §2.1, §2.2)."""
    return normalised("".join(" " if stringprep.in_table_c12(character) else character for character in visible(text)))


def _check_direction(text: str) -> None:
    """Check that right-to-left text has no letters of the other direction and begins and ends with its own (RFC 3454
    §6).
    """
    if not any(map(stringprep.in_table_d1, text)):
        return
    if any(map(stringprep.in_table_d2, text)):
        raise ValueError("a password cannot mix right-to-left letters with others")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("a password with right-to-left letters must begin and end with one")
