"""`make cluster` tells its story to the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.interop.fixtures import require_installed
from tests.interop.nodes import Nats

ROOT = Path(__file__).parents[2]


def test_the_story_is_told_to_its_end() -> None:
    require_installed(Nats)
    command = [sys.executable, "-m", "tests.interop.cluster_demo", "--once"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the echo came in at node c, and crossed to node a" in done.stdout
    assert "the echo came in at node c, and crossed to node b" in done.stdout
    assert "node a is back" in done.stdout
    assert "node c: " in done.stdout
