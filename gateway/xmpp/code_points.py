"""What the libraries say about each code point, asked once for each and remembered.

The libraries judge a text in Python, one function call or more for each code point: a microsecond or two, each time.
`Kinds` asks the same question once for each code point and keeps the answer, a letter, in a table; after that, the
letters of a whole text are found in C. This decides speed only: the letters say what the libraries have said.
"""

from __future__ import annotations

import re
import stringprep
import sys
import unicodedata
from collections.abc import Callable

import idna
from precis_i18n.derived import CONTEXTJ, CONTEXTO, FREE_PVAL, PVALID, derived_property
from precis_i18n.unicode import UnicodeData

_UNICODE = UnicodeData()


class Kinds:
    """The kind of each code point of a text, as a text of letters that is as long.

    The table has a byte for each code point there is, so what strangers send cannot make it grow.
    """

    __slots__ = ("_letters", "_sort")

    def __init__(self, sort: Callable[[str], str]) -> None:
        """`sort` returns the letter of a character."""
        self._sort = sort
        self._letters = bytearray(sys.maxunicode + 1)

    def __call__(self, text: str) -> str:
        """Return the letters of a text."""
        kinds = text.translate(self._letters)
        if "\0" not in kinds:
            return kinds
        for character in set(text):
            if not self._letters[ord(character)]:
                self._letters[ord(character)] = ord(self._sort(character))
        return text.translate(self._letters)


def _precis_kind(character: str) -> str:
    if unicodedata.category(character) == "Cn":
        return "u"
    if "\u0660" <= character <= "\u0669":
        return "a"
    if "\u06f0" <= character <= "\u06f9":
        return "e"
    if character == "\u30fb":
        return "k"
    return _PRECIS_LETTERS.get(derived_property(ord(character), _UNICODE)[0], "x")


_PRECIS_LETTERS = {PVALID: "p", FREE_PVAL: "f", CONTEXTJ: "c", CONTEXTO: "c"}

precis_kinds = Kinds(_precis_kind)
"""Derived properties of RFC 8264 §8: p and f are PVALID and FREE_PVAL, x is disallowed, u is unassigned.

The others depend on what is beside them: c on its neighbours; a, e and k (Arabic-Indic digits, the extended ones and
the katakana middle dot) on the whole text, and not on their place in it.
"""


def _bidi_kind(character: str) -> str:
    return _BIDI_LETTERS.get(unicodedata.bidirectional(character), "x")


_BIDI_LETTERS = {"L": "l", "R": "r", "AL": "r", "AN": "a", "EN": "e", "NSM": "n"} | dict.fromkeys(
    ("ES", "CS", "ET", "ON", "BN"), "o"
)

_bidi_kinds = Kinds(_bidi_kind)


def keeps_bidi_rule(text: str) -> bool:
    """Return whether a text has no right-to-left characters, or obeys the Bidi Rule (RFC 5893 §2)."""
    kinds = _bidi_kinds(text)
    if "r" not in kinds and "a" not in kinds:
        return True
    core = kinds.rstrip("n")
    return (
        core[0] == "r"
        and core[-1] in "rea"
        and "l" not in core
        and "x" not in core
        and not ("e" in core and "a" in core)
    )


def _stringprep_kind(character: str) -> str:
    if stringprep.in_table_a1(character) or stringprep.in_table_c6(character) or stringprep.in_table_c7(character):
        return "x"
    if stringprep.in_table_d1(character):
        return "r"
    return "l" if stringprep.in_table_d2(character) else "o"


_stringprep_kinds = Kinds(_stringprep_kind)


def is_stringprep(text: str) -> bool:
    """Return whether stringprep allows a text that it mapped; RFC 7622 forbids its other prohibited tables."""
    kinds = _stringprep_kinds(text)
    if "x" in kinds:
        return False
    return "r" not in kinds or (kinds[0] == kinds[-1] == "r" and "l" not in kinds)  # RFC 3454 §6


def _case_kind(character: str) -> str:
    folded = stringprep.map_table_b2(character)
    if folded == character:
        return "k"
    _folded[ord(character)] = folded
    return "f"


