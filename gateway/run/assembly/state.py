"""The state folder, and its secrets, which outlive the process."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from gateway.config.state import KEY, SECRET_BYTES
from gateway.dialback.keys import KeyMaker
from gateway.run.assembly.shared import Shared
from gateway.xmpp.errors import ConfigError


def prepare_state(shared: Shared) -> KeyMaker:
    """Create the folder if there is none, and return the maker of keys from the dialback secret."""
    state = shared.settings.gateway.state
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(KEY, f"cannot make the folder {state}: {error.strerror}") from error
    cluster = shared.settings.cluster
    if cluster is not None:  # all nodes verify each other's keys
        return KeyMaker(hmac.digest(cluster.secret.text.encode(), b"dialback", "sha256"))
    return KeyMaker(secret(state / "dialback.secret"))


def logins_secret(shared: Shared) -> bytes:
    """Return the secret from which keys for accounts that do not exist are made; on all nodes they look the same."""
    cluster = shared.settings.cluster
    if cluster is not None:
        return hmac.digest(cluster.secret.text.encode(), b"logins", "sha256")
    return secret(shared.settings.gateway.state / "logins.secret")


def secret(file: Path) -> bytes:
    """Return the secret in a file, which is created if there is none, readable only by its
    owner. Raises ConfigError.
    """
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
    """Create the file completely or not at all; if several processes do so, the first one wins."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as new:
        new.write(secrets.token_bytes(SECRET_BYTES))
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()
