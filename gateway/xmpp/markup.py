"""Pieces of regular expressions for markup that a parser has found well-formed.

Possessive throughout: nothing that a peer can write makes a search go back and try again, or remember where it could.
"""

from __future__ import annotations

NEVER = rb"(?!)"
QUOTED = rb"""'[^']*+'|"[^"]*+\""""


def rounds(*alternatives: bytes) -> bytes:
    """As many of these as there are, in any order; none is given back.

    Python before 3.11.5, as Debian 12 has it, goes on where the failed last round of a possessive group has come to,
    and not where that round began (gh-100061). A last alternative that fails at once has taken it back before.
    """
    return b"(?:" + b"|".join([*alternatives, NEVER]) + b")*+"


INSIDE_TAG = rounds(rb"""[^>'"/]++""", QUOTED, rb"/(?!>)")
"""The rest of a tag behind its name, up to its `>` or `/>`."""
