"""TLS: the layer between a TCP connection and its stream, for either side.

    layer = TLSLayer(transport, connection, write)      # it writes with `write`
    layer.begin()                                       # as the initiating side
    data = layer.received(data)                         # everything that one read of the socket brought
    layer.write(answer)
    layer.send_answers()

It takes the place of the transport and has the same methods. The content of one read is returned as one piece, no
matter how many records it consists of; what is written is sent at once, as one piece, too. Both matter: a peer that
writes stanza by stanza makes a record of each, and Twisted's own layer passes on every record separately and makes
every write wait for the next turn of the reactor (docs/decisions/0011-tls-layer.md).

A connection ends as RFC 8446 §6.1 requires: each side says that it sends nothing more. A peer that only ends TCP may
have been cut off, so that connection counts as lost, not done.
"""

from __future__ import annotations

from collections.abc import Callable

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from gateway.net.tls.buffers import renew_buffers
from gateway.net.tls.messages import count_messages, messages
from gateway.net.tls.records import openssl
from gateway.net.tls.states import TRANSITIONS, TLSMove, TLSState
from gateway.net.tls.transport import ITCPStream
from gateway.stream.lives import after

_APPLICATION_DATA = b"\x17\x03\x03"  # the start of a record of it; its length follows (RFC 8446 §5.2)
_MESSAGE_COST = 512  # bytes of content that take about as long as reading or writing one message of TLS itself
_MOST_DEBT = 64 * _MESSAGE_COST
_HANDSHAKE, _OPEN = TLSState.HANDSHAKE, TLSState.OPEN  # looked up once, not with every read
_SENDING = (TLSState.OPEN, TLSState.THEY_ENDED)
_UNHEARD = (TLSState.THEY_ENDED, TLSState.ENDED, TLSState.BROKEN_OFF)


