"""The control socket: one line in, one line out, and nothing that a faulty request could break."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread

from gateway.net.listen.listening import NotOpened
from gateway.operations.control.client import NotDone, NotRunning, ask
from gateway.operations.control.door import MOST_REQUEST_BYTES, PATIENCE, CommandRefused, ControlDoor, ControlProtocol
from gateway.operations.control.place import NAME, socket_path
from tests.support.reactor import run_in_reactor, running_reactor


def refuse() -> None:
    raise CommandRefused("it is raining")


def broken() -> None:
    raise RuntimeError("/etc/secret")


ACTIONS: dict[str, Any] = {
    "echo": lambda text: {"text": text},
    "refuse": refuse,
    "broken": broken,
}


def exchange(request: bytes, clock: Clock | None = None) -> tuple[dict[str, Any] | None, StringTransport]:
    transport, clock = StringTransport(), clock or Clock()
    protocol = ControlProtocol(ACTIONS, clock)
    protocol.makeConnection(transport)
    protocol.dataReceived(request)
    clock.advance(0)  # an answer is written in turns
    said = transport.value()
    return json.loads(said) if said else None, transport


def test_a_request_is_answered_and_the_connection_ends() -> None:
    answer, transport = exchange(b'{"command": "echo", "text": "hello"}\n')
    assert answer == {"ok": True, "result": {"text": "hello"}}
    assert transport.disconnecting


@pytest.mark.parametrize(
    ("request_line", "problem"),
    [
        (b'{"command": "refuse"}\n', "it is raining"),
        (b'{"command": "dance"}\n', "does not know that command"),
        (b"nonsense\n", "does not know that command"),
        (b"[1]\n", "does not know that command"),
        (b'{"command": "echo"}\n', "does not take these arguments"),
        (b'{"command": "echo", "text": [1]}\n', "must be a string"),
        (b'{"command": "__class__"}\n', "does not know that command"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_faulty_request_is_answered_by_a_problem(request_line: bytes, problem: str) -> None:
    answer, _ = exchange(request_line)
    assert answer is not None
    assert not answer["ok"]
    assert problem in answer["problem"]


@pytest.mark.parametrize(
    "result", [{}, [], None, 7, "text", {"a": []}, {"a": {"b": [1, {"c": [2]}], "d": {}}, "e": "ü"}, [{"a": {"b": 1}}]]
)
def test_every_answer_is_one_line_of_json(result: Any) -> None:
    transport, clock = StringTransport(), Clock()
    protocol = ControlProtocol({"tell": lambda: result}, clock)
    protocol.makeConnection(transport)
    protocol.dataReceived(b'{"command": "tell"}\n')
    clock.advance(0)
    assert transport.value().count(b"\n") == 1
    assert json.loads(transport.value()) == {"ok": True, "result": result}


def test_our_own_fault_is_told_without_its_details() -> None:
    answer, _ = exchange(b'{"command": "broken"}\n')
    assert answer is not None
    assert "secret" not in answer["problem"]


def test_only_the_first_request_of_a_connection_is_carried_out() -> None:
    _, transport = exchange(b'{"command": "echo", "text": "1"}\n{"command": "echo", "text": "2"}\n')
    assert transport.value().count(b"\n") == 1


def test_a_request_that_does_not_end_is_cut_off() -> None:
    _, transport = exchange(b"x" * (MOST_REQUEST_BYTES + 2))
    assert transport.disconnecting


def test_who_asks_nothing_is_cut_off() -> None:
    clock = Clock()
    _, transport = exchange(b"", clock)
    clock.advance(PATIENCE)
    assert transport.disconnected


@pytest.mark.parametrize("folder", ["state", "a-state-folder-with-a-name-" + "x" * 120], ids=["short", "long"])
def test_the_owner_alone_can_ask_and_a_long_path_does_not_matter(tmp_path: Path, folder: str) -> None:
    state = tmp_path / folder
    state.mkdir()

    async def scenario() -> Any:
        door = ControlDoor(lambda: socket_path(state), ACTIONS, running_reactor())
        door.startService()
        try:
            assert stat.S_IMODE((state / NAME).stat().st_mode) == 0o600
            with pytest.raises(NotDone, match="raining"):
                await deferToThread(ask, state, "refuse")
            return await deferToThread(ask, state, "echo", text="hello")
        finally:
            await door.stopService()  # type: ignore[misc]

    assert run_in_reactor(scenario) == {"text": "hello"}
    with pytest.raises(NotRunning, match="the service is not running"):
        ask(state, "echo", text="hello")


def test_a_socket_that_a_crash_has_left_is_taken_over(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / NAME))
    left.close()

    async def scenario() -> Any:
        door = ControlDoor(lambda: socket_path(tmp_path), ACTIONS, running_reactor())
        door.privilegedStartService()
        door.startService()
        try:
            return await deferToThread(ask, tmp_path, "echo", text="again")
        finally:
            await door.stopService()  # type: ignore[misc]

    assert run_in_reactor(scenario) == {"text": "again"}


def test_a_second_service_with_the_same_state_folder_does_not_start(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as first:
        first.bind(str(tmp_path / NAME))
        first.listen()
        door = ControlDoor(lambda: socket_path(tmp_path), ACTIONS, None)
        with pytest.raises(NotOpened, match="another service is running with this state folder"):
            door.privilegedStartService()
        assert (tmp_path / NAME).exists()


def test_what_a_crash_has_left_and_cannot_be_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(NotOpened, match=r"a crash left the control socket .* cannot be removed"):
        ControlDoor(lambda: socket_path(tmp_path), ACTIONS, None).privilegedStartService()


def test_a_socket_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        ControlDoor(lambda: socket_path(tmp_path / "nowhere"), ACTIONS, running_reactor()).startService()

    with pytest.raises(NotOpened, match=r"the control socket .* cannot be made: .*No such file"):
        run_in_reactor(scenario)
