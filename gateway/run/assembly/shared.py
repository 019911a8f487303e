"""The parts that all others share: settings, notice board, history, and the tools and limits of every stream."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count

from twisted.internet.base import ReactorBase

from gateway.config.settings import Settings
from gateway.net.connection.idle_parsers import IdleParsers
from gateway.net.connection.life import Timing
from gateway.net.connection.reading_turns import ReadingShares, reading_shares
from gateway.net.listen.connection_limits import Places
from gateway.net.listen.descriptors import room_for
from gateway.net.listen.listening import Endpoints
from gateway.notices.attempts.records import Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.notices import Board
from gateway.operations.history import History
from gateway.operations.log import LogLevels
from gateway.run.assembly.in_force import InForce
from gateway.stream.budget import Budget
from gateway.stream.tools import STREAM_ID_BYTES, StreamTools
from gateway.timing.block_watch import BlockWatch
from gateway.timing.reactor import IReactor
from gateway.timing.steady_time import time_of_day
from gateway.xmpp.addresses import AddressCache


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The parts that nearly every other part needs."""

    in_force: InForce
    reactor: IReactor
    board: Board
    history: History
    time_of_day: Callable[[], float]
    started_at: float
    numbers: Iterator[int]  # the numbers of attempts, in the order in which they begin
    endpoints: Endpoints
    levels: LogLevels
    block_watch: BlockWatch
    # needed by every stream
    places: Places
    addresses: AddressCache
    tools: StreamTools
    budget: Budget
    timing: Timing
    idle_parsers: IdleParsers
    reading_shares: ReadingShares

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.in_force.settings

    def new_log(self, kind: Kind) -> StreamLog:
        """Return a new record for a stream that others open to us."""
        return StreamLog(
            self.board.publish,
            self.reactor.seconds,
            next(self.numbers),
            Direction.IN,
            kind=kind,
            began=self.time_of_day(),
        )


def share(settings: Settings, reactor: IReactor) -> Shared:
    """Make what the other steps start from; from now on, notices are remembered."""
    limits = settings.limits
    board = Board()
    addresses = AddressCache()
    now = time_of_day(reactor)
    return Shared(
        in_force=InForce(settings),
        reactor=reactor,
        board=board,
        history=_history(settings, board),
        time_of_day=now,
        started_at=now(),
        numbers=count(1),
        endpoints=Endpoints(),
        levels=LogLevels(settings.log.level),
        block_watch=BlockWatch(reactor.seconds, in_thread=isinstance(reactor, ReactorBase)),
        places=Places(room_for(limits.streams, settings.http_ports)),
        addresses=addresses,
        tools=StreamTools(
            addresses=addresses,
            new_id=partial(secrets.token_urlsafe, STREAM_ID_BYTES),
            negotiating=Budget(
                stanza_bytes=limits.unauthenticated_stream_bytes, depth=20, elements=200, attributes=100
            ),
        ),
        budget=Budget(depth=limits.depth, elements=limits.elements, attributes=limits.attributes),
        timing=Timing(
            negotiate=limits.negotiate_seconds,
            close=limits.close_seconds,
            stall=limits.stall_seconds,
            silence=limits.silence_seconds,
        ),
        idle_parsers=IdleParsers(reactor),
        reading_shares=reading_shares(reactor),
    )


def _history(settings: Settings, board: Board) -> History:
    limits = settings.limits
    history = History(
        domains=limits.remembered_domains,
        strangers=max(1, limits.remembered_domains // 4),
        attempts=limits.remembered_attempts,
        most_bytes=limits.history_bytes,
    )
    board.subscribe(history.notice, *History.KINDS)
    return history
