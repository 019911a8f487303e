"""H-30: DOCTYPE, entities, processing instructions and comments are refused within their first bytes, so that nothing
is ever expanded (CVE-2011-1753 to 1756, CVE-2022-0217); CDATA sections are allowed.
"""

from __future__ import annotations

import pytest

from tests.support.talk import header, message, proved, talk

LAUGHS = "<!DOCTYPE lolz [" + "".join(
    f"<!ENTITY lol{n + 1} '{f'&lol{n};' * 10}'>" for n in range(10)
) + "]>"  # fmt: skip
EXTERNAL = "<!DOCTYPE x [<!ENTITY secret SYSTEM 'file:///etc/passwd'>]>"
PARAMETER = "<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1/x.dtd'> %p;]>"
PUBLIC = "<!DOCTYPE x PUBLIC 'x' 'http://127.0.0.1/'>"
BEFORE = [LAUGHS, EXTERNAL, PARAMETER, PUBLIC, "<!-- x -->", "<?php ?>"]
INSIDE = [*BEFORE, "<!ENTITY x 'y'>", "<!ELEMENT x ANY>", "<![INCLUDE[x]]>", "<![IGNORE[x]]>", "<?x?>"]


def bytes_until_refused(talking, text: str) -> int:
    """Return how much of it is read, one byte after the other."""
    for count, character in enumerate(text, 1):
        talking.hear(character)
        if talking.error is not None:
            assert talking.error == "restricted-xml"
            return count
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("forbidden", BEFORE)
@pytest.mark.parametrize("before", ["", "<?xml version='1.0'?>"])
def test_h_30_before_the_header_three_bytes_are_enough(before: str, forbidden: str) -> None:
    whole = talk().hear(before + forbidden + header())
    assert whole.error == "restricted-xml"
    assert bytes_until_refused(talk().hear(before), forbidden) <= 3


def test_h_30_what_begins_like_an_xml_declaration_and_is_none() -> None:
    for bytewise in (False, True):
        assert talk(bytewise=bytewise).hear("<?xml-stylesheet href='x'?>").error == "restricted-xml"
        assert talk(bytewise=bytewise).hear(" <?xml version='1.0'?>").error == "restricted-xml"


@pytest.mark.parametrize("forbidden", INSIDE)
@pytest.mark.parametrize("around", ["", "<message><body>"])
def test_h_30_in_the_stream_too(around: str, forbidden: str) -> None:
    assert proved().hear(around + forbidden).error == "restricted-xml"
    most = len("<![CDATA[") if forbidden.startswith("<![") else 3
    assert bytes_until_refused(proved().hear(around), forbidden) <= most


@pytest.mark.parametrize("reference", ["&lol9;", "&secret;", "&nbsp;", "&x.y-z1;"])
def test_h_30_references_to_entities_are_refused_everywhere(reference: str) -> None:
    for text in (f"<x>{reference}</x>", f"<x y='{reference}'/>", message(body=reference)):
        assert proved().hear(text).error == "restricted-xml"


@pytest.mark.parametrize(
    "allowed", ["<![CDATA[<!DOCTYPE x>&lol9;<?x?><!-- -->]]>", "<![CDATA[]]>", "<![CDATA[]]]]><![CDATA[>]]>"]
)
def test_h_30_cdata_is_allowed_and_passes_as_it_came(allowed: str) -> None:
    for bytewise in (False, True):
        talking = proved(bytewise=bytewise).hear(message(body=allowed) + message())
        assert talking.said == [message(body=allowed).encode(), message().encode()]


def test_h_30_cdata_between_stanzas_is_text_and_refused() -> None:
    assert proved().hear("<![CDATA[x]]>").error == "bad-format"