class TLSLayer:
    """A transport that encrypts."""

    def __init__(self, transport: ITCPStream, connection: SSL.Connection, write: Callable[[bytes], object]) -> None:
        """`connection` is that of our side and has not begun; `write` sends its output."""
        self.state = TLSState.HANDSHAKE
        self._transport = transport
        self._connection = connection
        self._write = write
        self._early: list[bytes] = []  # written before the handshake was done
        self._error: SSL.Error | None = None
        self._debt = 0  # what messages of TLS itself have cost, as bytes of content that have not followed yet
        self._may_answer = False  # TLS itself may have an answer to what has come since it last sent something

    def getHandle(self) -> SSL.Connection:
        """Return OpenSSL's connection, as Twisted's transports under TLS do."""
        return self._connection

    @property
    def is_established(self) -> bool:
        """Return whether the handshake was completed."""
        return self.state is not _HANDSHAKE and self.state is not TLSState.BROKEN_OFF

    @property
    def has_ended(self) -> bool:
        """Return whether the other side sends nothing more, or nothing that could be read."""
        return self.state in _UNHEARD

    def _move(self, move: TLSMove) -> None:
        self.state = after(TRANSITIONS, self.state, move)

    def begin(self) -> None:
        """Start the handshake, as the initiating side."""
        self._shake_hands()
        self._send()

    # -- receiving ---------------------------------------------------------------------------------------------------

    def received(self, data: bytes) -> bytes:
        """Return the bytes for the stream; there may be none if these only continued the handshake, or ended TLS.

        Answers of TLS itself wait for the next `write` or `flush`.
        """
        state = self.state
        if state is not _OPEN and state in _UNHEARD:
            return b""
        openssl.take(self._connection, data)
        if state is _HANDSHAKE:
            self._may_answer = True
            self._shake_hands()
            if not self.is_established:
                return b""
        else:
            self._may_answer = not _is_one_record(data)
        decrypted = self._decrypted()
        if not decrypted:
            # A record without content for the stream belongs to TLS itself, perhaps a request for new keys (RFC 8446
            # §4.6.3). Its answer must not wait until we have something to send, or answers would pile up.
            self._may_answer = True
        return decrypted

    def _shake_hands(self) -> None:
        try:
            is_complete = openssl.shake_hands(self._connection)
        except SSL.Error as error:
            self._fail(error)
            return
        if is_complete:
            self._move(TLSMove.COMPLETE)
            count_messages(self._connection)
            early, self._early = self._early, []
            for data in early:
                self._encrypt(data)

    def _decrypted(self) -> bytes:
        pieces: list[bytes] = []
        messages.clear()  # they were written, perhaps by others
        try:
            openssl.read(self._connection, pieces)
            if messages or self._debt:
                self._pay(pieces)
        except SSL.ZeroReturnError:
            self._move(TLSMove.THEY_END)
        except SSL.Error as error:
            self._fail(error)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _pay(self, pieces: list[bytes]) -> None:
        """Read on behind messages of TLS itself; raise SSL.Error if there are too many of them for the content."""
        debt, paid = self._debt, 0
        while True:
            if len(pieces) > paid:
                debt = max(0, debt - sum(map(len, pieces[paid:])))
                paid = len(pieces)
            if not messages:
                break
            debt += len(messages) * _MESSAGE_COST
            if debt > _MOST_DEBT:
                raise SSL.Error([("TLS", "", "too many messages of TLS itself without content in between")])
            messages.clear()
            openssl.read(self._connection, pieces)
        self._debt = debt

    def _fail(self, error: SSL.Error) -> None:
        """End TLS after a failure: send its alert, and nothing more, not even `</stream>` (RFC 6120 §5.4.3.2)."""
        self._move(TLSMove.FAIL)
        self._error = error.with_traceback(None)  # its frames would refer to us
        self._send()

    def why_lost(self, reason: Failure) -> Failure:
        """Return the real reason why the connection was lost, given TCP's."""
        if self._error is not None:
            return Failure(self._error)
        if not self.has_ended and reason.check(ConnectionDone):
            return Failure(ConnectionLost())
        return reason

    # -- sending -----------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Encrypt and send; bytes written during the handshake follow it."""
        if self.state in _SENDING:
            self._encrypt(data)
        elif self.state is _HANDSHAKE:
            self._early.append(data)

    def _encrypt(self, data: bytes) -> None:
        try:
            openssl.encrypt(self._connection, data)
        except SSL.Error as error:
            self._fail(error)
        else:
            self._send()

    def send_answers(self) -> None:
        """Send the answers of TLS itself, unless a later write has already sent them."""
        if self._may_answer:
            self._send()

    def _send(self) -> None:
        """Send OpenSSL's output, if there is any."""
        self._may_answer = False
        if data := openssl.output(self._connection):
            self._write(data)

    def rest(self) -> None:
        """Keep only what an idle connection needs."""
        if self.state in _SENDING:
            renew_buffers(self._connection)

    # -- the connection ----------------------------------------------------------------------------------------------

    def loseConnection(self) -> None:
        """Say that nothing more is sent, and end TCP when the other side has said so, too."""
        if self.state is _HANDSHAKE or self.state in _SENDING:
            try:
                self._connection.shutdown()
            except SSL.Error:
                self._move(TLSMove.FAIL)  # there is nobody to send it to
            else:
                self._move(TLSMove.WE_END)
            self._send()
        if self.has_ended:
            self._transport.loseConnection()

    def abortConnection(self) -> None:
        """Cut it."""
        self._move(TLSMove.FAIL)
        self._transport.abortConnection()

    def pauseProducing(self) -> None:
        """As the transport."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """As the transport."""
        self._transport.resumeProducing()

    def unregisterProducer(self) -> None:
        """As the transport."""
        self._transport.unregisterProducer()


def _is_one_record(data: bytes) -> bool:
    """Return whether this looks like one record of a peer's data, to which TLS itself has nothing to answer."""
    return len(data) > 5 and data[:3] == _APPLICATION_DATA and len(data) == 5 + (data[3] << 8 | data[4])
