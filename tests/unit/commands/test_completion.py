"""Completion: the scripts are understood by the shells they are for, and know every command."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from gateway.commands import COMMANDS, main


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_every_command_is_known(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = capsys.readouterr().out
    asked = f'{script}\nCOMP_WORDS=(xmpp-gateway exp); COMP_CWORD=1; _xmpp_gateway; echo "${{COMPREPLY[@]}}"'
    told = subprocess.run(["bash"], input=asked, text=True, capture_output=True, check=True)
    assert told.stdout.strip() == "explain"
