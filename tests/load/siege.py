"""The siege: connections that take up room and never come to prove anything, from many addresses.

Each kind of besieger stops at another place. One that is sent away comes back, so that there are always as many as
were wanted, and no more come a second than was said.
"""

from __future__ import annotations

import errno
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from benchmarks.load.streams import TLS, Place

PER_ADDRESS = 20  # of each kind
DRIP_SECONDS = 0.1
STREAMS = "http://etherx.jabber.org/streams"


def client_hello() -> bytes:
    """The first words of a TLS handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def header(place: Place) -> bytes:
    """A stream header that nobody can object to."""
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='{STREAMS}'"
        f" xmlns:db='jabber:server:dialback' from='flood.test' to='{place.domain}' version='1.0'>"
    ).encode()


@dataclass(eq=False)
class Besieger:
    """One connection: what it says at once, what when something came, and what then, byte by byte."""

    connection: socket.socket
    kind: str
    says: list[bytes]
    drips: bytes = b""
    dripped: int = 0
    heard: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Came:
    """How it went: how many connections were made, by kind, and how many of all were ended by the other side."""

    made: Mapping[str, int]
    ended: int
    refused: int = 0


KINDS = ("silent", "in the middle of TLS", "a stream and no more", "byte by byte")


@dataclass(kw_only=True)
class _Tally:
    made: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    refused: int = 0


class Siege:
    """All besiegers, in one thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._hello = client_hello()
        self._selector = selectors.DefaultSelector()
        self._standing: set[Besieger] = set()
        self._numbers = count()
        self._on = threading.Event()
        self._thread: threading.Thread | None = None
        self._tally = _Tally()

    def begin(self, wanted: int, per_second: float) -> None:
        """Have this many stand from now on."""
        self._on.set()
        self._thread = threading.Thread(target=self._besiege, args=(wanted, per_second), daemon=True)
        self._thread.start()

    def standing(self) -> int:
        """Return how many there are now."""
        return len(self._standing)

    def end(self) -> Came:
        """Go away."""
        self._on.clear()
        if self._thread is not None:
            self._thread.join()
        for one in tuple(self._standing):
            self._forget(one)
        return Came(made=dict(self._tally.made), ended=self._tally.ended, refused=self._tally.refused)

    def _besiege(self, wanted: int, per_second: float) -> None:
        allowed, last, dripped = 0.0, time.monotonic(), 0.0
        while self._on.is_set():
            now = time.monotonic()
            allowed, last = min(per_second, allowed + (now - last) * per_second), now
            while allowed >= 1 and len(self._standing) < wanted:
                self._add()
                allowed -= 1
            for key, _ in self._selector.select(0.02):
                self._hear(key.data)
            if now - dripped > DRIP_SECONDS:
                dripped = now
                for one in [each for each in self._standing if each.drips]:
                    self._say(one, one.drips[one.dripped : one.dripped + 1])
                    one.dripped += 1

    def _add(self) -> None:
        number = next(self._numbers)
        kind = KINDS[number % len(KINDS)]
        opening, place = header(self._place), number // len(KINDS) % (250 * 40)
        says = {
            "silent": [],
            "in the middle of TLS": [opening, f"<starttls xmlns='{TLS}'/>".encode(), self._hello[:60]],
            "a stream and no more": [opening],
            "byte by byte": [],
        }[kind]
        drips = opening + b"<a xmlns='b'>" + b"x" * 5000 if kind == "byte by byte" else b""
        connection = socket.socket()
        connection.setblocking(False)
        connection.bind((f"127.3.{place // PER_ADDRESS % 250}.1", 0))
        if connection.connect_ex((self._place.address, self._place.port)) not in (0, errno.EINPROGRESS):
            self._tally.refused += 1
            connection.close()
            return
        one = Besieger(connection, kind, says, drips)
        self._standing.add(one)
        self._tally.made[kind] += 1
        self._selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE, one)

    def _hear(self, one: Besieger) -> None:
        """It is connected, or something came."""
        try:
            self._selector.modify(one.connection, selectors.EVENT_READ, one)
            heard = one.connection.recv(65536)
        except BlockingIOError:
            self._say_next(one)  # connected
            return
        except OSError:
            heard = b""
        if not heard:
            self._tally.ended += 1
            self._forget(one)
            return
        one.heard += heard
        if b"</stream:features>" in one.heard or b"<proceed" in one.heard:
            one.heard = b""
            self._say_next(one)

    def _say_next(self, one: Besieger) -> None:
        if one.says:
            self._say(one, one.says.pop(0))

    def _say(self, one: Besieger, data: bytes) -> None:
        with suppress(OSError):  # what is wrong is seen when it is read from
            one.connection.send(data)

    def _forget(self, one: Besieger) -> None:
        self._standing.discard(one)
        self._selector.unregister(one.connection)
        one.connection.close()
