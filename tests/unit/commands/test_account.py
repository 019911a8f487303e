"""`xmpp-gateway account`: accounts are made, changed, deleted and listed, and every mistake is one line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import account as module
from gateway.commands import main
from gateway.operations.control.client import NotDone
from gateway.sasl.keys import ScramHash
from gateway.storage.opening import open_store
from tests.support.configuration import Folder

CONFIGURATION = """
[domains."im.test"]
serve = "im"
certificate = "im.test.pem"

[domains."echo.test"]
serve = "gateway.handlers.echo.Echo"
"""


NO_ACCOUNTS = "there are no accounts yet; xmpp-gateway account add JID creates one\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Desk:
    """Somebody at a shell."""

    def __init__(self, folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        folder.certify("im.test")
        self.file = folder.complete(CONFIGURATION)
        self.state = folder.path / "state"
        self.terminal = False
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def types(self, *words: str, typed: str = "") -> tuple[int, str]:
        """The exit status and what was printed, when this is on standard input."""
        self._monkeypatch.setattr("sys.stdin", Terminal(typed) if self.terminal else io.StringIO(typed))
        status = main(["account", "--config", str(self.file), *words])
        printed = self._capsys.readouterr()
        return status, printed.out + printed.err

    def opens_with(self, account: str, password: str) -> list[bool]:
        """For each hash whether the account's keys are those of the password."""
        store = open_store("sqlite:gateway.db", self.state)
        found: list[Any] = []
        for hash in ScramHash:
            store.keys(account, [hash]).addCallback(found.append)
        store.close()
        return [keys is not None and keys.match(password) for keys in found]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(Folder(tmp_path), monkeypatch, capsys)


def test_account_is_added_with_keys_for_every_mechanism_and_no_password(desk: Desk) -> None:
    assert desk.types("add", "Juliet@IM.test", typed="R0m30myr0m30\n") == (0, "juliet@im.test has been created\n")
    assert desk.opens_with("juliet@im.test", "R0m30myr0m30") == [True, True]
    assert b"R0m30" not in b"".join(file.read_bytes() for file in desk.state.iterdir() if file.is_file())


def test_password_is_the_first_line_as_it_is_but_for_its_end(desk: Desk) -> None:
    desk.types("add", "juliet@im.test", typed=" with blanks \r\nmore\n")
    assert desk.opens_with("juliet@im.test", " with blanks ") == [True, True]


def test_password_is_changed(desk: Desk) -> None:
    desk.types("add", "juliet@im.test", typed="the old one\n")
    status, told = desk.types("passwd", "juliet@im.test", typed="the new one\n")
    assert (status, told) == (0, "the password of juliet@im.test has been changed; the service is not running\n")
    assert desk.opens_with("juliet@im.test", "the old one") == [False, False]
    assert desk.opens_with("juliet@im.test", "the new one") == [True, True]


def test_account_is_deleted(desk: Desk) -> None:
    desk.types("add", "juliet@im.test", typed="secret\n")
    assert desk.types("delete", "juliet@im.test") == (
        0,
        "juliet@im.test has been deleted; the service is not running\n",
    )
    assert desk.types("list") == (0, NO_ACCOUNTS)


def test_running_service_is_told_of_changes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def ask(state: Path, command: str, **request: str) -> dict[str, int]:
        asked.append((state, command, request))
        return {"closed": 2}

    monkeypatch.setattr(module, "ask", ask)
    desk.types("add", "juliet@im.test", typed="secret\n")
    assert desk.types("passwd", "juliet@im.test", typed="another\n")[1].endswith("closed 2 streams of that account\n")
    assert asked == [(desk.state, "close_account", {"account": "juliet@im.test"})]


def test_service_that_does_not_do_it_is_told_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(state: Path, command: str, **request: str) -> None:
        raise NotDone("it is too busy")

    monkeypatch.setattr(module, "ask", ask)
    desk.types("add", "juliet@im.test", typed="secret\n")
    assert "its streams could not be closed: it is too busy" in desk.types("delete", "juliet@im.test")[1]


def test_an_empty_list_says_so_but_not_to_scripts(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.types("list") == (0, NO_ACCOUNTS)
    assert desk.types("list", "im.test")[1].startswith("there are no accounts at im.test; ")
    assert main(["account", "--config", str(desk.file), "list"]) == 0
    assert capsys.readouterr().out == ""


def test_accounts_are_listed(desk: Desk) -> None:
    for name in ("romeo", "juliet"):
        desk.types("add", f"{name}@im.test", typed="secret\n")
    assert desk.types("list") == (0, "juliet@im.test\nromeo@im.test\n")
    assert desk.types("list", "im.test") == (0, "juliet@im.test\nromeo@im.test\n")


@pytest.mark.parametrize(
    ("words", "typed", "told"),
    [
        (["add"], "", "no account given"),
        (["add", "@"], "", "is not an address"),
        (["add", "im.test"], "", "is not an account: write one like juliet@example.com"),
        (["add", "juliet@im.test/r"], "", "is not an account"),
        (["add", "juliet@echo.test"], "s\n", 'echo.test has no accounts here: set serve = "im" for it'),
        (["add", "juliet@im.test"], "", "this password cannot be used: a password cannot be empty"),
        (["add", "juliet@im.test"], "\x07\n", "this password cannot be used"),
        (["add", "romeo@im.test"], "s\n", "romeo@im.test already exists"),
        (["passwd", "nobody@im.test"], "s\n", "there is no account nobody@im.test"),
        (["delete", "nobody@im.test"], "", "there is no account nobody@im.test"),
        (["list", "echo.test"], "", "echo.test has no accounts here"),
        (["list", "@"], "", "is not a domain"),
    ],
)
def test_mistakes_are_told(desk: Desk, words: list[str], typed: str, told: str) -> None:
    desk.types("add", "romeo@im.test", typed="secret\n")
    status, printed = desk.types(*words, typed=typed)
    assert status == 1
    assert told in printed
    assert printed.count("\n") == 1


def test_a_state_folder_that_cannot_be_used_is_told_before_anything_is_made(desk: Desk) -> None:
    (desk.state / "dialback.secret").mkdir(parents=True)
    status, told = desk.types("add", "juliet@im.test", typed="a secret\n")
    assert status == 1
    assert f"gateway.state: {desk.state / 'dialback.secret'} is not a file: move it out of the way" in told
    assert not (desk.state / "gateway.db").exists()


def test_accounts_in_memory_cannot_be_shared(desk: Desk) -> None:
    desk.file.write_text(desk.file.read_text() + '\n[storage]\nurl = "memory:"\n')
    status, told = desk.types("list")
    assert (status, "to a file" in told) == (1, True)


def test_password_is_typed_twice_at_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["one", "one", "one", "another"])
    monkeypatch.setattr(module, "getpass", lambda prompt: next(typed))
    desk.terminal = True
    assert desk.types("add", "juliet@im.test")[0] == 0
    assert desk.opens_with("juliet@im.test", "one") == [True, True]
    status, told = desk.types("passwd", "juliet@im.test")
    assert (status, told) == (1, "xmpp-gateway: the two passwords differ\n")
