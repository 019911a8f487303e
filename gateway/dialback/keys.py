"""Dialback keys: generated and verified without remembering any (XEP-0220 §2.1.1, XEP-0185 §3).

A key says: the holder of the secret made this for this sender domain, towards this target domain, on the stream with
this id. The parts are joined so that no two different triples look alike (CVE-2016-0756), and the stream id comes from
a strong source, so a key is useless on another stream.
"""

from __future__ import annotations

import hashlib
import hmac

from gateway.xmpp.addresses import DomainPair


class KeyMaker:
    """Makes and checks the dialback keys of the domains that we speak for."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is shared by all processes that answer for the same domains; at least 16 random bytes."""
        if len(secret) < 16:
            raise ValueError("a dialback secret must have at least 16 bytes")
        self._secret = hashlib.sha256(secret).hexdigest().encode()

    def key(self, pair: DomainPair, stream_id: str) -> str:
        """Return the key for one of our sender domains, towards this target domain, on this stream."""
        # No prepared domain contains a space, and the id, which may contain anything, comes last.
        text = f"{pair.target} {pair.sender} {stream_id}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def is_key(self, pair: DomainPair, stream_id: str, key: str) -> bool:
        """Return whether we made this key, in a time that does not depend on what is wrong with it."""
        return hmac.compare_digest(self.key(pair, stream_id).encode(), key.encode())

    def __repr__(self) -> str:
        return "<KeyMaker>"
