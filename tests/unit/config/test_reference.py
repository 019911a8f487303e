"""docs/configuration.md says what the settings say."""

from __future__ import annotations

from pathlib import Path

from gateway.config.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "run: python -m gateway.config.reference > docs/configuration.md"
