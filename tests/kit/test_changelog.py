"""The changelog: every fragment in newsfragments/ has a kind that has a heading there, and is printed."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FRAGMENTS = sorted(file for file in (ROOT / "newsfragments").glob("*") if file.name != "README.md")
KINDS = {
    each["directory"] for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]
}


CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def draft() -> str:
    """Return the section that a release would write."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "99.0", "--dir", str(ROOT)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_each_fragment_has_a_kind_that_is_printed() -> None:
    """Towncrier ignores a fragment of any other kind without a message, and an operator would never read it."""
    assert [file.name for file in FRAGMENTS if file.name.split(".")[1:-1] not in [[kind] for kind in KINDS]] == []
    assert [file.name for file in FRAGMENTS if file.suffix != ".md"] == []


def test_each_fragment_is_in_the_changelog_of_the_next_release() -> None:
    made = " ".join(draft().split())
    assert [file.name for file in FRAGMENTS if " ".join(file.read_text().split()) not in made] == []


def test_the_readme_of_the_fragments_lists_the_kinds() -> None:
    readme = (ROOT / "newsfragments" / "README.md").read_text()
    assert {line.split("`")[1] for line in readme.splitlines() if line.startswith("- `")} == KINDS


def test_the_version_is_in_the_changelog_or_said_to_be_missing() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    version = setup["metadata"]["version"]
    released = f"## {version} (" in CHANGELOG
    assert released != (f"**{version}, the first release, is not out yet.**" in CHANGELOG)
    assert released or FRAGMENTS, "there is nothing to release"


def test_a_release_goes_below_the_marker() -> None:
    """Towncrier puts its section there; without the marker it would come before the title."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    assert settings["start_string"] in CHANGELOG
