"""The narrator: prints what happens in the demo, as plain lines with their time."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import IO

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from gateway.notices.attempts.records import Attempt, Kind
from gateway.notices.notices import Level, Notice
from gateway.operations.log import harmless, text_record


class DemoNarrator:
    """Prints lines for people, from notices and errors."""

    def __init__(self, out: IO[str] = sys.stdout) -> None:
        self._out = out

    def tell(self, text: str, moment: float | None = None) -> None:
        """Print one line with a time: now, or the given moment."""
        when = datetime.now() if moment is None else datetime.fromtimestamp(moment)
        self._write(f"{when:%H:%M:%S}.{when.microsecond // 1000:03}  {harmless(text)}")

    def show(self, text: str = "") -> None:
        """Print lines without a time."""
        self._write(text)

    def notice(self, notice: Notice) -> None:
        """Print a notice if it matters: a stream step by step, anything else in its own words."""
        if isinstance(notice, Attempt):
            if notice.kind is not Kind.COMPONENT or notice.verdict.is_failure:  # its attachment has its own notice
                self._tell_attempt(notice)
        elif notice.level is not Level.DEBUG:
            self.tell(notice.sentence)

    def _tell_attempt(self, attempt: Attempt) -> None:
        self.tell(f"{attempt.who}:", attempt.began)
        for step in attempt.steps:
            mark = "" if step.ok else "FAILED: "
            self.tell(f"    {step.step + ':':<13}{mark}{step.told}", step.began + step.seconds)
        end = f"    {attempt.verdict} after {attempt.seconds * 1000:.0f} ms {attempt.reason}".rstrip()
        self.tell(end, attempt.began + attempt.seconds)

    def _write(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


@implementer(ILogObserver)
class Alarm:
    """Prints our own errors with their traceback, to include in a bug report."""

    def __init__(self, narrator: DemoNarrator) -> None:
        self._narrator = narrator

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level", LogLevel.info) >= LogLevel.error and "notice" not in event:
            self._narrator.show(text_record(event).rstrip())
