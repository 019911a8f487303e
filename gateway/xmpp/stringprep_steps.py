"""Steps that the profiles of stringprep share, for the Unicode 3.2 that it was made for (RFC 3454).

Resourceprep and Nodeprep (RFC 6122) use them for addresses, SASLprep (RFC 4013) for passwords.
"""

from __future__ import annotations

import re
import unicodedata
from stringprep import in_table_b1

_MAPPED_TO_NOTHING = re.compile("[" + "".join(filter(in_table_b1, map(chr, range(0x10000)))) + "]").sub


def visible(text: str) -> str:
    """Return the text without the characters that are mapped to nothing (B.1): joiners, variation selectors, soft
    hyphens.
    """
    return _MAPPED_TO_NOTHING("", text)


def normalised(text: str) -> str:
    """Return the text without the characters that are mapped to nothing, normalised by NFKC (§3.1, §4)."""
    return unicodedata.ucd_3_2_0.normalize("NFKC", visible(text))
