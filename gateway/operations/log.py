"""The log: notices and Twisted's own events, as lines for people (text) or for programs (json).

    2026-11-22T13:21:07.123+00:00 info  example.net answered on 192.0.2.1:5269, TLSv1.3
    {"time": "2026-11-22T13:21:07.123+00:00", "level": "info", "message": "...", "notice": "...", "facts": {...}}

Much of what is logged comes from peers. None of it can start a new line, move the cursor, reverse the direction of
writing or fill the disk: this module escapes control characters and shortens everything that is logged. Only a
traceback has more than one line, and its lines are indented.

Nor can anybody fill the disk with many lines: the lines that one address or domain may cause in a minute are limited,
all causes together may have ten times as many, and of the tracebacks from one place in the code only a few are written.
The lines left out are counted.

Twisted's own events are logged from warnings up, unless the level is debug.
"""

from __future__ import annotations

import json
import math
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import IO, Any, cast

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    PredicateResult,
    formatEvent,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

from gateway.bounds.tables import MOST_CAUSES, Bounded
from gateway.notices.notices import Level, Notice, Publish
from gateway.timing.reactor import IReactor

MOST_CHARACTERS = 4000
"""The longest message, in characters."""
MOST_FACT_CHARACTERS = 1000
"""The longest fact of a notice in JSON, in characters."""
ALL_TOGETHER = 10
"""The limit for all causes together, as a multiple of the limit for one."""
TRACEBACKS_PER_MINUTE = 10
"""The limit for one place in the code."""

# C0 and C1 controls, DEL, line and paragraph separators, marks and overrides of direction, surrogates, byte order mark.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_ORDER = list(Level)


