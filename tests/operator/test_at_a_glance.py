"""With three hundred other domains of sixteen kinds, a new operator finds out what matters from one command.

The commands, the control socket and the readers of the status are real; the connections are stand-ins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import main
from gateway.commands.screen import Screen
from gateway.commands.steering import JSON_SCHEMA
from gateway.operations.control.operator import Operator
from gateway.timing.turns import Turns
from tests.operator.crowd import KINDS, Crowd, kinds, names
from tests.support.control import answering
from tests.support.reactor import running_reactor

PEERS = 300
SOMETHING_IS_WRONG = 4
A_SCREEN = 60  # lines of a terminal on an ordinary display


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return Crowd(PEERS)


@pytest.fixture(scope="module")
def config(crowd: Crowd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a service that has this crowd around it."""
    folder = tmp_path_factory.mktemp("glance")
    (folder / "state").mkdir()
    file = folder / "gateway.toml"
    file.write_text('[gateway]\nstate = "state"\n')
    with served(folder / "state", crowd):
        yield file


@contextmanager
def served(state: Path, crowd: Crowd) -> Iterator[None]:
    actions = Operator(crowd, Turns(running_reactor())).actions  # type: ignore[arg-type]
    with answering(state, actions):
        yield


@pytest.fixture
def ask(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Use a command; returns what it printed, and checks its exit status."""
    monkeypatch.setenv("COLUMNS", "80")

    def operate(*words: str, status: int = SOMETHING_IS_WRONG) -> str:
        assert main([*words, "--config", str(config)]) == status
        return capsys.readouterr().out

    return operate


def of_kind(name: str) -> list[str]:
    """The domains of one kind."""
    return [domain for domain, kind in zip(names(PEERS), kinds(PEERS), strict=True) if kind is KINDS[name]]


def test_status_fits_on_a_screen(ask: Any) -> None:
    lines = ask("status").splitlines()
    assert len(lines) <= A_SCREEN
    assert max(map(len, lines)) <= 80


def test_status_says_what_does_not_arrive_since_when_how_much_waits_and_whose_fault_it_is(ask: Any) -> None:
    told = ask("status")
    away = [domain for domain in of_kind("away") if domain in told]
    assert away
    (row,) = re.findall(rf"(?m)^  {re.escape(away[0])} .*\n.*", told)
    words = " ".join(row.split())
    assert re.match(rf"{re.escape(away[0])} (\d+ (h|d|min|s) ?)+ 12 - no-answer \(the network's or theirs\)", words)
    assert "xmpp-gateway explain" in told


def test_status_says_what_expires_and_how_full_the_disk_is(ask: Any) -> None:
    told = " ".join(ask("status").split())
    assert "the certificate for team6.example.org expires in" in told
    for domain in of_kind("ends soon") + of_kind("expired"):
        assert f"{domain} (in 6 d)" in told or f"{domain} (EXPIRED)" in told or "more our domains" in told
    assert re.search(r"disk 3\.0 GB free of 100\.0 GB, 97 % used \(/var/lib/xmpp-gateway\)", told)
    assert "no component is attached" in told


def test_status_in_json_is_of_everything(ask: Any) -> None:
    told = json.loads(ask("status", "--json"))
    assert len(told["peers"]) == told["peer_count"] == PEERS
    assert len(told["streams"]) == told["stream_count"] > PEERS


def test_status_with_all_lists_every_stream(ask: Any, crowd: Crowd) -> None:
    assert len(ask("status", "--all").splitlines()) > len(crowd.connections)


def test_peers_that_fail_are_listed_alone_with_the_reason_in_full(ask: Any) -> None:
    told = ask("peers", "--failing")
    shown = {line.split()[0] for line in told.splitlines()[1:] if not line.startswith(" ")}
    fail = ("away", "refused", "no such domain", "closes")
    assert shown == {domain for kind in fail for domain in of_kind(kind)}
    assert "192.0.2.7:5269 had not answered after 30 s (the network's or theirs)" in " ".join(told.split())
    assert max(map(len, told.splitlines())) <= 80
    answer = json.loads(ask("peers", "--failing", "--json"))
    assert answer["schema"] == json.loads(ask("status", "--json"))["schema"] == JSON_SCHEMA
    assert {each["domain"] for each in answer["peers"]} == shown


def test_explain_says_it_all_about_one_of_them_without_saying_it_twice(ask: Any) -> None:
    domain = of_kind("away")[0]
    told = ask("explain", domain)
    words = " ".join(told.split())
    assert f"{domain}: no streams in, none out, 12 stanzas waiting" in words
    assert "failing since 20" in words
    assert "(no-answer): 192.0.2.7:5269 had not answered after 30 s whose side: the network's or theirs" in words
    assert words.count("Try from another network") == 2  # at the top, and with the last attempt
    assert 'authenticate ["external", "dane", "dialback"] default' in words


def test_colours_are_for_terminals_that_want_them(ask: Any) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    assert "\x1b" not in ask("status")
    assert Screen.of(Terminal(), {}).has_colour  # type: ignore[arg-type]
    assert not Screen.of(Terminal(), {"NO_COLOR": "1"}).has_colour  # type: ignore[arg-type]
    assert not Screen.of(Terminal(), {"TERM": "dumb"}).has_colour  # type: ignore[arg-type]
