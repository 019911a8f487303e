"""Files that the demo's configurations name and a repository cannot hold: an authority, certificates, secrets."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.demo.authority import Authority
from gateway.net.certificates.own_certificates import load_identity
from gateway.xmpp.errors import ConfigError

CERTIFICATES = {
    "demo.test.pem": ("demo.test", "echo.demo.test", "bridge.demo.test", "game.demo.test"),
    "outside.test.pem": ("outside.test",),
}
SECRETS = ("bridge.secret", "game.secret", "romeo.password", "juliet.password")


def prepare(folder: Path) -> bool:
    """Make every file that is missing or about to expire; return whether any was made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stale = not all(_is_good(folder / name, domains) for name, domains in CERTIFICATES.items())
    if stale:
        authority = Authority("Throwaway authority of the demo")
        authority.save(folder / "ca.pem")
        for name, domains in CERTIFICATES.items():
            authority.issue(domains, folder / name)
    for name in SECRETS:
        stale |= _make_secret(folder / name)
    return stale


def _is_good(certificate: Path, domains: tuple[str, ...]) -> bool:
    try:
        identity = load_identity(certificate)
    except ConfigError:
        return False
    return identity.names.dns == domains and identity.not_after > datetime.now(UTC) + timedelta(days=1)


def _make_secret(file: Path) -> bool:
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as new:
            new.write(f"{secrets.token_urlsafe(20)}\n")
    except FileExistsError:
        return False
    return True
