"""Feature 3.3.1-3: headers have an xml:lang; theirs holds for their stanzas (RFC 6120 §4.7.4, §8.1.5)."""

from __future__ import annotations

import pytest

from gateway.stream.facts import Means, Role
from tests.support.talk import INBOUND, header, message, talk, under_tls


@pytest.mark.parametrize("role", Role)
def test_our_header_has_a_language(role: Role) -> None:
    talking = talk(role).open() if role is Role.INITIATING else talk(role).hear(header())
    assert b" xml:lang='en'>" in talking.sent


@pytest.mark.parametrize(
    ("language", "written"),
    [("de", " xml:lang='de'"), ("zh-Hant-TW", " xml:lang='zh-Hant-TW'"), ("", ""), ("x" * 65, ""), ("&apos;", "")],
)
def test_their_language_is_put_on_stanzas_that_have_none(language: str, written: str) -> None:
    talking = under_tls(proofs={INBOUND: Means.EXTERNAL}).hear(header(more=f" xml:lang='{language}'")).forget()
    assert talking.hear(message()).said == [message().replace("<message", f"<message{written}").encode()]
    own = message().replace("<message", "<message xml:lang='fr'")
    assert talking.forget().hear(own).said == [own.encode()]
