"""The crowd: servers of very many domains, each with one stream to the gateway; a few of them talk, and some drip."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

from benchmarks.load.actors import Sender
from benchmarks.load.streams import CLOSING_TAG, Credentials, Place, server_stream
from benchmarks.load.wire import Wire
from benchmarks.traffic import Traffic, addresses, stamped

OPENERS = 8
PER_ADDRESS = 80  # streams from one source address
DRIP_SECONDS = 0.1


def sources(count: int) -> Iterator[str]:
    """An address of loopback for each of that many streams."""
    for number in range(count):
        place = number // PER_ADDRESS
        yield f"127.2.{place // 250}.{1 + place % 250}"


def domain(number: int) -> str:
    """The name of one of them."""
    return f"d{number}.many.test"


class Crowd:
    """The streams of one process; they are opened in the order of their domains' numbers."""

    def __init__(self, place: Place, component: str, credentials: Credentials) -> None:
        self._place = place
        self._recipients = addresses(component)
        self._context = credentials.initiating()
        self._wires: list[Wire] = []
        self._sender = Sender([])
        self._dripping = threading.Event()
        self._drip: threading.Thread | None = None

    def open(self, count: int, most: int) -> None:
        """Open this many more streams; `most` is the number there will be in all."""
        first = len(self._wires)
        told = [*zip(map(domain, range(most)), sources(most), strict=True)][first : first + count]
        with ThreadPoolExecutor(OPENERS) as pool:
            self._wires += pool.map(lambda one: server_stream(self._place, one[0], self._context, source=one[1]), told)

    def prepare(self, talkers: int, each: int) -> None:
        """Have this many of them ready to send this many stanzas each."""
        wires, traffics = zip(*self._talk(talkers, each), strict=True)
        self._sender = Sender(wires)
        self._sender.prepare(*traffics)

    def send(self) -> None:
        """Send all that was prepared, as fast as it is taken."""
        self._sender.send()

    def send_paced(self, talkers: int, each: int, per_second: float) -> None:
        """Send this many stanzas each, in turns, one by one at that pace; each has its time of sending."""
        talk = [(wire, traffic.stanzas()) for wire, traffic in self._talk(talkers, each)]
        began = time.perf_counter()
        for number, (wire, stanzas) in zip(range(talkers * each), cycle(talk), strict=False):
            time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            wire.send(stamped(next(stanzas), time.monotonic_ns()))

    def _talk(self, talkers: int, each: int) -> Iterator[tuple[Wire, Traffic]]:
        for number, wire in enumerate(self._wires[:talkers]):
            people = addresses(domain(number), 5)
            yield wire, Traffic(count=each, senders=people, recipients=self._recipients)

    def breathe(self) -> None:
        """A sign of life on each stream."""
        for wire in self._wires:
            wire.send(b" ")

    # Slow senders.

    def start_dripping(self, droppers: int) -> None:
        """The last this many of them say a stanza that does not end, byte by byte."""
        self._dripping.set()
        self._drip = threading.Thread(target=self._drip_on, args=(self._wires[-droppers:],), daemon=True)
        self._drip.start()

    def stop_dripping(self) -> None:
        """They are silent again, in the middle of a stanza."""
        self._dripping.clear()
        if self._drip is not None:
            self._drip.join()

    def _drip_on(self, wires: Sequence[Wire]) -> None:
        said = f"<message from='a@{domain(0)}' to='{self._recipients[0]}'><body>{'x' * 100_000}".encode()
        for at in range(len(said)):
            for wire in wires:
                wire.send(said[at : at + 1])
            time.sleep(DRIP_SECONDS)
            if not self._dripping.is_set():
                return

    def hang_up(self) -> int:
        """Close them all; returns how many had stood until then."""
        wires, self._wires = self._wires, []
        stood = 0
        for wire in wires:
            try:
                wire.send(CLOSING_TAG)
                stood += CLOSING_TAG in wire.receive()
            except OSError:
                continue
            finally:
                wire.close()
        return stood
