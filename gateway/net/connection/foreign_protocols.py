"""Greetings: what is spoken by somebody who does not speak XMPP, told from the first bytes.

Scanners come all the time, and a proxy or a port that was set up wrongly is found at once when the log says which
protocol came, not only that it is not XML.
"""

from __future__ import annotations

import re

_LANGUAGES = (
    (
        rb"\x16\x03[\x00-\x04]",
        "TLS from the first byte, where TLS comes by STARTTLS: server_tls and client_tls take that",
    ),
    (rb"(?:GET|HEAD|POST|PUT|OPTIONS|CONNECT|PRI) ", "HTTP"),
    (rb"HTTP/\d", "HTTP"),
    (rb"PROXY |\r\n\r\n\x00\r\nQUIT\n", "the PROXY protocol of a load balancer: its endpoint is haproxy:tcp:..."),
    (rb"SSH-", "SSH"),
    (rb"220[ -]|EHLO |HELO ", "SMTP"),
)
_KNOWN = tuple((re.compile(pattern), language) for pattern, language in _LANGUAGES)


def other_language(first: bytes) -> str:
    """Which other protocol begins with these bytes, in words; empty where they may well be XMPP."""
    if first.startswith(b"<"):
        return ""
    return next((language for known, language in _KNOWN if known.match(first)), "")
