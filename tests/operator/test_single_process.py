"""A gateway without `[cluster]` imports neither NATS nor asyncio's reactor, and has the secret in its state folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIGURATION = """
[gateway]
state = "state"
[domains."echo.test"]
serve = "gateway.handlers.echo.Echo"
"""
CLUSTER = """
[cluster]
url = ["nats://127.0.0.1:4222"]
node = "a"
secret = "0123456789abcdef0123456789abcdef"
"""
PROGRAM = """
import sys
from gateway.tap import Options, makeService
options = Options()
options.parent = {"logger": None, "logfile": "-", "nodaemon": True}
options.parseOptions(["--config", sys.argv[1]])
makeService(options)
print(type(sys.modules["twisted.internet.reactor"]).__name__, "nats" in sys.modules,
      "twisted.internet.asyncioreactor" in sys.modules)
"""


@pytest.mark.parametrize(("table", "outcome"), [("", "False False"), (CLUSTER, "AsyncioSelectorReactor True True")])
def test_only_a_cluster_imports_what_a_cluster_needs(tmp_path: Path, table: str, outcome: str) -> None:
    (tmp_path / "gateway.toml").write_text(CONFIGURATION + table)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "gateway.toml")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(outcome)
    assert (tmp_path / "state" / "dialback.secret").exists() is not bool(table)
