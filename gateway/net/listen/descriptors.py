"""File descriptors: how many the system allows, and what is logged when they run out (getrlimit(2)).

Every connection takes one. The soft limit, often 1024 for the sake of select(2), is raised as far as possible at the
start. If that is too little for `[limits] streams`, fewer streams are let in, so that some descriptors are always left
for other purposes: files, the operator's commands, DNS questions.

If they run out anyway, Twisted closes waiting connections and keeps the port open. It reports that only in its own log,
so this module reports it in ours, once in a while.
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

RESERVE = 350
"""The descriptors reserved for what is neither a stream nor a connection to an HTTP port: files, listening ports,
refused connections that get a reason, questions to nameservers, documents from the web.
"""
MOST_CONNECTIONS = 100
"""The most connections to one HTTP port."""
_TELL_SECONDS = 10.0
_DOORS = "twisted.internet.tcp.Port"


def reserve(http_ports: int) -> int:
    """Return how many descriptors are not for streams, with this many HTTP ports."""
    return RESERVE + http_ports * MOST_CONNECTIONS


def allow(streams: int, http_ports: int = 1) -> None:
    """Raise the descriptor limit to what this many streams and HTTP ports need, or as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = streams + reserve(http_ports)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems have a limit that they do not report
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptors() -> int | None:
    """Return how many this process may have; None if there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def room_for(streams: int, http_ports: int = 1) -> int:
    """Return how many of the requested streams the descriptor limit allows."""
    most = descriptors()
    aside = reserve(http_ports)
    return streams if most is None or most >= streams + aside else max(most - aside, most // 2)


def shortfall(streams: int, http_ports: int = 1) -> Iterator[str]:
    """Yield a warning for the operator if there are too few descriptors for this many streams."""
    if (room := room_for(streams, http_ports)) < streams:
        yield (
            f"the limit of {descriptors()} file descriptors is too low for {streams} streams ([limits] streams): at"
            f" most {room} are accepted. Raise it (LimitNOFILE= in a systemd unit, else ulimit -n), or lower [limits]"
            " streams"
        )


@dataclass(frozen=True, kw_only=True)
class Shortage(Notice):
    """Connections could not be accepted, because the process or the system ran out of descriptors or memory."""

    why: str
    untold: int

    level = Level.ERROR

    @property
    def sentence(self) -> str:
        more = f" ({self.untold} more times since the last report)" if self.untold else ""
        return (
            f"connections cannot be accepted: {self.why}{more}; waiting connections are closed, and the ports stay open"
        )


@implementer(ILogObserver)
class ShortageWatch:
    """An observer of Twisted's log that reports a shortage at its first sign and then once in a while."""

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
    """Return the shortage that an event of a port reports; empty for any other event."""
    if "EMFILE encountered" in str(event.get("log_format")):
        return f"all {descriptors()} file descriptors of this process are in use"
    return str(event.get("acceptError", ""))
