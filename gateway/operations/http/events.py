"""/events: the data of the page, as server-sent events (HTML Living Standard, 9.2).

Every two seconds each reader gets the status, and the latest failures if they have changed. Nothing is computed while
there are no readers. The number of readers is bounded, and a reader that has not taken what it was sent gets nothing
more until it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

PERIOD = 2.0
MOST_READERS = 50

Snapshot = Callable[[], Any]


class EventStream(Resource):
    """A response that never ends."""

    isLeaf = True

    def __init__(self, sources: dict[str, Snapshot], clock: IReactorTime) -> None:
        """Each source makes the data of the event with its name; an event is sent when its data has changed."""
        super().__init__()
        self._sources = sources
        self._clock = clock
        self._readers: set[_Reader] = set()
        self._next: Any = None

    def render(self, request: Any) -> Any:
        if len(self._readers) >= MOST_READERS:
            request.setResponseCode(SERVICE_UNAVAILABLE)
            return b"Too many pages are open already.\n"
        request.setHeader("Content-Type", "text/event-stream; charset=utf-8")
        if request.method == b"HEAD":
            return b""
        reader = _Reader(request)
        self._readers.add(reader)
        request.notifyFinish().addBoth(self._left, reader)
        request.registerProducer(reader, True)
        reader.send({name: _encoded(source()) for name, source in self._sources.items()})
        if self._next is None:
            self._next = self._clock.callLater(PERIOD, self._send)
        return NOT_DONE_YET

    def _send(self) -> None:
        self._next = None
        if self._readers:
            events = {name: _encoded(source()) for name, source in self._sources.items()}
            for reader in list(self._readers):
                reader.send(events)
            self._next = self._clock.callLater(PERIOD, self._send)

    def _left(self, _: object, reader: _Reader) -> None:
        self._readers.discard(reader)
        if not self._readers and self._next is not None:
            self._next.cancel()
            self._next = None


@implementer(IPushProducer)
class _Reader:
    """One open page; nothing is added to what it has not taken yet."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._may_send = True
        self._sent: dict[str, bytes] = {}

    def send(self, events: dict[str, bytes]) -> None:
        if not self._may_send:
            return
        news = {name: data for name, data in events.items() if self._sent.get(name) != data}
        self._sent |= news
        written = b"".join(b"event: %s\ndata: %s\n\n" % (name.encode("ascii"), data) for name, data in news.items())
        self._request.write(written or b":\n\n")

    def pauseProducing(self) -> None:
        self._may_send = False

    def resumeProducing(self) -> None:
        self._may_send = True

    def stopProducing(self) -> None:
        self._may_send = False


def _encoded(value: Any) -> bytes:
    """Return JSON on one line of ASCII, as an event needs it."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")
