"""Feature 5-2, as a client: no white space is sent between elements while SASL is negotiated (RFC 6120 §6.3.5)."""

from __future__ import annotations

from tests.support.logins import Login


def test_client_sends_none() -> None:
    login = Login()
    login.start()
    sent = b"".join(login.initiating.written)
    assert b"<auth" in sent
    assert b"<response" in sent
    assert not any(space in sent for space in (b"> <", b">\n<", b">\t<"))
