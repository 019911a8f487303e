"""Which protocol somebody speaks who does not speak XMPP."""

from __future__ import annotations

import pytest

from gateway.net.connection.foreign_protocols import other_language


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n", "HTTP"),
        (b"PROXY TCP4 ", "the PROXY protocol"),
        (b"\r\n\r\n\x00\r\nQUIT\n\x21", "the PROXY protocol"),
        (b"SSH-2.0-OpenSSH", "SSH"),
        (b"220 mail.example.net ESMTP", "SMTP"),
    ],
)
def test_it_is_told_by_its_first_bytes(first: bytes, told: str) -> None:
    assert other_language(first).startswith(told)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"<",
        b"<?xml version='1.0'?>",
        b"<stream:stream ",
        b" <stream",
        b"\n",
        b"\xef\xbb\xbf<",
        b"\xff\xfe<\0",
        b"G",
    ],
)
def test_what_may_be_xmpp_is_read_as_such(first: bytes) -> None:
    assert other_language(first) == ""
