"""Delay stamps (XEP-0203): mark a stanza that waited with the time since when, as its last child."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import escape_attribute
from gateway.xmpp.namespaces import DELAY

PROMPT_SECONDS = 10.0
"""What waited for no longer bears no stamp: nobody would notice."""

_NAME = re.compile(rb"<([^\s/>]++)")


def is_late(accepted: float, now: float) -> bool:
    """Return whether a stanza that goes out now has waited for so long that it has to say so."""
    return now - accepted > PROMPT_SECONDS


def delayed(raw: bytes, domain: Domain, accepted: float) -> bytes:
    """Return a stanza with the stamp of when it was accepted, by the server of `domain`.

    Whoever sends it again sends these bytes again: receivers that drop doubles compare ids, but some compare all.
    """
    moment = datetime.fromtimestamp(accepted, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    stamp = f"<delay xmlns='{DELAY}' from='{escape_attribute(domain)}' stamp='{moment}'/>".encode()
    if raw.endswith(b"/>"):
        name = _NAME.match(raw)
        assert name is not None
        return b"%b>%b</%b>" % (raw[:-2], stamp, name[1])
    end = raw.rindex(b"</")
    return raw[:end] + stamp + raw[end:]
