"""Pieces of regular expressions for markup that a parser has found well-formed.

They are possessive throughout: nothing that a peer can write makes a search backtrack, or remember where it could.
"""

from __future__ import annotations

NEVER = rb"(?!)"
QUOTED = rb"""'[^']*+'|"[^"]*+\""""


def rounds(*alternatives: bytes) -> bytes:
    """Return a pattern for as many of these as there are, in any order, without backtracking.

    Before 3.11.5, the version of Debian 12, Python continues where the failed last round of a possessive group had got
    to, and not where that round began (gh-100061). A last alternative that fails at once restores the position first.
    """
    return b"(?:" + b"|".join([*alternatives, NEVER]) + b")*+"


INSIDE_TAG = rounds(rb"""[^>'"/]++""", QUOTED, rb"/(?!>)")
"""The rest of a tag behind its name, up to its `>` or `/>`."""
