"""URLs of databases, as in `[storage] url` and `[outbox] url`: which kind, and what may be shown of one."""

from __future__ import annotations

SCHEMES = ("postgresql://", "postgres://")


def is_postgresql(url: str) -> bool:
    """Return whether the URL is one of libpq's, for a database on a PostgreSQL server."""
    return url.startswith(SCHEMES)


def shown(url: str) -> str:
    """Return a URL as people and logs may see it: of a server's, only what cannot be a password."""
    if not is_postgresql(url):
        return url
    scheme, _, rest = url.partition("://")
    place, _, _ = rest.partition("?")
    login, at, server = place.rpartition("@")
    if at:
        return f"{scheme}://{login.partition(':')[0]}@{server}"
    # Without a login, what follows a colon may be a port, or a password whose server was forgotten.
    return f"{scheme}://{place}" if ":" not in place or place.startswith("[") else f"{scheme}://..."
