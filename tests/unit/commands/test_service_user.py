"""Root's commands become the user of the service: each in its own process, for none of them can go back."""

from __future__ import annotations

import json
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import service_user as module
from gateway.commands.service_user import USUAL, SystemUser, become_service_user, service_user

NOBODY = 65534
NAMELESS = 54321
ROOT = [[0] * 3, [0] * 3]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, with a configuration."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "gateway.toml").write_text('[gateway]\nstate = "state"\n')
        yield path


@pytest.fixture
def readable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the program, which everybody may read."""
    program = folder / "program.py"
    program.touch(0o644)
    monkeypatch.setattr(module, "__file__", str(program))
    return program


def became(config: Path, *, makes_folder: bool = False) -> tuple[list[list[int]], list[int], bool]:
    """Call it in a child; return the child's users, its groups, and whether it can become root again."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        told: Any = None
        try:
            become_service_user(config, makes_folder=makes_folder)
            ids, groups = [os.getresuid(), os.getresgid()], os.getgroups()
            try:
                os.setuid(0)
                comes_back = True
            except PermissionError:
                comes_back = False
            told = (ids, groups, comes_back)
        finally:
            os.write(writing, json.dumps(told).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        ids, groups, comes_back = json.load(answer)
    os.waitpid(child, 0)
    return ids, groups, comes_back


@as_root
def test_root_becomes_the_owner_of_the_state_folder_for_good(folder: Path, readable: Path) -> None:
    state = folder / "state"
    state.mkdir()
    os.chown(state, NAMELESS, NAMELESS)
    assert became(folder / "gateway.toml") == ([[NAMELESS] * 3] * 2, [], False)


@as_root
def test_root_stays_root_where_the_user_cannot_read_the_program(
    folder: Path, readable: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state = folder / "state"
    state.mkdir()
    os.chown(state, NOBODY, NOBODY)
    readable.chmod(0o600)
    assert became(folder / "gateway.toml") == (ROOT, [0], True)
    assert "the service's user nobody cannot read this program" in capfd.readouterr().err


@as_root
@pytest.mark.parametrize("content", [None, "[gateway", "[gateway]\n", "gateway = 1\n"])
def test_root_stays_root_where_the_configuration_names_no_state_folder(folder: Path, content: str | None) -> None:
    config = folder / "gateway.toml"
    config.unlink()
    if content is not None:
        config.write_text(content)
    assert became(config)[0] == ROOT


@as_root
def test_root_stays_root_where_the_state_folder_is_of_root_or_cannot_be_reached(folder: Path) -> None:
    state = folder / "state"
    state.write_text("")
    assert became(folder / "gateway.toml")[0] == ROOT
    (folder / "gateway.toml").write_text('[gateway]\nstate = "state/inner"\n')
    assert became(folder / "gateway.toml")[0] == ROOT


@as_root
def test_folder_is_made_for_the_usual_user_by_commands_that_write(
    folder: Path, readable: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    user = SystemUser(USUAL, NAMELESS, NAMELESS, [NAMELESS])
    monkeypatch.setattr(module, "_named", {USUAL: user}.get)
    state = folder / "state"
    became(folder / "gateway.toml")
    assert not state.exists()
    assert became(folder / "gateway.toml", makes_folder=True) == ([[NAMELESS] * 3] * 2, [NAMELESS], False)
    made = state.stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (NAMELESS, NAMELESS, 0o700)
    state.rmdir()
    state.symlink_to("nowhere")
    assert became(folder / "gateway.toml", makes_folder=True)[0] == [[NAMELESS] * 3] * 2
    assert f"cannot make the state folder {state}: File exists" in capfd.readouterr().err


def test_user_of_a_machine_without_the_usual_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    assert service_user(folder / "state") is None
