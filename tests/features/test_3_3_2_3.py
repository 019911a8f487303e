"""Feature 3.3.2-3: the response header has an 'id'; an initial one has none (RFC 6120 §4.7.3)."""

from __future__ import annotations

import pytest

from gateway.stream.facts import Role
from tests.support.talk import header, talk


@pytest.mark.parametrize("heard", [header(), header(version=None), header(to="user@ours.test"), "garbage "])
def test_every_response_has_an_id(heard: str) -> None:
    assert b" id='id-1' " in talk().hear(heard).sent


def test_what_they_say_is_the_id_of_their_stream_alone() -> None:
    sent = talk().hear(header(id_="theirs")).sent
    assert b" id='id-1' " in sent
    assert b"theirs'" not in sent.replace(b"to='theirs.test'", b"")


def test_an_initial_header_has_none() -> None:
    assert b" id=" not in talk(Role.INITIATING).open().sent


def test_the_id_of_a_stream_that_we_open_is_theirs() -> None:
    assert talk(Role.INITIATING).open().hear(header(id_="theirs-1")).stream.facts.stream_id == "theirs-1"
