"""`filter test`: what is said about each stanza, and that nothing in the file is passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.commands import main
from gateway.filters.lists import list_file
from tests.support.configuration import Folder

CONFIGURATION = """
[domains."rooms.test"]
serve = "component"
secret = "0123456789abcdef0123"
[[filter]]
name = "no rooms"
when = { type = "groupchat" }
then = "drop"
"""
GOOD = "<message from='a@far.test' to='x@rooms.test' id='1'/>"


def run(tmp_path: Path, text: str, *options: str) -> int:
    config = Folder(tmp_path).complete(CONFIGURATION)
    file = tmp_path / "stanzas.xml"
    file.write_text(text)
    return main(["filter", "test", str(file), "--config", str(config), *options])


def test_each_stanza_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"<?xml version='1.0'?>\n{GOOD}\n{GOOD.replace(' id', ' type=' + chr(39) + 'groupchat' + chr(39) + ' id')}"
    assert run(tmp_path, text) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "pass" in first
    assert "drop by 'no rooms'" in second


def test_a_stanza_that_no_stream_would_bring_so_far_is_said_to_be_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "<message from='a@@b' to='x@rooms.test'/><message to='x@rooms.test'/>", "--json") == 0
    outcomes = json.loads(capsys.readouterr().out)
    assert [each["outcome"] for each in outcomes] == ["refused", "refused"]
    assert "domainpart" in outcomes[0]["problem"]


def test_people_are_told_of_a_refusal_and_of_what_only_the_service_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = '[[filter]]\nname = "new"\nthen = "drop"\nwhen = { stranger = true, rate = "1 per second" }\n'
    monkeypatch.setitem(globals(), "CONFIGURATION", CONFIGURATION + asking)
    assert run(tmp_path, "<message from='a@@b' to='x@rooms.test' id='7'/>") == 0
    refused, unknown = capsys.readouterr().out.splitlines()
    assert refused.startswith("message '7': refused before any rule: ")
    assert unknown.endswith("and no rate is exceeded")


def test_lists_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.txt").write_text("# of mine\n\nfar.test  # spam\n")
    listed = '[[filter]]\nname = "{0}"\nthen = "drop"\nwhen = {{ listed = "{0}" }}\n[lists.{0}]\n{1}\n'
    lists = listed.format("shared", 'rtbl = "rtbl.test"') + listed.format("own", 'file = "bad.txt"')
    monkeypatch.setitem(globals(), "CONFIGURATION", CONFIGURATION + lists)
    assert run(tmp_path, GOOD) == 0
    assert "drop by 'own'" in capsys.readouterr().out
    place = list_file(tmp_path / "state", "shared")
    place.parent.mkdir(parents=True)
    place.write_text("far.test\n")
    assert run(tmp_path, GOOD) == 0
    assert "drop by 'shared'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "contains no stanza"),
        (f"{GOOD}<message>", "is not well-formed"),
        (f"{GOOD}<foo/>{GOOD}", "of 3 elements"),
        (f"{GOOD}<message xmlns='jabber:server'/>", "of 2 elements"),
    ],
)
def test_what_is_no_stanza_is_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    assert run(tmp_path, text) == 1
    assert problem in capsys.readouterr().err


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Folder(tmp_path).complete(CONFIGURATION)
    assert main(["filter", "test", str(tmp_path / "none.xml"), "--config", str(config)]) == 1
    assert "none.xml: No such file or directory" in capsys.readouterr().err
