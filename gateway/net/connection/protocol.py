"""StreamProtocol: one TCP connection that feeds a Stream and carries out its orders.

It has the timers that belong to a connection (negotiation, closing, idling, stalling), starts TLS (from the first byte
where the door or the target says so) and lets the peer's certificate be judged, and holds back: while whoever takes our
stanzas has no room, it reads nothing more from its peer; and who writes to it learns by `room` when it has none itself.

Everything that has a meaning goes to its owner, a session, which knows no transport.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.net.certificates.judge import CertificateJudge
from gateway.net.connection.disconnect_reasons import why_lost
from gateway.net.connection.foreign_protocols import other_language
from gateway.net.connection.gathering import Gathering
from gateway.net.connection.idle_parsers import Slumber
from gateway.net.connection.user_timeout import give_up_after
from gateway.net.connection.writable import Writable
from gateway.net.dns.targets import endpoint_text
from gateway.net.tls.layer import TLSLayer
from gateway.net.tls.session import what_tls_shows
from gateway.stream.events import CloseTransport, SecureTransport, Send, StanzasReceived, StreamClosed
from gateway.stream.facts import Facts, Role
from gateway.stream.negotiation import Step
from gateway.stream.sessions import NOBODY, Session
from gateway.stream.states import State
from gateway.stream.stream import Output, Stream
from gateway.timing.timers import Timers
from gateway.xmpp.errors import StreamCondition, StreamError


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The patience of a connection, in seconds; 0 is endless where it makes sense."""

    negotiate: float = 30
    close: float = 5
    stall: float = 60
    silence: float = 65  # until the system gives up; longer than `stall`, which begins later


class Watcher(typing.Protocol):
    """The counter of connections."""

    def entered(self, connection: StreamProtocol) -> None: ...
    def established(self, connection: StreamProtocol) -> None: ...
    def left(self, connection: StreamProtocol) -> None: ...


