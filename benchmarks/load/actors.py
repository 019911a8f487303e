"""The load processes: senders send prepared stanzas, counters count those that arrive.

Every actor has its streams established once it is made. The work comes in two calls, so that nothing is made while it
is measured: `prepare` the stanzas, then `send` them.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

from benchmarks.load.streams import CLOSING_TAG, Credentials, Place, client_stream, component_stream, server_stream
from benchmarks.load.wire import Wire, WireClosedError
from benchmarks.traffic import MARKER, MarkerCount, Traffic, stamped

OPENERS = 4
ATTACH_SECONDS = 10
_STAMP = re.compile(MARKER + rb"(\d+)")


class Sender:
    """Sends stanzas over one or more streams."""

    def __init__(self, wires: Sequence[Wire]) -> None:
        self._wires = list(wires)
        self._prepared: list[tuple[Wire, bytes]] = []

    def prepare(self, *traffics: Traffic) -> None:
        """Make and seal the writes of each traffic for its own stream; the streams take turns."""
        sealed = [wire.sealed(traffic.writes()) for wire, traffic in zip(self._wires, traffics, strict=True)]
        for turn in zip_longest(*sealed):
            self._prepared += [(wire, part) for wire, part in zip(self._wires, turn, strict=True) if part is not None]

    def send(self) -> None:
        """Send everything that was prepared, as fast as it is taken."""
        prepared, self._prepared = self._prepared, []
        for wire, part in prepared:
            wire.transmit([part])

    def send_paced(self, traffic: Traffic, per_second: float) -> None:
        """Send stanzas one by one at that pace; each carries the moment at which it was sent."""
        [wire] = self._wires
        began = time.perf_counter()
        for number, stanza in enumerate(traffic.stanzas()):
            time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            wire.send(stamped(stanza, time.monotonic_ns()))


class ServerSender(Sender):
    """Another server, or one for each of several domains."""

    def __init__(self, place: Place, domains: Sequence[str], credentials: Credentials) -> None:
        context = credentials.initiating()
        with ThreadPoolExecutor(OPENERS) as pool:
            super().__init__(list(pool.map(lambda domain: server_stream(place, domain, context), domains)))


class Counter:
    """Counts the stanzas that arrive on one stream."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._counting = MarkerCount(MARKER)

    def take(self, count: int) -> None:
        """Wait until this many have arrived."""
        while count > 0:
            count -= self._counting.more(self._wire.receive() or _ended())

    def take_stamped(self, count: int) -> list[float]:
        """Wait until this many stamped stanzas have arrived; return how many seconds each was under way."""
        latencies: list[float] = []
        rest = b""
        while len(latencies) < count:
            data = rest + (self._wire.receive() or _ended())
            now = time.monotonic_ns()
            position = 0
            for found in _STAMP.finditer(data):
                if found.end() == len(data):
                    break  # its digits may go on
                latencies.append((now - int(found[1])) / 1e9)
                position = found.end()
            rest = data[position:]
        return latencies


class Component(Counter, Sender):
    """An external component, which sends or counts."""

    def __init__(self, place: Place, secret: str) -> None:
        wire = _attached(place, secret)
        Counter.__init__(self, wire)
        Sender.__init__(self, [wire])


class Client(Counter, Sender):
    """A client, which sends or counts."""

    def __init__(self, place: Place, user: str, password: str, resource: str) -> None:
        wire = client_stream(place, user, password, resource)
        Counter.__init__(self, wire)
        Sender.__init__(self, [wire])


class Opener:
    """Opens streams and keeps them, as a server."""

    def __init__(self, place: Place, credentials: Credentials, external: bool = True) -> None:
        """Connect with a certificate, or without one and by dialback only, because some servers skip dialback
        otherwise.
        """
        self._place = place
        self._external = external
        self._context = credentials.initiating(shown=external)
        self._wires: list[Wire] = []

    def open(self, domains: Sequence[str]) -> None:
        """Open a stream from each of these domains."""
        with ThreadPoolExecutor(OPENERS) as pool:
            self._wires += pool.map(
                lambda domain: server_stream(self._place, domain, self._context, external=self._external), domains
            )

    def hang_up(self) -> None:
        """Close all streams properly."""
        wires, self._wires = self._wires, []
        for wire in wires:
            wire.send(CLOSING_TAG)
            wire.close()


class ClientOpener:
    """Opens streams and keeps them, as silent clients."""

    def __init__(self, place: Place, password: str) -> None:
        self._place = place
        self._password = password
        self._wires: list[Wire] = []

    def open(self, users: Sequence[str]) -> None:
        """Open a stream for each of these users, who may be named more than once."""
        with ThreadPoolExecutor(OPENERS) as pool:
            self._wires += pool.map(self._stream, users)

    def _stream(self, user: str) -> Wire:
        return client_stream(self._place, user, self._password, f"r{random.getrandbits(64)}", available=False)


def _attached(place: Place, secret: str) -> Wire:
    """Return a component's stream; servers may take a moment to notice that the one before it has gone."""
    deadline = time.monotonic() + ATTACH_SECONDS
    while True:
        try:
            return component_stream(place, secret)
        except WireClosedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _ended() -> bytes:
    raise ConnectionError("the server ended the stream")
