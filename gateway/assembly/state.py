"""The state folder, and the secrets in it that outlive the process."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gateway.assembly.parts import Parts
from gateway.dialback.keys import KeyMaker

SECRET_BYTES = 32


def prepare_state(parts: Parts) -> None:
    """Make the folder when there is none, and what is derived from the secret of dialback."""
    state = parts.settings.gateway.state
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    parts.keys = KeyMaker(secret(state / "dialback.secret"))


def secret(file: Path) -> bytes:
    """The secret in a file, made when there is none; readable for us alone."""
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as new:
            new.write(secrets.token_bytes(SECRET_BYTES))
    except FileExistsError:
        pass
    return file.read_bytes()
