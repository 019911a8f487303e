"""Completion: the scripts are understood by the shells they are for, and know every command, option and choice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.commands import COMMANDS, command_line, main
from gateway.commands.completion import script

PEERS = [{"domain": name, "state": "failing"} for name in ("far.test", "$(touch planted).test", "near.test")]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_every_command_and_option_is_known(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    _, parsers = command_line(COMMANDS)
    for command, parser in parsers.items():
        part = script.partition(f"        {command})\n")[2].partition(";;")[0]
        assert part, command
        assert [each for each in parser._option_string_actions if each.startswith("--") and each not in part] == []
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which the shell is, with a gateway that tells what it is asked, and answers with PEERS."""
    command = tmp_path / "xmpp-gateway"
    command.write_text(f"#!/bin/sh\necho \"$@\" >>asked\ncat <<'END'\n{json.dumps(PEERS)}\nEND\n")
    command.chmod(0o755)
    return tmp_path


def complete(folder: Path, *words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in ("xmpp-gateway", *words))
    asked = f'{script("bash")}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}\n_xmpp_gateway; echo "${{COMPREPLY[@]}}"'
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    told = subprocess.run(
        ["bash", "--norc"], input=asked, text=True, capture_output=True, check=True, cwd=folder, env=environment
    )
    assert all("compopt" in line for line in told.stderr.splitlines())  # it works in an interactive shell only
    return told.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["exp"], ["explain"]),
        (["queues", "--bo"], ["--bodies"]),
        (["queues", "re"], ["release", "retry"]),
        (["queues", "--json", "sh"], ["show"]),
        (["account", "--config", "file", "p"], ["passwd"]),
        (["account", "add", ""], []),
        (["completion", ""], ["bash", "zsh"]),
        (["explain", "f"], ["far.test"]),
        (["queues", "show", ""], ["far.test", "near.test"]),
        (["nonsense", ""], []),
    ],
)
def test_bash_completes_commands_options_choices_and_domains(
    folder: Path, words: list[str], offered: list[str]
) -> None:
    assert complete(folder, *words) == offered
    assert not (folder / "planted").exists()


def test_domains_are_asked_of_the_gateway_whose_configuration_is_named(folder: Path) -> None:
    complete(folder, "explain", "--config", "/etc/another.toml", "")
    complete(folder, "explain", "")
    assert (folder / "asked").read_text() == "peers --json --config /etc/another.toml\npeers --json\n"


def test_a_file_is_completed_by_the_shell_itself(folder: Path) -> None:
    assert complete(folder, "check", "--config", "") == []
    assert not (folder / "asked").exists()
