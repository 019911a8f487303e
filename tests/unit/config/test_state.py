"""What is wrong with a state folder, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.config.state import cannot_be_made, is_of_another_user, name_of, state_problems

NAMELESS = 4_000_000_000


def problems(state: Path) -> list[str]:
    databases = SimpleNamespace(file=None)
    settings: Any = SimpleNamespace(gateway=SimpleNamespace(state=state), storage=databases, outbox=databases)
    return [mistake.problem for mistake in state_problems(settings)]


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path, mode: int) -> None:
    state = tmp_path / "state"
    state.touch()
    state.chmod(mode)
    assert problems(state) == [f"{state} is not a folder: move it out of the way"]


def test_a_folder_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = tmp_path / "file" / "state"
    assert problems(state) == [f"cannot use the state folder {state}: Not a directory"]
    assert not is_of_another_user(state)


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert problems(state) == []  # it will be made
    state.symlink_to("nowhere")
    assert problems(state) == [f"{state} is a link that leads nowhere: remove it, or make nowhere"]


def test_a_folder_can_be_made_where_its_nearest_folder_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "far" / "below" / "state"
    asked: list[Path] = []

    def may(path: Path, access: int) -> bool:
        asked.append(path)
        return False

    assert not cannot_be_made(state)
    monkeypatch.setattr("gateway.config.state._may", may)  # root may write everywhere
    assert cannot_be_made(state)
    assert asked == [tmp_path]
    state.mkdir(parents=True)
    assert not cannot_be_made(state)


def test_a_user_without_a_name_is_a_number() -> None:
    assert (name_of(0), name_of(NAMELESS)) == ("root", str(NAMELESS))
