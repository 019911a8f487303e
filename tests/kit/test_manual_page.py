"""The manual page says what `--help` says, and man(1) takes it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.commands import COMMANDS, command_line, manual
from gateway.commands.steering import MEANINGS

PAGE = Path(__file__).parents[2] / "docs" / "man" / "xmpp-gateway.1"


def test_page_is_current() -> None:
    assert PAGE.read_text() == manual.page(), "run: python -m gateway.commands.manual > docs/man/xmpp-gateway.1"


def test_every_option_of_every_command_is_there() -> None:
    _, parsers = command_line(COMMANDS)
    text = manual.page().replace("\\-", "-")
    for name, parser in parsers.items():
        section = text.partition(f'.SS "{name}')[2].partition("\n.S")[0]
        options = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
        assert {option for option in options - {"--help"} if f".B {option}" not in section} == set(), name
    assert all(f".TP\n.B {status}\n" in text for status in MEANINGS)


def test_nothing_in_a_text_is_taken_for_a_request() -> None:
    assert manual._escaped(".B a-b \\c") == "\\&.B a\\-b \\ec"


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_has_nothing_to_complain_of() -> None:
    command = ["groff", "-man", "-ww", "-z", str(PAGE)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
