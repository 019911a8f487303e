"""Where the configuration file is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.place import NoConfiguration, find_config


def test_the_command_line_beats_the_environment_and_both_beat_the_usual_place(tmp_path: Path) -> None:
    usual = tmp_path / "usual.toml"
    usual.touch()
    environment = {"XMPP_GATEWAY_CONFIG": "named.toml"}
    assert find_config("here.toml", environment, usual) == Path("here.toml")
    assert find_config(None, environment, usual) == Path("named.toml")
    assert find_config(None, {}, usual) == usual


def test_where_there_is_none_the_complaint_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(NoConfiguration, match=r"--config FILE.*XMPP_GATEWAY_CONFIG.*usual.toml"):
        find_config(None, {}, tmp_path / "usual.toml")
