"""D-7: the tests depend neither on what else a machine runs, nor on its hosts file, nor on the user that runs them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.interop.peers import Ejabberd, Gateway, NotInstalledError, Prosody
from tests.interop.peers.ports import find_distance, is_free
from tests.support.foreign_machine import ALONE, ROOT, may_be_alone

NOBODY = 65534
PEERS = "tests/interop/test_peers.py::test_users_talk_across_servers_that_prove_themselves_by_certificate"
LOGIN = "tests/interop/test_own_logins.py::test_logins_meet[prosody]"
DEMO = "tests/unit/demo/test_demo.py::test_main_job_is_told_step_by_step"
FILES = "tests/unit/storage/test_files.py"


def pytest_ended(command: Sequence[str], folder: Path, user: int | None = None) -> str:
    """Run pytest by this command in its own world; return its last line, or fail with all that it wrote."""
    ended = subprocess.run(
        [*command, f"--basetemp={folder / 'inner'}"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "HOME": str(folder), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=300,
        user=user,
        group=user,
        extra_groups=None if user is None else (),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.strip().splitlines()[-1]


@pytest.fixture(autouse=True)
def servers() -> None:
    for kind in (Gateway, Prosody, Ejabberd):
        try:
            kind.check_installed()
        except NotInstalledError as problem:
            (pytest.fail if os.environ.get("XMPP_GATEWAY_INTEROP") == "require" else pytest.skip)(str(problem))


@pytest.mark.skipif(not may_be_alone(), reason="needs unshare and ip, and to be allowed namespaces of its own")
def test_f_d_7_other_servers_and_a_hosts_file_that_lies_change_nothing(tmp_path: Path) -> None:
    command = [*ALONE, sys.executable, "-m", "tests.support.foreign_machine", PEERS, LOGIN, DEMO]
    assert "3 passed" in pytest_ended(command, tmp_path)


@pytest.fixture
def home_of_nobody() -> Iterator[Path]:
    """A folder of the user nobody; those that pytest makes are for their own user alone."""
    with tempfile.TemporaryDirectory(prefix="xmpp-gateway-nobody-") as folder:
        os.chown(folder, NOBODY, NOBODY)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("servers", [LOGIN, pytest.param(PEERS, marks=pytest.mark.soak)], ids=["login", "peers"])
def test_f_d_7_it_does_not_take_root(home_of_nobody: Path, servers: str) -> None:
    if subprocess.run([sys.executable, "-c", "import gateway"], cwd=ROOT, user=NOBODY, capture_output=True).returncode:
        pytest.skip("the user nobody may not read this tree")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", servers, FILES]
    assert "passed" in pytest_ended(command, home_of_nobody, NOBODY)


def test_f_d_7_ports_that_somebody_has_at_every_address_are_passed_over() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as other:
        taken = other.getsockname()[1]
        assert not is_free(taken)
        assert find_distance([taken - 7], distances=[7, 8]) == 8
