"""The state folder, and the secrets in it that outlive the process."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from gateway.dialback.keys import KeyMaker
from gateway.run.assembly.shared import Shared
from gateway.xmpp.errors import ConfigError

SECRET_BYTES = 32
KEY = "gateway.state"


def prepare_state(shared: Shared) -> KeyMaker:
    """Make the folder when there is none, and return what makes keys from the secret of dialback."""
    state = shared.settings.gateway.state
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(KEY, f"cannot make the folder {state}: {error.strerror}") from error
    return KeyMaker(secret(state / "dialback.secret"))


def secret(file: Path) -> bytes:
    """The secret in a file, made when there is none; readable for us alone. ConfigError says why it cannot be had."""
    try:
        if not file.exists():
            _make_secret(file)
        found = file.read_bytes()
    except OSError as error:
        problem = f"{error.strerror}; the user that the gateway runs as must own its state folder"
        raise ConfigError(KEY, f"cannot use {file}: {problem}") from error
    if len(found) < SECRET_BYTES:
        problem = f"it has {len(found)} bytes instead of {SECRET_BYTES}: remove it, and the gateway makes a new one"
        raise ConfigError(KEY, f"cannot use {file}: {problem}")
    return found


def _make_secret(file: Path) -> None:
    """Make it whole or not at all, and leave it to the first of several who do."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as new:
        new.write(secrets.token_bytes(SECRET_BYTES))
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()
