"""F-D-5: a secret in the state folder that everybody may read or change is named, as a private key is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import load, warnings
from tests.support.configuration import Folder

TEXT = '[gateway]\nstate = "state"\n\n[domains."im.test"]\nserve = "im"\ncertificate = "im.test.pem"\n'


@pytest.mark.parametrize("name", ["dialback.secret", "logins.secret"])
@pytest.mark.parametrize(
    ("mode", "told"), [(0o644, True), (0o602, True), (0o604, True), (0o600, False), (0o640, False)]
)
def test_f_d_5_open_secrets_are_named(tmp_path: Path, name: str, mode: int, told: bool) -> None:
    """The warning names the file and what closes it; the group of the service may be trusted, as with keys."""
    folder = Folder(tmp_path)
    folder.certify("im.test")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    file = state / name
    file.write_bytes(bytes(32))
    file.chmod(mode)
    found = warnings(load(folder.complete(TEXT)), datetime.now(UTC))
    warning = f"every user of this machine can read or change the secret in {file}: chmod 600 {file}"
    assert (warning in found) is told
