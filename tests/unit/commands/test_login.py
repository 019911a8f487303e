"""`login`: what was typed wrong is said, before a password is asked for."""

from __future__ import annotations

import io
from typing import Any

import pytest

from gateway.commands import main
from gateway.commands.exit_statuses import NOT_DONE, SOMETHING_IS_WRONG
from gateway.commands.login import visit
from gateway.login.session import LoginFailed
from tests.support.reactor import run_in_reactor


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["@im.test"], "the localpart is empty"),
        (["--connect", "im.test:5222", "juliet@im.test"], "'im.test:5222' is not of the form tcp:HOST:PORT"),
        (["--connect", "tcp:im.test:0", "juliet@im.test"], "no usable port"),
    ],
)
def test_what_cannot_be_used_is_told(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = io.StringIO("secret\n")
    monkeypatch.setattr("sys.stdin", typed)
    assert main(["login", *words]) == NOT_DONE
    error = capsys.readouterr().err
    assert error.startswith("xmpp-gateway: ")
    assert told in error
    assert typed.tell() == 0  # no password was read


def test_what_a_server_says_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    class Refused:
        async def enter(self) -> None:
            raise LoginFailed("the login was refused with not-authorized: \x9b2J\u202egnp")

    login: Any = Refused()
    assert run_in_reactor(lambda: visit(login)) == SOMETHING_IS_WRONG
    told = capsys.readouterr().out
    assert told.startswith("failed: the login was refused with not-authorized: ")
    assert told.rstrip("\n").isprintable()
