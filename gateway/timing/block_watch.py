"""BlockWatch: a thread that finds out where a call blocks the event loop.

Code that makes calls which may block leaves a note while each runs, which costs next to nothing. Several times a second
a thread reads the note. If the call has taken too long, it looks at the stack of the event loop. The thread runs only
as long as somebody needs it, and sleeps until the next call when it finds that none runs.
"""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

PERIOD = 0.025
AFTER = 0.07
"""Seconds after which a call is looked at; with one period more, this is below what counts as blocking."""
_MOST_LETTERS = 200

Call = tuple[float, object]
"""When a call began, and the object whose code it runs."""


class BlockWatch:
    """Watches the calls of one thread, that of the event loop."""

    def __init__(self, seconds: Callable[[], float], *, in_thread: bool = True) -> None:
        """`seconds` is the clock by which calls begin; the thread reads it, too. Without a thread no place is found."""
        self.call: Call | None = None
        """The call that runs now; after it the event loop sets back what was there before."""
        self._seconds = seconds
        self._in_thread = in_thread
        self._users: set[object] = set()
        self._ended = threading.Event()
        self._awake = threading.Event()  # cleared by the thread alone, before it sleeps
        self._awake.set()
        self._seen: tuple[float, str] = (float("-inf"), "")  # when the last call began that took long, and its place

    def enter(self, user: object) -> None:
        """Watch until this user leaves; called in the event loop."""
        if not self._users and self._in_thread:
            self._ended, self._awake = threading.Event(), threading.Event()
            arguments = (threading.get_ident(), self._ended, self._awake)
            threading.Thread(target=self._watch, args=arguments, name="block watch", daemon=True).start()
        self._users.add(user)

    def leave(self, user: object) -> None:
        """Watch no longer for this user."""
        self._users.discard(user)
        if not self._users:
            self._ended.set()
            self._awake.set()

    def begin(self, call: Call) -> None:
        """Note that a call begins; called in the event loop."""
        self.call = call
        if not self._awake.is_set():
            self._awake.set()

    def place_of(self, call: Call) -> str:
        """Return where a call was found that took long: file, line, function and code; empty if it was not found."""
        began, place = self._seen
        return place if began == call[0] else ""

    def _watch(self, thread: int, ended: threading.Event, awake: threading.Event) -> None:
        while not ended.wait(PERIOD):
            self._look(thread)
            awake.clear()
            if self.call is None and not ended.is_set():  # looked at after it is cleared, so that no call is missed
                awake.wait()

    def _look(self, thread: int) -> None:
        """Find the place of the call that runs now, if it has taken too long. Nothing of its stack is kept."""
        call = self.call
        if call is None or call[0] == self._seen[0] or self._seconds() - call[0] < AFTER:
            return
        frame = sys._current_frames().get(thread)
        if frame is not None and self.call is call:
            self._seen = (call[0], _place(frame, call[1]))


def _place(innermost: FrameType, runs: object) -> str:
    """Return the place of the innermost frame that belongs to the package of the object, or else of the innermost."""
    package = type(runs).__module__.partition(".")[0]
    own = (each for each in _outward(innermost) if str(each.f_globals.get("__name__")).partition(".")[0] == package)
    frame = next(own, innermost)
    file, line = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(file, line, frame.f_globals).strip()[:_MOST_LETTERS]
    return f"{file}:{line} in {frame.f_code.co_name}{f': {code}' if code else ''}"


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
