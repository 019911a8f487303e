"""The state folder: made for its owner alone, with secrets that are whole and stay."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.run.assembly.state import SECRET_BYTES, prepare_state, secret
from gateway.xmpp.errors import ConfigError


def test_a_secret_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    made = secret(tmp_path / "some.secret")
    assert len(made) == SECRET_BYTES
    assert secret(tmp_path / "some.secret") == made
    assert secret(tmp_path / "other.secret") != made
    assert stat.S_IMODE((tmp_path / "some.secret").stat().st_mode) == 0o600
    assert {file.name for file in tmp_path.iterdir()} == {"some.secret", "other.secret"}, "no drafts are left"


def test_what_a_process_left_that_was_killed_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / "some.secret.7").write_bytes(b"half")
    assert len(secret(tmp_path / "some.secret")) == SECRET_BYTES


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_secret_that_is_too_short_is_not_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "some.secret").write_bytes(content)
    with pytest.raises(ConfigError, match=f"some.secret: it has {len(content)} bytes.*remove it"):
        secret(tmp_path / "some.secret")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    shared: Any = SimpleNamespace(settings=SimpleNamespace(gateway=SimpleNamespace(state=tmp_path / "state")))
    with pytest.raises(ConfigError, match=r"gateway.state: cannot make the folder .*state: File exists"):
        prepare_state(shared)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"gateway.state: cannot use .*some.secret: Not a directory"):
        secret(tmp_path / "file" / "some.secret")
