"""A connection between servers as its session sees it: what the session asks of it goes into one list."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.dialback.keys import KeyMaker
from gateway.features.dialback import Dialback
from gateway.federation.admission import Admission
from gateway.federation.broken_streams import Unsafe
from gateway.federation.session import SessionTools
from gateway.notices.attempts.records import Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.notices import Notice
from gateway.stream.events import CloseTransport, StreamClosed, StreamErrorReceived
from gateway.stream.facts import Facts, Role, ServerFacts
from gateway.stream.negotiation import Step
from gateway.stream.sessions import ending_of
from gateway.xmpp.errors import StreamError
from tests.support.neighbours import Neighbours

DIALBACK = Dialback(KeyMaker(b"0123456789abcdef"), lambda domain: True, lambda pair: OUR_TERMS)
OUR_TERMS = ServerFacts(role=Role.RECEIVING).terms


class Line:
    """To a session, its Connection."""

    def __init__(self, facts: Facts) -> None:
        self.log: list[Any] = []
        self.stream: Any = SimpleNamespace(
            facts=facts,
            is_established=False,
            is_open=True,
            offered=None,
            header=None,
            state=None,
            closed_by_them=False,
            their_error=None,
        )
        self.bytes_in = self.bytes_out = 0
        self.peer_address = "192.0.2.1:5269"
        self.has_room = True
        self.session: Any = None

    def carries(self, session: Any) -> Line:
        """This connection is that session's."""
        self.session = session
        return self

    def happens(self, *outputs: Any) -> None:
        """The stream says so."""
        for output in outputs:
            if isinstance(output, StreamErrorReceived):
                self.stream.their_error = output.condition
            elif isinstance(output, StreamClosed):
                self.stream.closed_by_them = True
            self.session.happened(output)

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        self.session.lost(ending_of(self.stream, reason))

    def established(self) -> None:
        """Stanzas may pass."""
        self.stream.is_established = True

    def closes(self, error: StreamError | None = None) -> None:
        """The stream is closed, and the connection is still there."""
        self.stream.is_established = self.stream.is_open = False
        self.happens(CloseTransport(error=error))

    # -- as a Connection ---------------------------------------------------------------------------------------------

    def room(self) -> Deferred[None] | None:
        return None

    def write(self, data: bytes) -> None:
        self.log.append(data)

    def answer(self, answer: object) -> None:
        self.log.append(answer)

    def perform(self, step: Callable[[Facts], Step]) -> None:
        self.log.extend(step(self.stream.facts).outputs)

    def abort(self, because: str) -> None:
        self.log.append("abort")

    def close(self, error: StreamError | None = None) -> None:
        self.log.append(f"close {error.condition if error else 'properly'}")
        self.closes(error)


def attempt(direction: Direction, notices: list[Notice] | None = None) -> StreamLog:
    """The record of this stream."""
    return StreamLog((notices if notices is not None else []).append, lambda: 0.0, 1, direction)


def tools(neighbours: Neighbours, clock: Clock | None = None, unsafe: Unsafe = lambda: None) -> SessionTools:
    """Return what sessions share, with the way to that router."""
    router = neighbours.router
    admission = Admission(router.domains, router, lambda notice: None)
    return SessionTools(admission=admission, clock=clock or Clock(), unsafe=unsafe)
