"""Feature 3.3.2-1: the response header has a 'from': the domain that was called, or nobody (RFC 6120 §4.7.1)."""

from __future__ import annotations

import pytest

from tests.support.talk import header, talk


@pytest.mark.parametrize("to", ["ours.test", "OURS.TEST", "ours.test."])
def test_who_was_called_answers(to: str) -> None:
    assert b" from='ours.test' " in talk().hear(header(to=to)).sent


@pytest.mark.parametrize("bad", ["garbage ", "<stream/>", "<!DOCTYPE x>", header(namespace="urn:x"), header(to="a@b")])
def test_also_who_refuses_has_a_from_if_an_empty_one(bad: str) -> None:
    """RFC 6120 §4.9.1.3: no name that is not ours."""
    talking = talk().hear(bad)
    assert talking.is_closed
    assert b" from='' " in talking.sent
