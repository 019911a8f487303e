"""The servers of the outside world that a server connects to: all domains at one address, and what they receive.

Each connection has a thread. It accepts anybody by certificate or by dialback, confirms every dialback key as the
authoritative server, and counts markers in everything after that.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.load.streams import CLOSING_TAG, SASL, TLS, Credentials
from benchmarks.load.wire import Wire, WireClosedError
from benchmarks.traffic import MARKER, MarkerCount

WAIT_SECONDS = 30
BACKLOG = 2048
STREAMS = "http://etherx.jabber.org/streams"
ATTRIBUTE = rb"""\s(from|to|id)=(?:'([^']*)'|"([^"]*)")"""

# The elements that a server may send before stanzas; groups: the element, its attributes.
_WORD = (
    rb"<(stream:stream|starttls|auth|db:result|db:verify|bidi)\b([^>]*?)/?>|(</stream:stream)>|<(?=message|presence|iq)"
)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The proof by which others are accepted."""

    external: bool = True


class Outside:
    """All the servers outside, at one address."""

    def __init__(self, address: str, port: int, credentials: Credentials, offer: Offer = Offer()) -> None:
        self._tls = credentials.receiving()
        self._offer = offer
        self._changed = threading.Condition()
        self._count = 0
        self._wires: list[Wire] = []
        self._listener = socket.create_server((address, port), backlog=BACKLOG)
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self, count: int) -> None:
        """Wait until this many stanzas have arrived, beyond those taken before."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, WAIT_SECONDS):
                raise TimeoutError(f"{self._count} of {count} stanzas came within {WAIT_SECONDS} s")
            self._count -= count

    def hang_up(self) -> None:
        """Close all streams properly, and forget what came on them."""
        with self._changed:
            wires, self._wires = self._wires, []
            self._count = 0
        for wire in wires:
            with suppress(OSError, ssl.SSLError):
                wire.send(CLOSING_TAG)
            wire.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        with self._changed:
            self._wires.append(wire)
        try:
            _Receiving(wire, self._tls, self._offer).negotiate()
            self._count_on(wire)
        except (WireClosedError, OSError, ssl.SSLError):
            wire.close()

    def _count_on(self, wire: Wire) -> None:
        counting = MarkerCount(MARKER)
        while data := wire.receive():
            with self._changed:
                self._count += counting.more(data)
                self._changed.notify_all()
        wire.close()


class _Receiving:
    """The receiving entity of one stream, up to its first stanza."""

    def __init__(self, wire: Wire, tls: ssl.SSLContext, offer: Offer) -> None:
        self._wire = wire
        self._tls = tls
        self._offer = offer
        self._secured = False
        self._proved = False

    def negotiate(self) -> None:
        while True:
            word = self._wire.until(_WORD)
            name = word[1] or word[3]
            if name is None:
                self._wire.put_back(b"<")
                return
            attributes = {key: one or two for key, one, two in re.findall(ATTRIBUTE, word[2] or b"")}
            self._hear(name, {key.decode(): value.decode() for key, value in attributes.items()})

    def _hear(self, name: bytes, attributes: dict[str, str]) -> None:
        match name:
            case b"stream:stream":
                self._answer_header(attributes)
            case b"starttls":
                self._say(f"<proceed xmlns='{TLS}'/>")
                self._wire.start_tls(self._tls, accepting=True)
                self._secured = True
            case b"auth":
                self._wire.until(rb"</auth>")
                self._proved = True
                self._say(f"<success xmlns='{SASL}'/>")
            case b"db:result" | b"db:verify":
                self._wire.until(b"</" + name + b">")
                self._say(_valid(name.decode(), attributes))
            case b"</stream:stream":
                self._wire.send(CLOSING_TAG)
                raise WireClosedError("the stream before any stanza came")

    def _answer_header(self, theirs: dict[str, str]) -> None:
        header = (
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "
            f"xmlns:stream='{STREAMS}' id='0123456789' from='{theirs['to']}' to='{theirs['from']}' version='1.0'>"
        )
        self._say(f"{header}<stream:features>{self._features()}</stream:features>")

    def _features(self) -> str:
        if not self._secured:
            return f"<starttls xmlns='{TLS}'><required/></starttls>"
        dialback = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
        if self._offer.external and not self._proved:
            return f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>{dialback}"
        return dialback

    def _say(self, text: str) -> None:
        self._wire.send(text.encode())


def _valid(name: str, asked: dict[str, str]) -> str:
    stream_id = f" id='{asked['id']}'" if "id" in asked else ""
    return f"<{name} from='{asked['to']}' to='{asked['from']}'{stream_id} type='valid'/>"