class StreamProtocol(Protocol):
    """The I/O of one stream."""

    transport: Any  # that of TCP, and from the start of TLS on the layer above it

    def __init__(
        self,
        stream: Stream,
        session: Session,
        *,
        clock: Any,
        judge: CertificateJudge,
        tls: Callable[[Facts], SSL.Connection],
        timing: Timing,
        direct_tls: bool = False,
        watcher: Watcher | None = None,
        slumber: Slumber | None = None,
    ) -> None:
        """`tls` makes OpenSSL's connection for this side and these facts; `clock` is an IReactorTime."""
        self.stream = stream
        stream.ends_later = True
        self.timing = timing
        self.peer_address = ""  # the other side's IP address and port, once connected
        self.last_activity = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self.has_stalled = False
        self.was_stuck = False
        self.was_answered = False
        self.session = session
        self._clock = clock
        self._judge = judge
        self._tls = tls
        self._direct_tls = direct_tls
        self._watcher = watcher
        self._slumber = slumber
        self._is_resting = False
        self._timers = Timers(clock)
        self._writable = Writable(self)
        self._out = Gathering(clock, self._writable.write)
        self._reading_waits = 0
        self._layer: TLSLayer | None = None  # once TLS was started
        self._ended_because = ""
        self._has_closed = False
        self._is_ending = False
        self._is_lost = False
        self._lost_waits: list[Deferred[None]] = []

    # -- Twisted calls us --------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self._timers.start("negotiate", self.timing.negotiate, self._negotiation_timed_out)
        self.last_activity = self._clock.seconds()
        transport = self.transport
        self.peer_address = _address(transport.getPeer())
        transport.setTcpNoDelay(True)  # stanzas are small and must not wait for each other
        transport.setTcpKeepAlive(True)  # a peer that is gone must be noticed some time
        give_up_after(transport, self.timing.silence)
        self._writable.begin(transport)
        if self._watcher is not None:
            self._watcher.entered(self)
        self.session.connected(self)
        if self._direct_tls:
            self._start_tls()
        else:
            self._begin()

    def dataReceived(self, data: bytes) -> None:
        layer = self._layer
        if layer is None:
            self._read(data)
        else:
            self._read_secured(layer, data)
        if self._writable.is_overfull and self.stream.is_open and not self._reading_waits:
            room = self._writable.wait()
            assert room is not None
            self._wait_before_reading(room)

    def _read_secured(self, layer: TLSLayer, data: bytes) -> None:
        was_established = layer.is_established
        data = layer.received(data)
        if layer.is_established and not was_established:
            self._secured()
        if data:
            self._read(data)
        layer.flush()
        if layer.has_ended:
            self._out.flush()
            layer.unregisterProducer()  # or TCP would wait for it
            layer.loseConnection()

    def _read(self, data: bytes) -> None:
        if not self.bytes_in and (language := other_language(data)):
            self.dismiss(
                StreamError(StreamCondition.NOT_WELL_FORMED, "this is not XML", reason=f"it speaks {language}")
            )
            return
        self.bytes_in += len(data)
        self.last_activity = self._clock.seconds()
        if self._is_resting:
            self._wake()
        self._carry_out(self.stream.received(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._layer is not None:
            reason = self._layer.why_lost(reason)
        self._is_lost = True
        self.was_stuck = self.has_stalled or "stall" in self._timers
        # Its system ends a connection in good order only if everything that had come was read.
        self.was_answered = self._has_closed and not self._is_ending and reason.check(ConnectionDone) is not None
        self._stop_writing()
        self._timers.end()
        if self._watcher is not None:
            self._watcher.left(self)
        if self._slumber is not None:
            self._slumber.forget(self)
        lost, self._lost_waits = self._lost_waits, []
        for wait in lost:
            wait.callback(None)
        session, self.session = self.session, NOBODY  # nothing of us refers to itself: all of it is freed at once
        in_handshake = self._layer is not None and not self._layer.is_established
        session.lost(self._ended_because or why_lost(reason, in_handshake=in_handshake))
        self._writable.release()  # nobody has to wait for room any longer

    # -- the session calls us ----------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Stanzas as bytes, on an established stream."""
        if not self._is_lost:
            self.bytes_out += len(data)
            self.last_activity = now = self._clock.seconds()
            self._out.write(data, now)

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self._is_lost

    @property
    def has_room(self) -> bool:
        """Whether stanzas may be written, and the transport takes more without its buffer growing beyond bounds."""
        return self._writable.is_open

    def room(self) -> Deferred[None] | None:
        """None when there is room; else a Deferred that fires when there is, or the connection is gone."""
        return self._writable.wait()

    def answer(self, answer: object) -> None:
        """The answer to an order that was a question."""
        self._carry_out(self.stream.answer(answer))

    def perform(self, step: Callable[[Facts], Step]) -> None:
        """Have a feature do something of its own accord."""
        self._carry_out(self.stream.perform(step))

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream properly: error if any, closing tag, then TCP."""
        if self.stream.state in (State.CLOSING, State.CLOSED):
            return
        self._ended_because = self._ended_because or (f"closed by us: {error}" if error is not None else "closed by us")
        self._carry_out(self.stream.close(error))

    def finish(self, because: str) -> None:
        """End the connection in good order, as soon as everything is written, without waiting for the other side."""
        self._ended_because = self._ended_because or because
        self._lose()

    def dismiss(self, error: StreamError) -> None:
        """Close the stream and the connection without waiting for the other side."""
        self.close(error)
        self._lose()

    def when_lost(self) -> Deferred[None]:
        """Fires when the connection is gone."""
        wait: Deferred[None] = Deferred()
        if self._is_lost:
            wait.callback(None)
        else:
            self._lost_waits.append(wait)
        return wait

    def abort(self, because: str) -> None:
        """Cut the connection."""
        self._ended_because = self._ended_because or because
        self._stop_writing()
        self.transport.abortConnection()

    # -- carrying out ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self.stream.facts.role is Role.INITIATING:
            self._carry_out(self.stream.open())

    def _carry_out(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            kind = type(output)
            if kind is StanzasReceived:
                wait = self.session.stanzas_received(output.stanzas)  # type: ignore[union-attr]
                if wait is not None:
                    self._wait_before_reading(wait)
            elif kind is Send:
                self.bytes_out += len(output.data)  # type: ignore[union-attr]
                self._out.follow(output.data)  # type: ignore[union-attr]
            elif kind is SecureTransport:
                self._start_tls()
            elif kind is CloseTransport:
                self._close_transport(output.error)  # type: ignore[union-attr]
                self.session.happened(output)
            else:
                self.session.happened(output)
                if kind is StreamClosed:
                    self._ended_because = self._ended_because or "the other side closed the stream"
        if self.stream.end_waits:
            self._answer_and_end()
        if self.stream.state is State.CLOSED:
            self._lose()  # not before our own closing tag is written
        if outputs and self.stream.is_established and "negotiate" in self._timers:
            self._timers.stop("negotiate")
            self._watch_idleness()
            if self._watcher is not None:
                self._watcher.established(self)
            if self._slumber is not None:
                self.rest()

    def _answer_and_end(self) -> None:
        """The other side has closed its stream: close ours once what it asked for is answered (RFC 6120 §4.4)."""
        wait = self.session.outstanding()
        if wait is None:
            self._carry_out(self.stream.finish())
        else:
            self._timers.start("close", self.timing.close, self._end_stream)
            wait.addCallback(lambda _: self._end_stream())

    def _end_stream(self) -> None:
        if not self._is_lost:
            self._carry_out(self.stream.finish())

    def _stop_writing(self) -> None:
        self._out.end()
        self._writable.close()

    def _start_tls(self) -> None:
        self._layer = TLSLayer(self.transport, self._tls(self.stream.facts), self._writable.write)
        self.transport, self._out = self._layer, Gathering(self._clock, self._layer.write)
        if self.stream.facts.role is Role.INITIATING:
            self._layer.begin()

    def _secured(self) -> None:
        stream = self.stream
        secured = what_tls_shows(
            self.transport,
            self._judge,
            accepted=stream.facts.role is Role.RECEIVING,
            binds_channels=stream.profile.binds_channels,
        )
        if self._direct_tls:
            stream.facts = replace(stream.facts, tls=secured.tls, certificate=secured.certificate)
            self.session.happened(secured)
            self._begin()
        else:
            self.session.happened(secured)
            self._carry_out(stream.answer(secured))

    def _close_transport(self, error: StreamError | None) -> None:
        if error is not None:
            self._ended_because = self._ended_because or f"closed by us: {error}"
        self._has_closed = True
        self._writable.end()
        self._timers.stop("negotiate")
        # The other side is given some time for its own closing tag (RFC 6120 §4.4).
        self._timers.start("close", self.timing.close, self._lose)
        self._wait_for_nobody()

    def _lose(self) -> None:
        """End TCP once everything is written, or soon: a TLS connection waits for the other side's goodbye."""
        if self._is_ending:
            return
        self._is_ending = True
        self._out.flush()
        if self._layer is not None and self.stream.facts.tls is None:
            self.abort("closed by us in the middle of the TLS handshake")  # in which nothing can be said
            return
        transport = self.transport
        transport.unregisterProducer()
        transport.loseConnection()
        self._timers.start("close", self.timing.close, lambda: self.abort("the other side stopped reading"))

    # -- timers ------------------------------------------------------------------------------------------------------

    def _negotiation_timed_out(self) -> None:
        if self._direct_tls and self.stream.facts.tls is None:
            self.abort(f"the TLS handshake took more than {self.timing.negotiate:g} s")
            return
        self._ended_because = f"negotiation took more than {self.timing.negotiate:g} s"
        self.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "negotiation took too long"))

    def _watch_idleness(self) -> None:
        idle_seconds = self.stream.facts.terms.idle_seconds
        if idle_seconds:
            if self._reading_waits:  # it may be sending all the time
                self.last_activity = self._clock.seconds()
            left = self.last_activity + idle_seconds - self._clock.seconds()
            if left <= 0:
                self._ended_because = f"closed by us: nothing passed for {idle_seconds:g} s"
                self.close()
            else:
                self._timers.start("idle", left, self._watch_idleness)

    def write_paused(self) -> None:
        """The other side takes nothing for now."""
        self._timers.start("stall", self.timing.stall, self._stalled)

    def write_resumed(self) -> None:
        """It does again."""
        self._timers.stop("stall")

    def _stalled(self) -> None:
        """It has taken nothing for the time that we allow."""
        self.has_stalled = True
        self.abort(f"it read nothing for {self.timing.stall:g} s")

    # -- rest --------------------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Nothing comes for now: keep what is needed to read on only when it does."""
        self._is_resting = True
        self.stream.rest()

    def _wake(self) -> None:
        assert self._slumber is not None
        self._is_resting = False
        self._slumber.awake(self)

    # -- back-pressure -----------------------------------------------------------------------------------------------

    def _wait_before_reading(self, wait: Deferred[None]) -> None:
        if not self.stream.is_open:
            return
        self._reading_waits += 1
        if self._reading_waits == 1:
            self.transport.pauseProducing()
        wait.addCallback(lambda _: self._waited())

    def _waited(self) -> None:
        if self._reading_waits:
            self._reading_waits -= 1
            if not self._reading_waits:
                self._read_on()

    def _read_on(self) -> None:
        if not self._is_lost:
            self.transport.resumeProducing()

    def _wait_for_nobody(self) -> None:
        """Read to the end what is on its way: the other side is waited for no longer than it takes to close."""
        if self._reading_waits:
            self._reading_waits = 0
            self._read_on()


def _address(peer: Any) -> str:
    return endpoint_text(peer.host, peer.port) if hasattr(peer, "host") else str(peer)
