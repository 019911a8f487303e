"""Writable: on a transport of which the system takes as much as the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from gateway.net.connection.writable import Writable


class Transport(StringTransport):
    """The system takes `room` bytes; what has to wait beside waits until `drain`."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.taken = b""

    def writeSomeData(self, data: bytes) -> Any:
        if self.room < 0:
            return ConnectionLost()
        self.taken += data[: self.room]
        taken = min(len(data), self.room)
        self.room -= taken
        return taken

    def drain(self) -> None:
        self.taken += self.value()
        self.clear()
        self.room = 1000
        self.producer.resumeProducing()  # type: ignore[attr-defined]


class Owner:
    """Notes the pauses."""

    def __init__(self, room: int, wrap: Callable[[Transport], Any] = lambda transport: transport) -> None:
        self.noted: list[str] = []
        self.transport = Transport(room)
        self.writable = Writable(self)
        self.writable.begin(wrap(self.transport))

    def write_paused(self) -> None:
        self.noted.append("paused")

    def write_resumed(self) -> None:
        self.noted.append("resumed")


def test_what_the_system_takes_is_gone_at_once() -> None:
    owner = Owner(100)
    owner.writable.write(b"one")
    owner.writable.write(b"two")
    assert owner.transport.taken == b"onetwo"
    assert owner.writable.wait() is None
    assert owner.noted == []


def test_what_it_does_not_take_waits_and_all_behind_it_and_nothing_changes_places() -> None:
    owner = Owner(5)
    owner.writable.write(b"onetwo")
    assert owner.noted == ["paused"]
    wait = owner.writable.wait()
    assert wait is not None
    owner.transport.room = 100  # it has room again, but the transport goes first
    owner.writable.write(b"three")
    assert owner.transport.taken == b"onetw"
    owner.transport.drain()
    assert owner.transport.taken == b"onetwothree"
    assert wait.called
    assert owner.noted == ["paused", "resumed"]
    owner.writable.write(b"four")
    assert owner.transport.taken == b"onetwothreefour"


def test_a_lost_connection_is_for_the_transport_to_find() -> None:
    owner = Owner(-1)
    owner.writable.write(b"one")
    assert owner.transport.value() == b"one"


def test_behind_the_end_there_is_no_room_but_the_last_words_go_out() -> None:
    owner = Owner(100)
    owner.writable.end()
    assert owner.writable.wait() is not None
    owner.writable.write(b"</stream:stream>")
    assert owner.transport.taken == b"</stream:stream>"


def test_what_is_cut_is_not_written_to() -> None:
    owner = Owner(2)
    owner.writable.write(b"one")
    owner.writable.close()
    owner.transport.drain()
    owner.writable.write(b"two")
    assert owner.transport.taken == b"one"
    assert owner.writable.wait() is not None


class Shouting(ProtocolWrapper):
    """Stands between us and the transport, as a `haproxy:` endpoint does."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(WrappingFactory(None), Protocol())
        self.makeConnection(transport)

    def write(self, data: bytes) -> None:
        self.transport.write(data.upper())  # type: ignore[union-attr]


def test_nothing_goes_past_what_stands_between_us_and_the_system() -> None:
    owner = Owner(100, Shouting)
    owner.writable.write(b"secret")
    assert (owner.transport.taken, owner.transport.value()) == (b"", b"SECRET")
    assert owner.writable.wait() is None
    for _ in range(2):
        owner.transport.producer.pauseProducing()  # type: ignore[attr-defined]
    wait = owner.writable.wait()
    assert wait is not None
    owner.transport.drain()
    assert wait.called
    assert owner.noted == ["paused", "resumed"]
