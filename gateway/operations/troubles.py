"""Troubles: everything that does not work at the moment, as lasting states rather than events.

Several parts know what is wrong with them; this is one list of it, and since when.
`/healthz`, the metrics, the page and `status` show that list, and the log has one line when a trouble begins and one
when it ends. "All is well" is reported when the list is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.notices.notices import Level, Notice, Publish


class TroubleKind(StrEnum):
    """The kinds of trouble; the set is closed, because it is a label of metrics."""

    PORT = "port"
    OUTBOX = "outbox"
    STORAGE = "storage"
    DISK = "disk"
    DNS = "dns"
    RELOAD = "reload"
    DOMAIN = "domain"
    CERTIFICATE = "certificate"
    LIST = "list"
    UNDELIVERED = "undelivered"


_LOGGED_ELSEWHERE = frozenset({TroubleKind.PORT, TroubleKind.OUTBOX, TroubleKind.RELOAD, TroubleKind.DOMAIN})
"""The kinds whose beginning and end already have a log line."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that does not work: `subject` distinguishes troubles of one kind, `sentence` says what, `remedy` what
    to do.

    `since` is the time of day at which it was first seen; 0 until then.
    """

    kind: TroubleKind
    subject: str = ""
    sentence: str
    remedy: str = ""
    since: float = 0


@dataclass(frozen=True, kw_only=True)
class TroubleChanged(Notice):
    """Something has stopped working, or works again."""

    trouble: Trouble
    is_over: bool = False

    @property
    def level(self) -> Level:
        if self.is_over:
            return Level.INFO
        return Level.WARN if self.trouble.kind is TroubleKind.UNDELIVERED else Level.ERROR

    @property
    def sentence(self) -> str:
        told = self.trouble
        if self.is_over:
            return f"no longer so: {told.sentence}"
        return f"{told.sentence}: {told.remedy}" if told.remedy else told.sentence


Find = Callable[[], Iterable[Trouble]]


class Troubles:
    """Everything that does not work. It must be called every few seconds, so that a change is logged in time.

    Each source yields what it finds at the moment.
    """

    def __init__(self, sources: Sequence[Find], time_of_day: Callable[[], float], publish: Publish) -> None:
        self._sources = sources
        self._time_of_day = time_of_day
        self._publish = publish
        self._known: dict[tuple[TroubleKind, str], Trouble] = {}
        self._found: list[Trouble] | None = None

    def now(self) -> list[Trouble]:
        """Return the present troubles, the oldest first; publish each change."""
        before, moment = self._known, self._time_of_day()
        found = {(each.kind, each.subject): each for source in self._sources for each in source()}
        self._known = {
            key: replace(each, since=before[key].since if key in before else moment) for key, each in found.items()
        }
        for key, trouble in self._known.items():
            if key not in before:
                self._tell(trouble)
        for key, trouble in before.items():
            if key not in found:
                self._tell(trouble, is_over=True)
        self._found = sorted(self._known.values(), key=lambda each: each.since)
        return self._found

    def latest(self) -> list[Trouble]:
        """Return what the last look has found: for those who ask often."""
        return self._found if self._found is not None else self.now()

    def _tell(self, trouble: Trouble, *, is_over: bool = False) -> None:
        if trouble.kind not in _LOGGED_ELSEWHERE:
            self._publish(TroubleChanged(trouble=trouble, is_over=is_over))
