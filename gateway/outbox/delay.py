"""Delay stamps (XEP-0203): mark a stanza that waited with the time when it was accepted, as its last child."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import escape_attribute
from gateway.xmpp.namespaces import DELAY

PROMPT_SECONDS = 10.0
"""A stanza that waited no longer than this has no stamp: nobody would notice."""

_NAME = re.compile(rb"<([^\s/>]++)")


def is_late(accepted: float, now: float) -> bool:
    """Return whether a stanza sent now has waited so long that it needs a stamp."""
    return now - accepted > PROMPT_SECONDS


def delayed(raw: bytes, domain: Domain, accepted: float) -> bytes:
    """Return a stanza with the stamp of when the server of `domain` accepted it.

    A second sending must use the same bytes: receivers that drop duplicates compare ids, but some compare everything.
    """
    moment = datetime.fromtimestamp(accepted, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    stamp = f"<delay xmlns='{DELAY}' from='{escape_attribute(domain)}' stamp='{moment}'/>".encode()
    if raw.endswith(b"/>"):
        name = _NAME.match(raw)
        assert name is not None
        return b"%b>%b</%b>" % (raw[:-2], stamp, name[1])
    end = raw.rindex(b"</")
    return raw[:end] + stamp + raw[end:]
