"""What all streams share: prepared addresses, ids that nobody can guess, limits and times."""

from __future__ import annotations

import secrets
from functools import partial

from gateway.net.connection.idle_parsers import Slumber
from gateway.net.connection.protocol import Timing
from gateway.net.listen.connection_limits import Places
from gateway.net.listen.descriptors import room_for
from gateway.notices.attempts.records import AttemptLog, Direction, Kind
from gateway.run.assembly.parts import Parts
from gateway.stream.codec import Budget
from gateway.stream.stream import StreamTools
from gateway.xmpp.addresses import AddressCache

STREAM_ID_BYTES = 20  # 160 bits: dialback keys and component handshakes rest on an id that nobody can guess


def share_tools(parts: Parts) -> None:
    """Make what is given to every stream."""
    limits = parts.settings.limits
    parts.places = Places(room_for(limits.streams))
    parts.addresses = AddressCache()
    parts.tools = StreamTools(
        addresses=parts.addresses,
        new_id=partial(secrets.token_urlsafe, STREAM_ID_BYTES),
        negotiating=Budget(stanza_bytes=limits.unauthenticated_stream_bytes, depth=20, elements=200, attributes=100),
    )
    parts.budget = Budget(depth=limits.depth, elements=limits.elements, attributes=limits.attributes)
    parts.slumber = Slumber(parts.reactor)
    parts.timing = Timing(
        negotiate=limits.negotiate_seconds,
        close=limits.close_seconds,
        stall=limits.stall_seconds,
        silence=limits.silence_seconds,
    )


def attempt(parts: Parts, kind: Kind) -> AttemptLog:
    """The record of a stream that others open to us."""
    return AttemptLog(
        parts.board.publish,
        parts.reactor.seconds,
        next(parts.numbers),
        Direction.IN,
        kind=kind,
        began=parts.time_of_day(),
    )
