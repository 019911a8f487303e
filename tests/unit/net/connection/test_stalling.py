"""StallWatch: a connection is cut when the other side has taken nothing for too long."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.net.connection.stalling import StallWatch


class Connection:
    """Keeps why it was cut."""

    def __init__(self) -> None:
        self.cut: list[str] = []

    def abort(self, because: str) -> None:
        self.cut.append(because)


def test_it_is_stuck_while_nothing_is_taken_and_cut_in_the_end() -> None:
    clock, connection = Clock(), Connection()
    watch = StallWatch(connection, clock, 60)
    assert not watch.is_stuck
    watch.write_paused()
    clock.advance(0.5)
    assert not watch.is_stuck, "it may only be busy"
    clock.advance(58.5)
    assert watch.is_stuck
    assert connection.cut == []
    clock.advance(1)
    assert connection.cut == ["it read nothing for 60 s"]
    assert watch.is_stuck
    assert watch.has_stalled


def test_what_is_taken_in_time_begins_anew() -> None:
    clock, connection = Clock(), Connection()
    watch = StallWatch(connection, clock, 60)
    for _ in range(3):
        watch.write_paused()
        clock.advance(59)
        watch.write_resumed()
        assert not watch.is_stuck
    assert connection.cut == []


def test_nobody_cuts_what_is_lost() -> None:
    clock, connection = Clock(), Connection()
    watch = StallWatch(connection, clock, 60)
    watch.write_paused()
    watch.end()
    clock.advance(60)
    assert connection.cut == []