def harmless(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return the text on one line, without anything a terminal would obey, cut to `most` characters and a note."""
    if len(text) <= most and text.isascii() and text.isprintable():
        return text
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text) - most} more)"
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), cut)


def text_record(event: LogEvent) -> str:
    """Return an event as a line for people: time, level, message; then its traceback, if it has one."""
    lines = [f"{_time(event)} {_level(event):<5} {_message(event)}", *_traceback(event)]
    return "\n    ".join(lines) + "\n"


def json_record(event: LogEvent) -> str:
    """Return an event as one JSON object on a line."""
    record: dict[str, Any] = {"time": _time(event), "level": _level(event), "message": _message(event)}
    if namespace := event.get("log_namespace"):
        record["namespace"] = namespace
    if isinstance(notice := event.get("notice"), Notice):
        record["notice"] = type(notice).__name__
        record["facts"] = _fact(notice)
    if traceback := list(_traceback(event)):
        record["traceback"] = traceback
    return json.dumps(record) + "\n"


FORMATS = {"text": text_record, "json": json_record}


class LogLevels:
    """The lowest level logged at the moment: one for everything, and others for what concerns single domains.

    Both can be changed while the service runs. `configured` is the level of the configuration.
    """

    def __init__(self, configured: str) -> None:
        self.configured = self.level = configured
        self.domains: dict[str, str] = {}
        self.told = _from(configured)

    def configure(self, level: str) -> None:
        """Follow a new configuration, unless a command has set another level."""
        if self.level == self.configured:
            self.set(level)
        self.configured = level

    def set(self, level: str) -> None:
        """Log everything of that level and above."""
        self.level, self.told = level, _from(level)

    def is_told(self, notice: Notice) -> bool:
        """Return whether a notice is logged: by the level of a domain that it concerns, else by the general one."""
        if self.domains and (own := list(self._concerned(notice))):
            return any(notice.level in _from(self.domains[name]) for name in own)
        return notice.level in self.told

    def _concerned(self, notice: Notice) -> Iterator[str]:
        """Yield the domains with their own level that a notice is about."""
        about = getattr(notice, "attempt", notice)
        for part in ("local", "remote", "domain", "source", "target", "sender", "pair"):
            value = getattr(about, part, None) or getattr(notice, part, None)
            for each in value if isinstance(value, tuple) else (value,):
                if (name := str(each).partition("/")[0].rpartition("@")[2]) in self.domains:
                    yield name


def _from(level: str) -> frozenset[Level]:
    """Return the levels from one on."""
    return frozenset(_ORDER[_ORDER.index(Level(level)) :]) if level in _ORDER else frozenset()


def _levels(level: str | LogLevels) -> LogLevels:
    return LogLevels(level) if isinstance(level, str) else level


@implementer(ILogFilterPredicate)
class _Wanted:
    """A filter: events of the present level. Notices have passed `notice_log`, which knows the levels of domains."""

    def __init__(self, levels: LogLevels) -> None:
        self._levels = levels

    def __call__(self, event: LogEvent) -> Any:
        level = LogLevel.levelWithName(self._levels.level)
        if self._levels.level == "info" and str(event.get("log_namespace", "")).startswith(("twisted", "log_legacy")):
            level = LogLevel.warn
        if "notice" in event or event.get("log_level", LogLevel.info) >= level:
            return PredicateResult.maybe
        return PredicateResult.no


def log_observer(out: IO[Any], *, form: str, level: str | LogLevels, shares: Shares | None = None) -> ILogObserver:
    """Return an observer that writes events of that level and above to a file, in that form.

    With `shares` it leaves out events that come too often from one place in the code. It does not limit notices, which
    `notice_log` has limited already.
    """
    write: ILogObserver = _Weighed(FileLogObserver(out, FORMATS[form]))
    return FilteringLogObserver(Thinning(write, shares) if shares else write, [_Wanted(_levels(level))])


class Shares:
    """The lines that each cause, and all causes together, may write in a minute; those left out are counted."""

    def __init__(self, per_minute: float, seconds: Callable[[], float], most: int = MOST_CAUSES) -> None:
        """0 lines a minute means unlimited."""
        self._per_minute = per_minute
        self._seconds = seconds
        self._caused: Bounded[str, tuple[float, int, int]] = Bounded(most)  # start of the minute, written, left out
        self._all = (seconds(), 0)

    def take(self, cause: str, most: float = math.inf) -> tuple[bool, int]:
        """Return whether one more line may be written, and how many omitted lines to report before it.

        `most` is a lower limit for this cause.
        """
        now = self._seconds()
        began, written, left_out = self._caused.get(cause) or (now, 0, 0)
        if now - began >= 60:
            began, written = now, 0
        minute, count = self._all
        if now - minute >= 60:
            minute, count = now, 0
        may = written < min(self._per_minute, most) and count < ALL_TOGETHER * self._per_minute
        self._all = (minute, count + may)
        self._caused.put(cause, (began, written + may, 0 if may else left_out + 1))
        return may, left_out if may else 0


@implementer(ILogObserver)
class _Weighed:
    """An observer that passes on remarks as warnings which Twisted marks as errors, and so as critical.

    Of these there is "Removing stale pidfile": twistd says so after a crash, and then starts as usual.
    """

    def __init__(self, observer: ILogObserver) -> None:
        self._observer = observer

    def __call__(self, event: LogEvent) -> None:
        is_remark = event.get("isError") and "failure" not in event and "log_failure" not in event
        self._observer({**event, "log_level": LogLevel.warn} if is_remark else event)


@implementer(ILogObserver)
class Thinning:
    """An observer that limits the events from one place in the code and passes on the rest."""

    def __init__(self, observer: ILogObserver, shares: Shares) -> None:
        self._observer = observer
        self._shares = shares

    def __call__(self, event: LogEvent) -> None:
        if "notice" not in event:
            failure = event.get("log_failure", event.get("failure"))
            limit = TRACEBACKS_PER_MINUTE if failure else math.inf
            may, left_out = self._shares.take(_origin(event, failure), limit)
            if not may:
                return
            if left_out:
                self._observer(
                    {**_without_failure(event), "log_format": f"{left_out} more lines like the next one were left out"}
                )
        self._observer(event)


def _origin(event: LogEvent, failure: Any) -> str:
    """Return the place in the code that an event comes from; no part of it comes from a peer."""
    if failure is not None and failure.frames:
        _, file, line, *_ = failure.frames[-1]
        return f"{failure.type.__name__} at {file}:{line}"
    return f"{event.get('log_namespace', '')} {event.get('log_format', '')}"


def _without_failure(event: LogEvent) -> LogEvent:
    return {
        key: event[key]
        for key in ("log_time", "log_level", "log_namespace", "log_logger", "log_source")
        if key in event
    }


def notice_log(level: str | LogLevels, logger: Logger | None = None, shares: Shares | None = None) -> Publish:
    """Return a subscriber that logs notices of that level and above; lower ones cost next to nothing."""
    logger = logger or Logger("gateway")
    levels = _levels(level)

    def log(notice: Notice) -> None:
        if not levels.is_told(notice):
            return
        may_be_told, left_out = shares.take(cause) if shares and (cause := notice.cause) else (True, 0)
        if left_out:
            limit = "[limits] log_lines_per_minute"
            logger.warn("{count} lines about {cause} were left out ({limit})", count=left_out, cause=cause, limit=limit)
        if may_be_told:
            logger.emit(LogLevel.levelWithName(notice.level), "{notice.sentence}", notice=notice)

    return log


def open_log(name: str | None, *, daemon: bool, reactor: IReactor) -> IO[Any]:
    """Open the log that twistd's `--logfile` names: a file, or standard output for a service in the foreground.

    The file does not rotate itself. SIGUSR1, which logrotate sends after moving the file, makes the gateway reopen it.
    """
    if name == "-" or (not name and not daemon):
        return sys.stdout
    file = LogFile.fromFullPath(name or "twistd.log", rotateLength=None)
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda number, frame: reactor.callFromThread(file.reopen))
    return cast(IO[Any], file)  # it has write and flush, and nothing else is called


def _time(event: LogEvent) -> str:
    moment = datetime.fromtimestamp(event.get("log_time", 0)).astimezone()
    return moment.isoformat(timespec="milliseconds")


def _level(event: LogEvent) -> str:
    return str(event.get("log_level", LogLevel.info).name)


def _message(event: LogEvent) -> str:
    if "failure" in event and "log_failure" not in event:  # from the old log.err, whose text is the whole traceback
        return harmless(f"{event.get('why') or 'unhandled error'}: {event['failure'].getErrorMessage()}")
    return harmless(formatEvent(event))


def _traceback(event: LogEvent) -> Iterator[str]:
    if failure := event.get("log_failure", event.get("failure")):
        yield from map(harmless, failure.getTraceback().splitlines())


def _fact(value: Any) -> Any:
    """Return a fact of a notice as JSON: numbers, strings, lists of them, and records."""
    if is_dataclass(value):
        return {each.name: _fact(getattr(value, each.name)) for each in fields(value)}
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_fact(each) for each in value][:100]
    return harmless(str(value), MOST_FACT_CHARACTERS)
