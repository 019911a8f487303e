"""Feature 9-2: receiving comments, processing instructions, DTDs, entity references or unescaped characters is a stream
error, at once (RFC 6120 §11.1, §11.3, §11.6).
"""

from __future__ import annotations

import pytest

from gateway.stream.events import CloseTransport
from gateway.stream.facts import Role
from tests.support.talk import Talk, header, message, proved, talk

RESTRICTED = [
    "<!-- comment -->", "<!--", "<!-", "<?php echo ?>", "<?xml version='1.0'?>", "<?", "<!DOCTYPE x>", "<!DOCTYPE",
    "<!ENTITY x 'y'>", "<!ATTLIST", "<x>&nbsp;</x>", "<x>&lol9;</x>", "<x y='&nbsp;'/>", "<x><!-- --></x>",
    "<message><body><?x?></body></message>",
]  # fmt: skip
NOT_WELL_FORMED = [
    "<x>&</x>", "<x>&#0;</x>", "<x>&#xD800;</x>", "<x>&#xFFFE;</x>", "<x y='<'/>", "<x y=z/>", "<x y='1' y='2'/>",
    "<x></y>", "</x>", "<>", "< x/>", "<x>]]></x>", "<p:x/>", "<x p:y='1'/>", "<xmlns:x/>", "<x xmlns:y=''/>",
    "<x xmlns:xml='urn:x'/>", "<x xmlns='http://www.w3.org/2000/xmlns/'/>", "<x>\x00</x>", "<x>\x0b</x>", "<x:y:z/>",
    "<x a='1' xmlns:p='urn:x' xmlns:q='urn:x' p:b='1' q:b='2'/>",
]  # fmt: skip
BYTES = [b"<x>\xff</x>", b"<x>\xc0\xbc</x>", b"<x>\xe0\x80\xbc</x>", b"<x>\xed\xa0\x80</x>", b"<x>\xef\xbf\xbe</x>",
         b"<x>\xf4\x90\x80\x80</x>", b"<x>\x80</x>"]  # fmt: skip
ENCODINGS = [
    b"<?xml version='1.0' encoding='ISO-8859-1'?>",
    b"<?xml version='1.0' encoding='UTF-16'?>",
    b"<?xml version='1.0' encoding='unheard-of'?>",
    header().encode("utf-16-le"),
    header().encode("utf-16-be"),
    header().encode("utf-16"),
    header().encode("utf-32"),
]

BEFORE_A_HEADER = [
    "", "\n", "\ufeff", "<?xml version='1.0'?>", "<?xml version='1.0' encoding='UTF-8'?>",
    "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n",
]  # fmt: skip


def both_ways(said: str | bytes, begin) -> list[Talk]:
    return [begin(bytewise=bytewise).hear(said) for bytewise in (False, True)]


@pytest.mark.parametrize("bad", RESTRICTED)
def test_the_forbidden_is_restricted_xml(bad: str) -> None:
    for talking in both_ways(bad, proved):
        assert (talking.error, talking.is_closed) == ("restricted-xml", True)


@pytest.mark.parametrize("bad", [*NOT_WELL_FORMED, *BYTES])
def test_the_ill_formed_is_not_well_formed(bad: str | bytes) -> None:
    for talking in both_ways(bad, proved):
        assert (talking.error, talking.is_closed) == ("not-well-formed", True)


@pytest.mark.parametrize("start", ENCODINGS)
def test_another_encoding_is_unsupported(start: bytes) -> None:
    for talking in both_ways(start, talk):
        assert (talking.error, talking.is_closed) == ("unsupported-encoding", True)


@pytest.mark.parametrize("bad", ["<!DOCTYPE x [", "<!DOCTYPE x>", "<!-- -->", "<?php", "<!E"])
def test_also_before_the_header(bad: str) -> None:
    for before in ("", "<?xml version='1.0'?>", " \n"):
        for talking in both_ways(before + bad, talk):
            assert talking.error == "restricted-xml"


@pytest.mark.parametrize("bad", [RESTRICTED[0], RESTRICTED[6], RESTRICTED[10], NOT_WELL_FORMED[0]])
def test_what_came_before_is_taken_and_what_comes_after_is_not(bad: str) -> None:
    talking = proved().hear(message() + bad + message()).hear(message())
    assert [word for word in talking.said if isinstance(word, bytes)] == [message().encode()]


@pytest.mark.parametrize("fine", BEFORE_A_HEADER)
def test_what_may_stand_before_a_header_may(fine: str) -> None:
    for talking in both_ways(fine + header().removeprefix("<?xml version='1.0'?>"), talk):
        assert talking.error is None
        assert b"features" in talking.sent


def test_servers_that_we_call_are_held_to_the_same() -> None:
    talking = proved(Role.INITIATING).hear("<!-- -->")
    assert talking.error == "restricted-xml"
    assert any(isinstance(event, CloseTransport) for event in talking.events)
