"""The package of the manual: a service is built and installed, and served by the name of its entry point."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support import forks
from tests.support.configuration import Folder

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "handlers.md").read_text()
# What pip asks the package to do; pip itself, and the environments it builds in, would take ten times as long.
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def printed(language: str, first_line: str) -> str:
    """Return what the page prints in a block of a language that begins with this line."""
    found = re.search(rf"```{language}\n{re.escape(first_line)}\n.*?```", PAGE, re.DOTALL)
    assert found is not None, first_line
    return found[0].removeprefix(f"```{language}\n").removesuffix("```")


def test_the_package_of_the_manual_is_installed_and_served(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "greeter.py").write_text(printed("python", "# greeter.py"))
    (source / "pyproject.toml").write_text(printed("toml", "# pyproject.toml"))
    subprocess.run([sys.executable, "-c", BUILD, tmp_path], check=True, capture_output=True, timeout=300, cwd=source)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    table = re.search(r'```toml\n(\[domains\."greeter\.example\.com"\]\nserve = "greeter"\n.*?)```', PAGE, re.DOTALL)
    assert table is not None
    file = Folder(tmp_path).complete(table[1])

    def check(**environment: str) -> str:
        command = [sys.executable, "-m", "gateway.commands", "check", "--config", str(file)]
        done = forks.run(command, folder=ROOT, environment=environment, timeout=300)
        return done.stdout + done.stderr

    told = check(PYTHONPATH=str(target))
    assert "greeter.example.com" in told
    assert "mistake" not in told
    assert "'greeter' is not one of" in check()
