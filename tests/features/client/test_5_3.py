"""Feature 5-3, as a client: a new initial header follows SASL success (RFC 6120 §6.4.6)."""

from __future__ import annotations

import pytest

from tests.support.logins import Login


def test_client_begins_anew_and_names_itself_then() -> None:
    login = Login()
    login.start()
    headers = [data for data in login.initiating.written if b"<stream:stream" in data]
    assert len(headers) == 3  # in clear, under TLS, authenticated
    assert [b" from='juliet@ours.test'" in header for header in headers] == [False, False, True]


@pytest.mark.parametrize("bytewise", [False, True])
def test_nothing_is_sent_between_success_and_header(bytewise: bool) -> None:
    login = Login(bytewise=bytewise)
    login.start()
    sent = b"".join(login.initiating.written)
    response, _, rest = sent.rpartition(b"</response>")
    assert response
    assert rest.startswith(b"<?xml version='1.0'?><stream:stream ")
