"""docs/filters.md: each recipe is loaded and tried, and its example of a filter in Python runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gateway.commands.filter import Rehearsal
from gateway.config import load
from gateway.config.settings import Settings
from tests.support.configuration import Folder
from tests.support.trees import stanza

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text()
RECIPES = dict(re.findall(r"^### ([^\n]+)\n+```toml\n(.*?)```", PAGE, re.M | re.S))
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
(OWN_FILTER,) = re.findall(r'```toml\n(\[\[filter\]\]\nname = "no shouting".*?)```', PAGE, re.S)

OURS = """
[domains."rooms.example"]
serve = "component"
secret = "0123456789abcdef0123"
[domains."red.example"]
serve = "relay"
connect = "tcp:127.0.0.1:1"
[domains."blue.example"]
serve = "relay"
connect = "tcp:127.0.0.1:2"
"""
CHAT = "<message from='{0}' to='{1}' type='chat' id='1'><body>{2}</body></message>"

TRIED = {
    "Block a domain without a restart": [
        (("eve@spam.example", "a@rooms.example", ""), "drop"),
        (("eve@sub.spam.example", "a@rooms.example", ""), "drop"),
        (("bob@good.example", "a@rooms.example", ""), "pass"),
    ],
    "Let strangers in only through a subscription request": [(("eve@far.example", "a@rooms.example", "hi"), "bounce")],
    "Hold links from strangers": [
        (("eve@far.example", "a@rooms.example", "http://x.example"), "hold"),
        (("eve@far.example", "a@rooms.example", "no link"), "pass"),
    ],
    "Keep two networks apart, with three exceptions": [
        (("a@red.example", "b@blue.example", ""), "bounce"),
        (("b@blue.example", "a@red.example", ""), "bounce"),
        (("liaison@red.example", "b@blue.example", ""), "pass"),
        (("a@red.example", "chief@blue.example", ""), "pass"),
        (("a@red.example", "b@red.example", ""), "pass"),
        (("a@red.example", "b@far.example", ""), "pass"),
    ],
    "Slow a noisy bridge down": [(("a@bridge.example.net", "a@rooms.example", ""), "pass")] * 300
    + [(("a@bridge.example.net", "a@rooms.example", ""), "bounce")],
    "Use a public block list": [(("eve@far.example", "a@rooms.example", ""), "pass")],
    "Try a rule first": [(("eve@far.example", "a@rooms.example", "x" * 100_001), "pass")],
}


def read(folder: Path, text: str) -> Settings:
    (folder / "blocked.txt").write_text("spam.example  # a comment\n*.spam.example\n")
    return load(Folder(folder).complete(OURS + text))


def test_every_recipe_is_tried() -> None:
    assert RECIPES.keys() == TRIED.keys()


@pytest.mark.parametrize("name", TRIED)
def test_a_recipe_does_what_it_says(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(read(tmp_path, RECIPES[name]))
    for (sender, target, body), expected in TRIED[name]:
        assert rehearsal.outcome(stanza(CHAT.format(sender, target, body)))["outcome"] == expected


def test_the_example_of_a_filter_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("yourpackage")
    exec(EXAMPLE, package.__dict__)  # what the page shows is what runs
    monkeypatch.setitem(sys.modules, "yourpackage", package)
    rehearsal = Rehearsal(read(tmp_path, OWN_FILTER))
    outcomes = [
        rehearsal.outcome(stanza(CHAT.format("eve@far.example", "a@rooms.example", body)))["outcome"]
        for body in ("SHOUT " * 10, "calm " * 10, "SHORT")
    ]
    assert outcomes == ["drop", "pass", "pass"]
