"""What of a URL may be shown."""

from __future__ import annotations

import pytest

from gateway.storage.urls import is_postgresql, shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:gateway.db", "sqlite:gateway.db"),
        ("memory:", "memory:"),
        ("postgresql://db.example.com/xmpp", "postgresql://db.example.com/xmpp"),
        ("postgresql://gateway@db.example.com:5433/xmpp", "postgresql://gateway@db.example.com:5433/xmpp"),
        ("postgres://gateway:s3cret@db.example.com/xmpp", "postgres://gateway@db.example.com/xmpp"),
        ("postgresql://gateway:s3cret@[::1]:5432/xmpp?sslmode=verify-full", "postgresql://gateway@[::1]:5432/xmpp"),
        ("postgresql://gateway@db/xmpp?password=s3cret&x=1", "postgresql://gateway@db/xmpp"),
        ("postgresql://gateway:s3/cr@t@db/xmpp", "postgresql://gateway@db/xmpp"),
        ("postgresql://gateway:s3cret", "postgresql://..."),
        ("postgresql:///xmpp", "postgresql:///xmpp"),
    ],
)
def test_a_password_is_never_shown(url: str, expected: str) -> None:
    assert shown(url) == expected
    assert "cret" not in shown(url)


def test_kinds() -> None:
    assert is_postgresql("postgresql:///")
    assert is_postgresql("postgres://x/")
    assert not is_postgresql("sqlite:postgresql://")
