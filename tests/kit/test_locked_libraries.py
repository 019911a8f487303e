"""debian/requirements.txt has what setup.cfg asks for: `make lock` was run after the last change."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
IN_THE_PACKAGE = ("postgresql", "cluster")  # extras


def wanted() -> list[Requirement]:
    """The libraries that setup.cfg asks for, with the extras that the package has."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    lists = [setup["options"]["install_requires"], *(extras[name] for name in IN_THE_PACKAGE)]
    return [
        Requirement(line) for each in lists for line in each.split("\n") if line.strip() and not line.startswith("#")
    ]


def locked() -> dict[str, str]:
    """The versions in debian/requirements.txt, by name; each has the digest of at least one archive."""
    lines = (ROOT / "debian" / "requirements.txt").read_text().replace("\\\n", " ").splitlines()
    found = {}
    for line in lines:
        if not line.startswith("#"):
            match = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?==(\S+)((?: +--hash=sha256:[0-9a-f]{64})+) *", line)
            assert match is not None, line
            found[canonicalize_name(match[1])] = match[2]
    return found


@pytest.mark.parametrize("requirement", wanted(), ids=lambda requirement: requirement.name)
def test_each_library_is_locked_in_a_version_that_setup_cfg_allows(requirement: Requirement) -> None:
    version = locked().get(canonicalize_name(requirement.name))
    assert version is not None, f"make lock: {requirement.name} is not in debian/requirements.txt"
    assert version in requirement.specifier, f"make lock: {requirement} is asked for, and {version} is locked"


@pytest.mark.parametrize("extra", ["binary"])
def test_a_library_of_an_extra_is_locked_with_what_the_extra_brings(extra: str) -> None:
    asked = [each.name for each in wanted() if extra in each.extras]
    assert asked
    assert {canonicalize_name(f"{name}-{extra}") for name in asked} <= locked().keys()
