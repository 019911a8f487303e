"""docs/configuration.md says what the settings say."""

from __future__ import annotations

from pathlib import Path

from gateway.config.reference import reference
from gateway.run import bounds

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_page_is_current() -> None:
    page = f"{reference()}\n{bounds.manual()}"
    assert PAGE.read_text() == page, (
        f"run: (python -m {reference.__module__}; echo; python -m {bounds.__name__}) > {PAGE}"
    )


def test_every_bound_says_how_much_and_what_happens() -> None:
    for row in bounds.TABLE:
        assert row.kept
        assert any(map(str.isdigit, row.most))
        assert row.then
