"""F-C-1: the time for opening a stream is shared among the servers of a domain."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from gateway.net.dial.time_shares import TimeShare

SECONDS = 30.0


class Waiting:
    """A wait that is one of that many, on a clock."""

    def __init__(self, parts: int, *, began_after: float = 0.0, is_busy: bool = False) -> None:
        self.clock = Clock()
        until = self.clock.seconds() + SECONDS
        self.clock.advance(began_after)
        self.share = TimeShare(self.clock, until, parts)
        self.ended_at = 0.0
        self.share.begin(self._over, lambda: is_busy)

    def _over(self) -> None:
        self.ended_at = self.clock.seconds()

    def end(self) -> float:
        """Return when it is over."""
        while not self.ended_at:
            self.clock.advance(0.5)
        return self.ended_at


@pytest.mark.parametrize("servers", range(1, 11))
def test_each_of_several_silent_servers_gets_its_turn(servers: int) -> None:
    """Reach the last server before the deadline although all others stay silent."""
    now = 0.0
    for left in range(servers, 1, -1):
        now = Waiting(left, began_after=now).end()
    assert now <= SECONDS * (servers - 1) / servers + 0.5 * servers


def test_a_server_that_checks_our_key_gets_more() -> None:
    """Wait longer for a server that is busy with our dialback key, and leave half of the rest to the others."""
    assert Waiting(3).end() == 10
    assert Waiting(3, is_busy=True).end() == 20


def test_what_remains_of_a_share_is_for_the_negotiation() -> None:
    """Begin no new share when the connection is made: connecting was part of it."""
    waiting = Waiting(2)
    waiting.clock.advance(5)
    waiting.share.end()
    waiting.share.begin(waiting._over)
    assert waiting.end() == 15


def test_nobody_gets_less_than_a_chance() -> None:
    """Give two seconds even when there are many servers, or hardly any time is left."""
    assert Waiting(1000).end() == 2
    assert Waiting(1, began_after=29.5).end() == 31.5
