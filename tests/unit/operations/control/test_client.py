"""The commands' side of the control socket: a service that is not there, or does not answer as it should."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.operations.control.client import NotDone, NotRunning, ask, is_running
from gateway.operations.control.place import socket_path

PATIENCE = 30


@contextmanager
def answering(state: Path, answer: bytes | None) -> Iterator[None]:
    """Answer one request with these bytes, and close; with None, not at all."""
    with socket.socket(socket.AF_UNIX) as door, ThreadPoolExecutor(1) as others:
        door.bind(socket_path(state))
        door.listen()
        door.settimeout(PATIENCE)

        def serve() -> None:
            with door.accept()[0] as connection:
                connection.settimeout(PATIENCE)
                connection.recv(65536)
                if answer is None:
                    connection.recv(1)  # until the other side loses its patience
                else:
                    connection.sendall(answer)

        served = others.submit(serve)
        yield
        served.result()


@pytest.mark.parametrize("answer", [b"", b'{"ok": true, "resu'])
def test_a_service_that_stops_amid_its_answer_has_not_done_it(tmp_path: Path, answer: bytes) -> None:
    with answering(tmp_path, answer), pytest.raises(NotDone, match="without a whole answer: it may be stopping"):
        ask(tmp_path, "status")
    Path(socket_path(tmp_path)).unlink()
    with answering(tmp_path, answer), pytest.raises(NotDone, match="it is unknown whether a service runs"):
        is_running(tmp_path)


def test_a_service_that_is_silent_is_not_waited_for_longer_than_that(tmp_path: Path) -> None:
    with answering(tmp_path, None), pytest.raises(NotDone, match="running but did not answer within 0 s"):
        ask(tmp_path, "status", patience=0.1)


def test_another_user_learns_whose_service_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gateway.operations.control.client._exchange", refuse)  # root may use every socket
    with pytest.raises(NotDone, match="only root and the user that owns"):
        ask(tmp_path, "status")


def test_a_service_that_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        ask(tmp_path, "status")
    assert not is_running(tmp_path)
