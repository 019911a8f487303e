"""Passwords prepared for hashing: SASLprep, a profile of stringprep (RFC 4013 over RFC 3454).

RFC 8265 replaced it by OpaqueString, which differs for full-width letters and ligatures. SCRAM clients prepare the
password themselves, and by SASLprep (RFC 5802 §5.1): keys that were made by another rule would lock their users out.
Code points that Unicode 3.2 did not know, emoji for one, pass unchanged, as RFC 3454 §7 has it for queries and as
OpaqueString has it; refusing them only when a password is set would be a rule for half of us.
"""

from __future__ import annotations

import stringprep

from gateway.xmpp.preparation import normalised, visible

PASSWORD_BYTES = 1023  # before and after; NFKC can make eighteen characters of one

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
    """The bytes to hash for a password; ValueError, which does not repeat it, when it cannot be one."""
    if len(text) > PASSWORD_BYTES:
        raise ValueError(f"a password has at most {PASSWORD_BYTES} bytes")
    prepared = text if text.isascii() else _normalise(text)
    if not prepared:
        raise ValueError("a password cannot be empty")
    if any(prohibits(character) for character in prepared for prohibits in _PROHIBITED):
        raise ValueError("a password cannot contain control characters or code points that stand for no character")
    if not prepared.isascii():
        _check_direction(prepared)
    encoded = prepared.encode("utf-8")
    if len(encoded) > PASSWORD_BYTES:
        raise ValueError(f"a password has at most {PASSWORD_BYTES} bytes")
    return encoded


def _normalise(text: str) -> str:
    """Map to space, map to nothing, and normalise with Unicode 3.2 (RFC 4013 §2.1, §2.2)."""
    return normalised("".join(" " if stringprep.in_table_c12(character) else character for character in visible(text)))


def _check_direction(text: str) -> None:
    """Text from right to left has no letters of the other direction, and has its own at both ends (RFC 3454 §6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    if any(map(stringprep.in_table_d2, text)):
        raise ValueError("a password cannot mix letters that run from right to left with others")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("a password that runs from right to left begins and ends with such a letter")