_case_kinds = Kinds(_case_kind)
_folded: dict[int, str] = {}  # the letters of kind f, folded


def fold_case(text: str) -> str:
    """Map a text by table B.2 of RFC 3454."""
    return text.translate(_folded) if "f" in _case_kinds(text) else text


def _name_kind(character: str) -> str:
    try:
        mapped = _map_by_library(character)
    except idna.IDNAError:
        return "r"
    if mapped != character:
        _mapped[ord(character)] = mapped
        return "m"
    precis = precis_kinds(character)
    if precis in "aek":
        return precis
    if precis == "c":
        return "j" if character in "\u200c\u200d" else "o"
    if precis == "u":
        return "x"
    try:
        idna.check_label(f"1{character}1")
    except idna.IDNABidiError:  # the last of its rules, and one about the whole label
        return "v"
    except idna.IDNAError:
        return "x"
    return "s" if _UNICODE.hiragana_katakana_han_script(ord(character)) else "v"


_name_kinds = Kinds(_name_kind)
_mapped: dict[int, str] = {}  # the letters of kind m, mapped
# m is changed by the mapping of UTS 46, and r is refused by it; what it keeps is v where it is PVALID (RFC 5892), s
# where it is of a script in which there may be middle dots, and x where the library has to say more. a, e and k are as
# above, and j and o are joiners and others that depend on their neighbours.
_BY_NEIGHBOURS = re.compile("[jo]")


def map_name(text: str) -> str:
    """Map a name by UTS 46; raise ValueError if it contains forbidden characters."""
    kinds = _name_kinds(text)
    if (place := kinds.find("r")) >= 0:
        raise ValueError(f"U+{ord(text[place]):04X} may not be in it")
    return unicodedata.normalize("NFC", text.translate(_mapped) if "m" in kinds else text)


def _map_by_library(text: str) -> str:
    return idna.uts46_remap(text, std3_rules=False)


def check_code_points(label: str) -> None:
    """Raise ValueError where a code point of a label may not be in it (RFC 5892)."""
    kinds = _name_kinds(label)
    if "x" in kinds or "m" in kinds or "r" in kinds:
        idna.check_label(label)
    if ("a" in kinds and "e" in kinds) or ("k" in kinds and "s" not in kinds):
        raise ValueError("a label has digits or dots that may not be in it together with the rest")
    for found in _BY_NEIGHBOURS.finditer(kinds):
        place = found.start()
        if not (_may_join(label, place) if found.group() == "j" else idna.valid_contexto(label, place)):
            raise ValueError(f"U+{ord(label[place]):04X} may not be in a label beside what it is beside")


def _joining_kind(character: str) -> str:
    if idna.valid_contextj(f"{character}{_JOINER}", 1):
        return "v"
    joins_next = idna.valid_contextj(f"{character}{_NON_JOINER}{_JOINS_BOTH}", 1)
    joins_previous = idna.valid_contextj(f"{_JOINS_BOTH}{_NON_JOINER}{character}", 1)
    if joins_next or joins_previous:
        return "b" if joins_next and joins_previous else "n" if joins_next else "p"
    return "t" if idna.valid_contextj(f"{_JOINS_BOTH}{character}{_NON_JOINER}{_JOINS_BOTH}", 2) else "o"


_NON_JOINER, _JOINER, _JOINS_BOTH = "\u200c", "\u200d", "\u0628"
_joining_kinds = Kinds(_joining_kind)
# v is a virama; b, n and p are joined to what is on both sides, to the next and to the previous; t is transparent.


def _may_join(label: str, place: int) -> bool:
    """Return whether the joiner at this place is beside what it may be beside (RFC 5892 A.1, A.2)."""
    kinds = _joining_kinds(label)
    if kinds[place - 1 : place] == "v":
        return True
    before, behind = kinds[:place].rstrip("tv"), kinds[place + 1 :].lstrip("tv")
    return label[place] == _NON_JOINER and before[-1:] in _TO_NEXT and behind[:1] in _TO_PREVIOUS


_TO_NEXT, _TO_PREVIOUS = frozenset("bn"), frozenset("bp")
