"""What `make coverage` keeps of a process that a signal ends, as SIGTERM ends twistd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from coverage import CoverageData

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os
from gateway.xmpp.digits import read_number

read_number("7", 9)
os.kill(os.getpid(), 15)
"""


def test_what_ends_itself_by_a_signal_has_been_measured(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {name: each for name, each in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-m", "coverage", "run", f"--data-file={tmp_path / 'data'}", program]
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    assert ended.returncode == -signal.SIGTERM
    (kept,) = tmp_path.glob("data.*")
    data = CoverageData(str(kept))
    data.read()
    assert {Path(file).name for file in data.measured_files()} >= {"digits.py"}
