"""Foreign protocols, recognised by the first bytes of a peer that does not speak XMPP.

Scanners come all the time, and a misconfigured proxy or port is found at once if the log names the protocol instead of
merely saying that it is not XML.
"""

from __future__ import annotations

import re

_LANGUAGES = (
    (
        rb"\x16\x03[\x00-\x04]",
        "TLS from the first byte, but this port uses STARTTLS: use server_tls or client_tls for it",
    ),
    (rb"(?:GET|HEAD|POST|PUT|OPTIONS|CONNECT|PRI) ", "HTTP"),
    (rb"HTTP/\d", "HTTP"),
    (rb"PROXY |\r\n\r\n\x00\r\nQUIT\n", "the PROXY protocol of a load balancer: its endpoint is haproxy:tcp:..."),
    (rb"SSH-", "SSH"),
    (rb"220[ -]|EHLO |HELO ", "SMTP"),
)
_KNOWN = tuple((re.compile(pattern), language) for pattern, language in _LANGUAGES)


def other_language(first: bytes) -> str:
    """Return the other protocol that begins with these bytes, in words; empty if they may be XMPP."""
    if first.startswith(b"<"):
        return ""
    return next((language for known, language in _KNOWN if known.match(first)), "")
