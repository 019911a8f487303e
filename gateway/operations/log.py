"""The log: notices and Twisted's own events, as lines for people (text) or for programs (json).

    2026-11-22T13:21:07.123+00:00 info  example.net answered on 192.0.2.1:5269, TLSv1.3
    {"time": "2026-11-22T13:21:07.123+00:00", "level": "info", "message": "...", "notice": "...", "facts": {...}}

Much of what is logged was said by peers. Nothing of it can begin a line of its own, move a cursor, turn the direction
of writing or fill the disk: control characters are escaped and lengths cut, here, for whatever is logged. Only a
traceback has further lines, and they are indented.

Of Twisted itself only warnings are told, unless everything is.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import IO, Any

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from twisted.python.logfile import LogFile

from gateway.notices.notices import Level, Notice, Publish

MOST_CHARACTERS = 4000
"""The length of a message."""
MOST_FACT_CHARACTERS = 1000
"""The length of one fact of a notice, in JSON."""

# C0 and C1 controls, DEL, line and paragraph separators, marks and overrides of direction, surrogates, byte order mark.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_ORDER = list(Level)


def harmless(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text on one line, with nothing in it that a terminal would obey, and no longer than `most` and a note."""
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text) - most} more)"
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), cut)


def text_record(event: LogEvent) -> str:
    """An event as a line for people: time, level, message; then its traceback, if it has one."""
    lines = [f"{_time(event)} {_level(event):<5} {_message(event)}", *_traceback(event)]
    return "\n    ".join(lines) + "\n"


def json_record(event: LogEvent) -> str:
    """An event as one JSON object on a line."""
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


def log_observer(out: IO[Any], *, form: str, level: str) -> ILogObserver:
    """An observer that writes events of that level and above to a file, in that form."""
    predicate = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(level))
    if level == "info":
        for namespace in ("twisted", "log_legacy"):
            predicate.setLogLevelForNamespace(namespace, LogLevel.warn)
    return FilteringLogObserver(FileLogObserver(out, FORMATS[form]), [predicate])  # type: ignore[return-value]


class Shares:
    """How many lines each may cause in a minute; of those left out it is told how many they were."""

    def __init__(self, per_minute: float, seconds: Callable[[], float], most: int = 10_000) -> None:
        """0 a minute: as many as they like; `most` causes are remembered, the latest."""
        self._per_minute = per_minute
        self._seconds = seconds
        self._most = most
        self._caused: OrderedDict[str, tuple[float, int]] = OrderedDict()  # when the minute began, how many since

    def take(self, cause: str) -> tuple[bool, int]:
        """Whether one more line may be written, and how many were left out in the last minute, to be told first."""
        now = self._seconds()
        began, count = self._caused.pop(cause, (now, 0))
        left_out = 0
        if now - began >= 60:
            left_out = max(0, count - int(self._per_minute))
            began, count = now, 0
        self._caused[cause] = (began, count + 1)
        if len(self._caused) > self._most:
            self._caused.popitem(last=False)
        return count < self._per_minute, left_out


def notice_log(level: str, logger: Logger | None = None, shares: Shares | None = None) -> Publish:
    """A subscriber for notices, which logs those of that level and above; the others cost next to nothing."""
    logger = logger or Logger("gateway")
    told = frozenset(_ORDER[_ORDER.index(Level(level)) :]) if level in _ORDER else frozenset[Level]()

    def log(notice: Notice) -> None:
        if notice.level not in told:
            return
        may_be_told, left_out = shares.take(cause) if shares and (cause := notice.cause) else (True, 0)
        if left_out:
            limit = "[limits] log_lines_per_minute"
            logger.warn("{count} lines about {cause} were left out ({limit})", count=left_out, cause=cause, limit=limit)
        if may_be_told:
            logger.emit(LogLevel.levelWithName(notice.level), "{notice.sentence}", notice=notice)

    return log


def open_log(name: str | None, *, daemon: bool, reactor: Any) -> IO[Any]:
    """Where twistd's `--logfile` leads: a file, or standard output for a service in the foreground.

    The file does not rotate itself. SIGUSR1, which logrotate sends after it has moved the file, opens it anew.
    """
    if name == "-" or (not name and not daemon):
        return sys.stdout
    file = LogFile.fromFullPath(name or "twistd.log", rotateLength=None)
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda number, frame: reactor.callFromThread(file.reopen))
    return file  # type: ignore[return-value]


def _time(event: LogEvent) -> str:
    moment = datetime.fromtimestamp(event.get("log_time", 0)).astimezone()
    return moment.isoformat(timespec="milliseconds")


def _level(event: LogEvent) -> str:
    return event.get("log_level", LogLevel.info).name  # type: ignore[no-any-return]


def _message(event: LogEvent) -> str:
    if "failure" in event and "log_failure" not in event:  # by log.err of old, whose text is the whole traceback
        return harmless(f"{event.get('why') or 'unhandled error'}: {event['failure'].getErrorMessage()}")
    return harmless(formatEvent(event))


def _traceback(event: LogEvent) -> Iterator[str]:
    if failure := event.get("log_failure", event.get("failure")):
        yield from map(harmless, failure.getTraceback().splitlines())


def _fact(value: Any) -> Any:
    """A fact of a notice in JSON: numbers, texts, lists of them, and records."""
    if is_dataclass(value):
        return {each.name: _fact(getattr(value, each.name)) for each in fields(value)}
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_fact(each) for each in value][:100]
    return harmless(str(value), MOST_FACT_CHARACTERS)
