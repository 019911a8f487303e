"""Bare errors: a `<stream:error/>` where a stream header should be.

Some servers refuse before they have sent a header, or do not send one again after TLS or SASL and write the error as if
the earlier stream continued. The prefix `stream` is then not declared, so a parser would only see a fault in the XML,
and nobody would learn what the server said. Such an error gets the header that it lacks.
"""

from __future__ import annotations

import re

from gateway.xmpp.namespaces import STREAMS

_ERROR = re.compile(rb"<(?:stream:)?error(?=[ \t\r\n/>])")
_START = re.compile(rb"[ \t\r\n]*(?:<\?xml[^>]{0,100}\?>)?[ \t\r\n]*")
_LONGEST = 256  # bytes; within these, every peer has begun its header or its error
_COMPLETE = len(b"<stream:error ")


class HeaderLacking:
    """The other side's first bytes, until its header, or an error in place of it, is recognised."""

    def __init__(self, content_namespace: str) -> None:
        self.is_lacking = False  # an error has come without a header
        self._content_namespace = content_namespace
        self._held: bytes | None = b""

    def completed(self, data: bytes) -> bytes:
        """Return bytes for the parser, with a header before an error that has none; empty while this is undecided."""
        if self._held is None:
            return data
        data = self._held + data
        start = _START.match(data).end()  # type: ignore[union-attr]  # it always matches
        if _ERROR.match(data, start):
            self._held = None
            self.is_lacking = True
            header = f"<stream:stream xmlns='{self._content_namespace}' xmlns:stream='{STREAMS}' version='1.0'>"
            return header.encode() + data[start:]
        if len(data) < _LONGEST and _may_become_error(data[start : start + _COMPLETE]):
            self._held = data
            return b""
        self._held = None
        return data


def _may_become_error(data: bytes) -> bool:
    """Return whether these first bytes may be the beginning of an error."""
    return data.startswith(b"<?xml") or any(start.startswith(data) for start in (b"<stream:error", b"<error", b"<?xml"))
