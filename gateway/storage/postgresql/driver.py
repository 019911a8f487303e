"""psycopg: the parameters of a connection, and where the server is, in words without a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError as error:
    _missing: ImportError | None = error
else:
    _missing = None

from gateway.storage.urls import shown

CONNECT_SECONDS = 5
MOST_STATEMENTS = 500

_DEFAULTS = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "xmpp-gateway",
    # It is noticed within 15 s when the server vanishes.
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
_SESSION = (
    # Somebody else's lock, a statement without an end, our own process stopped in the midst of a transaction: each is
    # an error after some time, and nobody else waits longer for it.
    "SET lock_timeout = '5s'; SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '15s';"
    " SET client_min_messages = 'warning'; SET standard_conforming_strings = on"
)


class BadURL(Exception):
    """A connection string cannot be used; the message has no part of it."""


@dataclass(frozen=True, kw_only=True)
class ServerDatabase:
    """A database on a server; `place` names it for people."""

    parameters: dict[str, Any] = field(repr=False)
    place: str

    def connect(self) -> psycopg.Connection[Any]:
        """Return a new connection; raise psycopg.Error."""
        connection = psycopg.connect(autocommit=True, **self.parameters)
        try:
            connection.execute(_SESSION)
            # As durable as the server is set up to be, but never less than its own disk.
            (level,) = connection.execute("SHOW synchronous_commit").fetchone() or ("",)
            if level == "off":
                connection.execute("SET synchronous_commit = on")
        except BaseException:
            connection.close()
            raise
        return connection

    def try_out(self) -> psycopg.Error | None:
        """Connect and disconnect; return the error if that is impossible."""
        try:
            self.connect().close()
        except psycopg.Error as error:
            return error
        return None


def database_of(url: str) -> ServerDatabase:
    """Return the database that a URL names; raise BadURL."""
    if _missing is not None:
        raise BadURL(
            "PostgreSQL needs psycopg, which is not installed or does not find libpq: "
            "pip install 'xmpp-gateway[postgresql]'"
        )
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.Error:
        # libpq's message would repeat the URL, with the password.
        raise BadURL(
            'libpq cannot read this URL: write "postgresql://USER@HOST/DATABASE", with % and two hexadecimal digits'
            " for special characters"
        ) from None
    return ServerDatabase(parameters={**_DEFAULTS, **parameters}, place=shown(url))


@lru_cache(MOST_STATEMENTS)
def translate(statement: str) -> str:
    """Return a statement with psycopg's placeholders for `?`."""
    return statement.replace("?", "%s")
