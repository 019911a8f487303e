"""Forks of a process that has imported the gateway are what a shell would have started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.configuration import Folder
from tests.support.forks import PROGRAMS, Fork, is_possible, run, start

COMMAND, TWISTD = PROGRAMS / "xmpp-gateway", PROGRAMS / "twistd"
NOBODY = 65534
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not is_possible([COMMAND], {}), reason="coverage has to see each process begin")


@pytest.mark.parametrize("words", [("--help",), ("status", "--nonsense"), ("check", "--config", "missing.toml")])
def test_a_command_says_the_same_and_ends_the_same(tmp_path: Path, words: tuple[str, ...]) -> None:
    command = [str(COMMAND), *words]
    usual = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    forked = run(command, folder=tmp_path)
    assert (forked.returncode, forked.stdout, forked.stderr) == (usual.returncode, usual.stdout, usual.stderr)


def test_a_module_says_the_same_and_ends_the_same(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for module in ("gateway.demo", "gateway.commands"):
        command = [sys.executable, "-m", module, str(tmp_path)]
        usual = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        forked = run(command, folder=tmp_path)
        said = [re.sub(r"\d\d:\d\d:\d\d\.\d+", "", each.stdout + each.stderr) for each in (usual, forked)]
        assert (forked.returncode, said[1]) == (usual.returncode, said[0])


def test_what_it_writes_can_be_read_until_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.storage.writer", tmp_path]
    process, output = start(command, folder=ROOT)
    with output:
        assert output.readline()
        assert output.readline()  # it may not have come further when it is killed
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
        "".join(output)  # this ends


def test_it_has_its_own_descriptors_folder_and_environment_and_ends_by_signals(tmp_path: Path) -> None:
    (tmp_path / "program.tac").write_text(
        "import os, pathlib\n"
        "from twisted.application.service import Application\n"
        "application = Application('it')\n"
        "print(os.environ['WORD'], os.getcwd())\n"
        "print('open:', *(each.resolve().name for each in pathlib.Path('/proc/self/fd').iterdir()))\n"
    )
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [TWISTD, "--nodaemon", "--pidfile=", "--python", "program.tac"]
        process = Fork(command, folder=tmp_path, environment={"WORD": "hello"}, output=output.fileno())
    try:
        while "Loaded." not in (said := log.read_text()):
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.05)
        assert f"hello {tmp_path}\n" in said
        [descriptors] = [line for line in said.splitlines() if "open:" in line]
        assert {"null", "log"} <= set(descriptors.split())
        assert "socket:" not in descriptors  # as the fork server has
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    finally:
        process.kill()
    process.terminate()  # it has ended: nothing happens
    assert process.poll() == -signal.SIGKILL


def test_what_is_typed_is_read(tmp_path: Path) -> None:
    file = Folder(tmp_path).complete("")
    added = run([COMMAND, "account", "add", "romeo@im.test", "--config", file], typed="a password\n")
    assert added.returncode == 0, added.stderr
    assert run([COMMAND, "account", "list", "--config", file]).stdout == "romeo@im.test\n"
    nothing = run([COMMAND, "account", "add", "juliet@im.test", "--config", file])
    assert nothing.returncode != 0


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONMALLOC", "OPENSSL_CONF"])
def test_what_changes_the_interpreter_needs_one_of_its_own(name: str) -> None:
    assert is_possible([TWISTD], {"WORD": "", "PYTHONUNBUFFERED": "1"})
    assert not is_possible([TWISTD], {name: "1"})
    assert not is_possible([sys.executable], {})
    assert not is_possible([sys.executable, "-m", "pip"], {})


def test_each_fork_has_a_reactor_of_its_own() -> None:
    code = "import sys, tests.support.forks_have; sys.exit('twisted.internet.reactor' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_becomes_another_user_for_good() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        text = "import os; print(os.getresuid(), os.getresgid(), flush=True); os._exit(0)\n"
        (folder / "program.tac").write_text(text)
        command = [TWISTD, "--nodaemon", "--pidfile=", "--python", "program.tac"]
        done = run(command, folder=folder, user=NOBODY)
    assert f"{(NOBODY,) * 3} {(NOBODY,) * 3}" in done.stdout, done.stderr
