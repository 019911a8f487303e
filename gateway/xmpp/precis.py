"""The PRECIS profiles of addresses (RFC 7622, RFC 8265), with their rules for each code point looked up in tables.

The profiles are the library's. Two of its steps take a microsecond or more for each code point: the string class and
the Bidi Rule. Here they look at the kinds of the code points first, and ask the library about what is left.
"""

from __future__ import annotations

import re

from precis_i18n.baseclass import BaseClass, FreeFormClass, IdentifierClass, raise_error
from precis_i18n.context import context_rule_error
from precis_i18n.profile import OpaqueString, Profile, Username
from precis_i18n.unicode import UnicodeData

from gateway.xmpp.code_points import keeps_bidi_rule, precis_kinds

_UNICODE = UnicodeData()
_BY_NEIGHBOURS, _BY_WHOLE_TEXT = "c", "aek"


class _TableClass(BaseClass):
    """A string class of RFC 8264 that looks for the code points which it does not allow everywhere."""

    not_everywhere: re.Pattern[str]

    def enforce(self, value: str, codec_name: str | None = None) -> str:
        """Return the text; raise UnicodeEncodeError if the library's class does."""
        kinds = precis_kinds(value)
        judged = set()  # of those that have one answer for the whole text
        for found in self.not_everywhere.finditer(kinds):
            kind, place = found.group(), found.start()
            if kind in judged:
                continue
            if kind != _BY_NEIGHBOURS and kind not in _BY_WHOLE_TEXT:
                super().enforce(value[place], codec_name)  # raises
            elif error := context_rule_error(value, place, self.ucd):
                raise_error(codec_name or self.name, value, place, error)
            elif kind in _BY_WHOLE_TEXT:
                judged.add(kind)
        return value


class _Identifier(_TableClass, IdentifierClass):
    not_everywhere = re.compile("[^p]")


class _FreeForm(_TableClass, FreeFormClass):
    not_everywhere = re.compile("[^pf]")


class _Username(Username):
    def __init__(self) -> None:
        Profile.__init__(self, _Identifier(_UNICODE), "UsernameCaseMapped", "lower")

    def directionality_rule(self, value: str) -> str:
        """Return the text; raise UnicodeEncodeError if it breaks the Bidi Rule."""
        if not keeps_bidi_rule(value):
            raise_error(self.name, value, -1, "bidi_rule")
        return value


class _OpaqueString(OpaqueString):
    def __init__(self) -> None:
        Profile.__init__(self, _FreeForm(_UNICODE), "OpaqueString")


username, opaque_string = _Username(), _OpaqueString()
"""UsernameCaseMapped (RFC 8265 §3.3) and OpaqueString (§4.2)."""
