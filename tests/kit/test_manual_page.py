"""The manual pages say what `--help` and the settings say, and man(1) takes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.commands import COMMANDS, command_line, manual
from gateway.commands.exit_statuses import MEANINGS
from gateway.config.reference import sections

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


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, str]:
    """All pages, as a package has them written."""
    manual.main(["pages", str(tmp_path)])
    return {file.name: file.read_text() for file in tmp_path.iterdir()}


def test_every_command_has_a_page_with_its_options(pages: dict[str, str]) -> None:
    _, parsers = command_line(COMMANDS)
    assert set(pages) == {"xmpp-gateway.1", "xmpp-gateway.toml.5", *(f"xmpp-gateway-{name}.1" for name in COMMANDS)}
    for name, parser in parsers.items():
        text = pages[f"xmpp-gateway-{name}.1"].replace("\\-", "-")
        assert f"\nxmpp-gateway-{name} - {COMMANDS[name]}\n" in text
        options = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
        assert {option for option in options - {"--help"} if f"\n.B {option}" not in text} == set(), name


def test_the_page_of_the_configuration_has_every_key(pages: dict[str, str]) -> None:
    text = pages["xmpp-gateway.toml.5"].replace("\\-", "-").replace("\\(dq", '"')
    for section in sections():
        part = text.partition(f'"{section.title}"\n')[2].partition("\n.S")[0]
        assert part, section.title
        assert [key.name for key in section.keys if f"\n.BR {key.name} " not in part] == []
    assert "`" not in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_has_nothing_to_complain_of(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        command = ["groff", "-man", "-ww", "-z"]
        said = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stderr
        assert said == "", name
