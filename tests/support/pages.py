"""The examples that the manual prints, so that tests run what an operator copies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
_OURS = frozenset({"certificate", "key", "secret", "secret_file"})  # what a test has its own of


def block(page: str, language: str, number: int = 0) -> str:
    """Return an example of a page, by its language and its place among those of that language."""
    text = (DOCS / page).read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found[number])


def domains(page: str, number: int = 0) -> dict[str, Any]:
    """Return the [domains] of a configuration on a page, without secrets and certificates."""
    tables = tomllib.loads(block(page, "toml", number))["domains"]
    return {name: {key: value for key, value in table.items() if key not in _OURS} for name, table in tables.items()}
