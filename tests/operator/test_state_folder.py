"""What operators break about the state folder: `check` says so before the start, and nothing leaves a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config.state import state_problems
from gateway.storage.files import open_file
from tests.support import forks
from tests.support.configuration import Folder

NOBODY = 65534
BIN = Path(sys.executable).parent
PATIENCE = 60
CONFIGURATION = """
[gateway]
state = "state"
[tls]
authorities = "ca.pem"
[domains."im.test"]
serve = "im"
certificate = "im.test.pem"
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def readable() -> None:
    """Skip where the user nobody may not read this tree."""
    if subprocess.run([sys.executable, "-c", "import gateway"], cwd="/", user=NOBODY, capture_output=True).returncode:
        pytest.skip("the user nobody may not read this tree")


@pytest.fixture
def folder(readable: None) -> Iterator[Path]:
    """A folder of the user nobody, with a configuration and a state folder that was in use."""
    with tempfile.TemporaryDirectory(prefix="xmpp-gateway-state-") as name:
        made = Folder(Path(name))
        made.certify("im.test")
        made.write(CONFIGURATION)
        state = made.path / "state"
        state.mkdir(mode=0o700)
        (state / "dialback.secret").write_bytes(bytes(32))
        open_file(state / "gateway.db").close()
        for path in (made.path, *made.path.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield made.path


def run(folder: Path, *words: str, user: int | None = None, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [BIN / words[0], *words[1:], "--config", folder / "gateway.toml"]
    return forks.run(command, folder=Path("/"), user=user, typed=typed, timeout=PATIENCE)


def test_an_account_that_root_adds_belongs_to_the_service(folder: Path) -> None:
    (folder / "state" / "gateway.db").unlink()
    done = run(folder, "xmpp-gateway", "account", "add", "juliet@im.test", typed="a secret\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name: path.stat().st_uid for path in (folder / "state").iterdir()} == {
        "dialback.secret": NOBODY,
        "gateway.db": NOBODY,
    }
    listed = run(folder, "xmpp-gateway", "account", "list", user=NOBODY)
    assert listed.stdout == "juliet@im.test\n"


def of_root(path: Path) -> None:
    os.chown(path, 0, 0)
    path.chmod(0o600)


BREAKAGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("folder read-only", lambda state: state.chmod(0o500), "chmod u+rwx STATE"),
    ("folder of root", lambda state: of_root(state), "belongs to root"),
    ("database of root", lambda state: of_root(state / "gateway.db"), "chown nobody STATE/gateway.db"),
    ("database read-only", lambda state: (state / "gateway.db").chmod(0o400), "chmod u+rw STATE/gateway.db"),
    ("secret of root", lambda state: of_root(state / "dialback.secret"), "chown nobody STATE/dialback.secret"),
    ("secret unreadable", lambda state: (state / "dialback.secret").chmod(0), "chmod u+r STATE/dialback.secret"),
    (
        "secret empty",
        lambda state: os.truncate(state / "dialback.secret", 0),
        "it has 0 bytes instead of 32: remove it",
    ),
    ("database a pipe", lambda state: a_pipe(state / "gateway.db"), "STATE/gateway.db is a named pipe"),
]


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(("breakage", "told"), [each[1:] for each in BREAKAGES], ids=[each[0] for each in BREAKAGES])
def test_what_cannot_be_used_is_told_by_check_and_at_the_start(
    folder: Path, breakage: Callable[[Path], None], told: str
) -> None:
    state = folder / "state"
    breakage(state)
    words = told.replace("STATE", str(state))
    for command in (["xmpp-gateway", "check"], ["twistd", "--nodaemon", "--pidfile=", "xmpp-gateway"]):
        done = run(folder, *command, user=NOBODY)
        if "belongs to root" in told and command[1] == "check":
            assert "run check as that user, or as root" in done.stdout
            continue
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_check_as_root_judges_as_the_service_would(folder: Path) -> None:
    of_root(folder / "state" / "gateway.db")
    done = run(folder, "xmpp-gateway", "check")
    assert done.returncode == 1
    assert f"chown nobody {folder}/state/gateway.db" in done.stderr
    os.chown(folder / "state" / "gateway.db", NOBODY, NOBODY)
    assert run(folder, "xmpp-gateway", "check").returncode == 0


def test_a_folder_that_is_in_order_has_no_problem(folder: Path) -> None:
    assert list(state_problems(load(folder / "gateway.toml"))) == []
    shutil.rmtree(folder / "state")
    assert list(state_problems(load(folder / "gateway.toml"))) == []
