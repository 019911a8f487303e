"""Gathering: what is alone goes at once, what comes in crowds goes together, and always in order."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.net.connection.gathering import MOST, SOON, Gathering


class Scene:
    """A connection, and a clock whose turns are those of the reactor."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sent: list[bytes] = []
        self.gathering = Gathering(self.clock, self.sent.append)

    def write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.gathering.write(piece, self.clock.seconds())


def test_who_is_alone_does_not_wait() -> None:
    scene = Scene()
    for piece in (b"one", b"two"):
        scene.write(piece)
        assert scene.sent[-1] == piece
        scene.clock.advance(2 * SOON)
    assert scene.clock.getDelayedCalls() == []


def test_a_crowd_goes_together_at_the_end_of_the_turn() -> None:
    scene = Scene()
    scene.write(b"one", b"two", b"three")
    assert scene.sent == [b"one"]
    scene.clock.advance(0)
    assert scene.sent == [b"one", b"twothree"]
    scene.clock.advance(2 * SOON)
    scene.write(b"four")
    assert scene.sent[-1] == b"four"


def test_nobody_overtakes_what_was_gathered() -> None:
    scene = Scene()
    scene.write(b"one", b"two")
    scene.clock.rightNow += 2 * SOON  # a long turn
    scene.write(b"three")
    scene.clock.advance(0)
    assert scene.sent == [b"one", b"twothree"]


def test_a_large_crowd_does_not_wait_for_the_end() -> None:
    scene = Scene()
    half = b"x" * (MOST // 2)
    scene.write(b"one", half, half, b"last")
    assert scene.sent == [b"one", half + half]
    scene.clock.advance(0)
    assert scene.sent[-1] == b"last"


def test_something_that_has_to_follow_takes_all_along() -> None:
    scene = Scene()
    scene.write(b"one", b"two")
    scene.gathering.follow(b"</stream:stream>")
    assert scene.sent == [b"one", b"two", b"</stream:stream>"]
    scene.clock.advance(0)
    assert len(scene.sent) == 3


def test_behind_the_end_nothing_is_sent() -> None:
    scene = Scene()
    scene.write(b"one", b"two")
    scene.gathering.end()
    assert scene.clock.getDelayedCalls() == []
    assert scene.sent == [b"one"]
