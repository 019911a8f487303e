"""AccountLimits: how much one account may make this process hold or do.

Stored data has its own limits (`gateway.storage.records.StoreLimits`).
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_WAITING_EACH = 1000
MOST_WAITING_BYTES_EACH = 1 << 23


@dataclass(frozen=True, kw_only=True)
class AccountLimits:
    """Limits for each account; the defaults are generous for people and tight for anything else."""

    resources: int = 20
    name_bytes: int = 1023  # of a contact's name, and of a group's
    groups: int = 100  # of one contact
    directed: int = 500  # entities that one resource has shown itself to, beside its subscribers
    presence_bytes: int = 16_384  # of broadcast presence
    presence_burst: int = 10  # broadcasts of one resource at once; further ones are merged,
    presence_seconds: float = 1.0  # so that there is one in this many seconds
    waiting: int = MOST_WAITING_EACH  # stanzas of its own that wait for the store, and as many of others; further ones
    waiting_bytes: int = MOST_WAITING_BYTES_EACH  # are bounced
    blocked_at_once: int = 500  # addresses in one request to block or unblock
