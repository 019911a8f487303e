"""`login`: what was typed wrong is said, before a password is asked for."""

from __future__ import annotations

import io

import pytest

from gateway.commands import main
from gateway.commands.exit_statuses import NOT_DONE


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
