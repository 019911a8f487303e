"""/events: what the page shows, as server-sent events (HTML Living Standard, section 9.2).

The query of the request names the view. Every two seconds each reader gets what has changed in its view; readers of the
same view share what is made. Nothing is produced while nobody reads. The number of readers is limited. A reader that
does not take what it was sent gets nothing more until it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

PERIOD = 2.0
MOST_READERS = 50
BEAT = b"event: beat\ndata: {}\n\n"
"""Sent when nothing has changed, so that the page knows that it still has contact."""

Q = TypeVar("Q")


class EventStream(Resource):
    """The response that does not end."""

    isLeaf = True

    def __init__(
        self, read: Callable[[Mapping[str, str]], Q], make: Callable[[Q], Mapping[str, Any]], clock: IReactorTime
    ) -> None:
        """`read` makes a hashable query of the words in an address, `make` the data of each event for a query."""
        super().__init__()
        self._read = read
        self._make = make
        self._clock = clock
        self._readers: set[_Reader] = set()
        self._next: IDelayedCall | None = None

    def render(self, request: Request) -> Any:
        if len(self._readers) >= MOST_READERS:
            request.setResponseCode(SERVICE_UNAVAILABLE)
            return b"Too many pages are open already.\n"
        request.setHeader("Content-Type", "text/event-stream; charset=utf-8")
        if request.method == b"HEAD":
            return b""
        reader = _Reader(request, self._read(_words(request)))
        self._readers.add(reader)
        request.notifyFinish().addBoth(self._left, reader)
        request.registerProducer(reader, True)
        reader.send(self._events(reader.query))
        if self._next is None:
            self._next = self._clock.callLater(PERIOD, self._send)
        return NOT_DONE_YET

    def _events(self, query: Any) -> dict[str, bytes]:
        return {name: _encoded(data) for name, data in self._make(query).items()}

    def _send(self) -> None:
        self._next = None
        if self._readers:
            made: dict[Any, dict[str, bytes]] = {}
            for reader in list(self._readers):
                if reader.query not in made:
                    made[reader.query] = self._events(reader.query)
                reader.send(made[reader.query])
            self._next = self._clock.callLater(PERIOD, self._send)

    def _left(self, _: object, reader: _Reader) -> None:
        self._readers.discard(reader)
        if not self._readers and self._next is not None:
            self._next.cancel()
            self._next = None


@implementer(IPushProducer)
class _Reader:
    """One open page; it gets nothing new until it has taken what it was sent."""

    def __init__(self, request: Request, query: Any) -> None:
        self.query = query
        self._request = request
        self._may_send = True
        self._sent: dict[str, bytes] = {}

    def send(self, events: Mapping[str, bytes]) -> None:
        if not self._may_send:
            return
        news = {name: data for name, data in events.items() if self._sent.get(name) != data}
        self._sent |= news
        written = b"".join(b"event: %s\ndata: %s\n\n" % (name.encode("ascii"), data) for name, data in news.items())
        self._request.write(written or BEAT)

    def pauseProducing(self) -> None:
        self._may_send = False

    def resumeProducing(self) -> None:
        self._may_send = True

    def stopProducing(self) -> None:
        self._may_send = False


def _words(request: Request) -> dict[str, str]:
    """Return the words of the request's query; of a word that comes several times, the first counts."""
    return {
        name.decode("utf-8", "replace"): values[0].decode("utf-8", "replace") for name, values in request.args.items()
    }


def _encoded(value: object) -> bytes:
    """Return JSON on one line of ASCII, as an event requires."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")
