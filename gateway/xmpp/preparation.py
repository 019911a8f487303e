"""Preparation: the steps that the profiles of stringprep share, by the Unicode 3.2 that it was made for (RFC 3454).

Resourceprep and Nodeprep (RFC 6122) take them for addresses, SASLprep (RFC 4013) for passwords.
"""

from __future__ import annotations

import unicodedata
from itertools import filterfalse
from stringprep import in_table_b1


def visible(text: str) -> str:
    """The text without what is mapped to nothing (B.1): joiners, variation selectors, the soft hyphen."""
    return "".join(filterfalse(in_table_b1, text))


def normalised(text: str) -> str:
    """The text without what is mapped to nothing, normalised by NFKC (§3.1, §4)."""
    return unicodedata.ucd_3_2_0.normalize("NFKC", visible(text))
