"""File descriptors: how many the system lets us have, and what is told when they do not suffice (getrlimit(2)).

Every connection takes one. The soft limit, often 1024 for the sake of select(2), is raised as far as it may be at the
start. Where that is too little for `[limits] streams`, fewer streams are let in, so that something is always left for
what is not a stream of somebody else: files, the operator's commands, questions to the DNS.

Should they run out anyway, Twisted closes those who wait at a door and keeps the door. It says so in its own log
only, so this module writes it to ours, once in a while.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from gateway.bounds.tables import Seldom
from gateway.notices.notices import Level, Notice, Publish

RESERVE = 200
"""Descriptors for all that is not a stream."""
_TELL_SECONDS = 10.0
_DOORS = "twisted.internet.tcp.Port"


def allow(streams: int) -> None:
    """Raise the descriptor limit to what this many streams need, or as far as it may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = streams + RESERVE if hard == resource.RLIM_INFINITY else min(streams + RESERVE, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems have a limit that they do not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptors() -> int | None:
    """How many this process may have; None: there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def room_for(streams: int) -> int:
    """Return how many of the requested streams the descriptor limit allows."""
    most = descriptors()
    return streams if most is None or most >= streams + RESERVE else max(most - RESERVE, most // 2)


def shortfall(streams: int) -> Iterator[str]:
    """Return a warning for the operator when there are too few descriptors for this many streams."""
    if (room := room_for(streams)) < streams:
        yield (
            f"this process may have {descriptors()} file descriptors, too few for {streams} streams ([limits] streams):"
            f" no more than {room} are let in; raise the limit (LimitNOFILE= in a unit of systemd, else ulimit -n)"
        )


@dataclass(frozen=True, kw_only=True)
class Shortage(Notice):
    """Connections could not be accepted, since the process or the system has no descriptors or memory left."""

    why: str
    untold: int

    level = Level.ERROR

    @property
    def sentence(self) -> str:
        more = f" ({self.untold} times more since this was told last)" if self.untold else ""
        return (
            f"connections cannot be accepted: {self.why}{more}; waiting connections are closed, and the ports stay open"
        )


@implementer(ILogObserver)
class ShortageWatch:
    """An observer of Twisted's log, which tells a shortage at its first sign and then once in a while."""

    def __init__(self, publish: Publish, seconds: Callable[[], float]) -> None:
        self._publish = publish
        self._seconds = seconds
        self._complaints = Seldom(_TELL_SECONDS)

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_namespace") == _DOORS and (why := _shortage(event)):
            untold = self._complaints.say(_DOORS, self._seconds())
            if untold is not None:
                self._publish(Shortage(why=why, untold=untold))


def _shortage(event: LogEvent) -> str:
    """What an event of a door says about a shortage; empty when it is about something else."""
    if "EMFILE encountered" in str(event.get("log_format")):
        return f"all {descriptors()} file descriptors of this process are in use"
    return str(event.get("acceptError", ""))
