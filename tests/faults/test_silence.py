"""A network that is cut, and nobody says so: the system gives up what was written when it is told to."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALONE = ["unshare", "--map-root-user", "--net"]  # in its own network


def may_be_alone() -> bool:
    """Return whether we may have such a network."""
    try:
        return subprocess.run([*ALONE, "ip", "link"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_be_alone(), reason="needs unshare and ip, and to be allowed its own network")
def test_what_was_written_into_a_cut_network_is_given_up_in_time() -> None:
    command = [*ALONE, sys.executable, "-m", "tests.faults.cut_off", "3"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert 2 < float(told.stdout) < 10  # where nobody asks for it, this takes a quarter of an hour
