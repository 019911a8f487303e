"""Shutdown: the order in which streams are closed, so that no accepted stanza is lost.

First come the streams on which stanzas only come in, until the other side has closed them too: everything on its way is
read, and has somewhere to go. Then come components and clients, which both send and receive. Last come the streams to
other servers, to which nothing more is added by now. Stanzas that wait for room get the time to be written. A
connection that is still there when its turn is over is closed at the end: first properly, so that bytes in the system's
buffer arrive, then, if the other side reads nothing, by cutting it off. All of this takes less than five seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.internet.interfaces import IReactorTime

from gateway.net.connection.protocol import StreamProtocol
from gateway.notices.attempts.records import Direction, Kind
from gateway.stream.facts import ServerFacts
from gateway.xmpp.errors import StreamCondition, StreamError

TURN_SECONDS = 1.4
LAST_SECONDS = 0.3
_NOT_CLOSED = "the gateway was shut down, and the other side did not close its stream"
_SHUTDOWN = StreamError(StreamCondition.SYSTEM_SHUTDOWN)


async def close_in_order(connections: Iterable[StreamProtocol], clock: IReactorTime) -> None:
    """Close all these connections properly, each in its turn."""
    turns: tuple[list[StreamProtocol], ...] = ([], [], [])
    for connection in connections:
        turns[_turn(connection)].append(connection)
    for turn in turns:
        await _in_time(clock, [Deferred.fromCoroutine(_close_with_room(connection)) for connection in turn])
        for connection in turn:
            connection.close(_SHUTDOWN)
    left = [connection for turn in turns for connection in turn if not connection.is_lost]
    for connection in left:
        connection.finish(_NOT_CLOSED)
    await _in_time(clock, [connection.when_lost() for connection in left], LAST_SECONDS)
    for connection in left:
        if not connection.is_lost:
            connection.abort(_NOT_CLOSED)
    await DeferredList([connection.when_lost() for connection in left])


def _turn(connection: StreamProtocol) -> int:
    if connection.session is None:
        return 1
    log = connection.session.log
    if log.kind in (Kind.COMPONENT, Kind.CLIENT):
        return 1
    return 0 if log.direction is Direction.IN and not ServerFacts.of(connection.stream.facts).bidirectional else 2


async def _close_with_room(connection: StreamProtocol) -> None:
    while connection.session is not None and connection.stream.is_established:
        room = connection.session.room()
        if room is None:
            break
        await room
    connection.close(_SHUTDOWN)
    await connection.when_lost()


async def _in_time(clock: IReactorTime, closings: Sequence[Deferred[None]], seconds: float = TURN_SECONDS) -> None:
    all_closed: Deferred[Any] = DeferredList(closings, consumeErrors=True)
    with suppress(TimeoutError):
        await all_closed.addTimeout(seconds, clock)
