"""StreamProtocol: one TCP connection that feeds a Stream and carries out its orders.

Incoming bytes go to the stream, and each of the stream's outputs to its handler, a row of the table `_handlers` at the
end. Everything with a meaning goes to the owner of the connection, a session, which knows no transport. The state
`life` says what the connection waits for, and for how long.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.net.certificates.judge import CertificateJudge
from gateway.net.connection.foreign_protocols import other_language
from gateway.net.connection.gathering import Gathering
from gateway.net.connection.idle_parsers import IdleParsers
from gateway.net.connection.life import TRANSITIONS, Life, Move, Timing
from gateway.net.connection.readable import Readable
from gateway.net.connection.reading_turns import SMALL_BYTES, UNPROVED_BYTES, ReadingShares, ReadingTurns
from gateway.net.connection.securing import Securing
from gateway.net.connection.stalling import StallWatch
from gateway.net.connection.turn_shares import TurnShares, is_much
from gateway.net.connection.user_timeout import give_up_after
from gateway.net.connection.writable import Writable
from gateway.net.dns.targets import endpoint_text
from gateway.net.tls.layer import TLSLayer
from gateway.net.tls.states import TLSState
from gateway.net.trust.witness import Witness
from gateway.stream.events import (
    CloseTransport,
    EvidenceFound,
    FindEvidence,
    SecureTransport,
    Send,
    StanzasReceived,
    StreamClosed,
)
from gateway.stream.facts import Facts, Role
from gateway.stream.lives import after
from gateway.stream.negotiation import Step
from gateway.stream.sessions import Ending, NewSession, Session, ending_of
from gateway.stream.states import State
from gateway.stream.stream import Output, Stream
from gateway.timing.timers import Timer
from gateway.timing.waiters import Waiters
from gateway.xmpp.errors import StreamCondition, StreamError


class Watcher(typing.Protocol):
    """The counter of connections."""

    def entered(self, connection: StreamProtocol) -> None: ...
    def established(self, connection: StreamProtocol) -> None: ...
    def left(self, connection: StreamProtocol) -> None: ...


# Looked up once, not with every read.
_NEGOTIATING = Life.NEGOTIATING
_ANSWERING, _CLOSED = State.ANSWERING, State.CLOSED
_TLS_OPEN = TLSState.OPEN
_NOTHING = -1  # bytes that are taken at once


class StreamProtocol(Protocol):
    """The input and output of one stream."""

    transport: Any  # TCP's, and from the start of TLS the layer above it

    def __init__(
        self,
        stream: Stream,
        new_session: NewSession,
        *,
        clock: IReactorTime,
        judge: CertificateJudge,
        tls: Callable[[Facts], SSL.Connection],
        timing: Timing,
        direct_tls: bool = False,
        watcher: Watcher | None = None,
        idle_parsers: IdleParsers | None = None,
        turns: ReadingShares | None = None,
        witness: Witness | None = None,
    ) -> None:
        """`tls` makes OpenSSL's connection for this side and these facts; reads wait for no turn without `turns`."""
        self.stream = stream
        stream.ends_later = True
        self.session: Session | None = None  # from the moment the connection is made until it is lost
        self._new_session = new_session
        self.life = Life.NEGOTIATING
        self.timing = timing
        self.peer_address = ""  # the other side's IP address and port, once connected
        self.last_activity = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self._clock = clock
        self._deadline = Timer(clock)  # for the present state
        self._securing = Securing(judge, tls, from_first_byte=direct_tls, witness=witness)
        self._layer: TLSLayer | None = None  # once TLS has started
        self._watcher = watcher
        self._idle_parsers = idle_parsers
        self._shares_of_reading = turns
        self._turns = turns.unproved if turns is not None else None
        self._unread = b""  # until its turn
        self._taken_at_once = _NOTHING  # what is larger may have to wait for its turn
        self._is_resting = False
        self._readable = Readable()
        self._stall = StallWatch(self, clock, timing.stall)
        self._writable = Writable(self._stall)
        self._shares: TurnShares | None = None  # while the outputs of a large read are carried out
        self._answers: list[object] = []  # the one that is being taken, and those that came meanwhile
        self._out = Gathering(clock, self._writable.write)
        self._ended_because = ""
        self._until_lost = Waiters()

    # -- called by Twisted ------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self._deadline.start(self.timing.negotiate, self._negotiation_timed_out)
        self.last_activity = self._clock.seconds()
        transport = self.transport
        self.peer_address = _address(transport.getPeer())
        transport.setTcpNoDelay(True)  # stanzas are small and must not wait for each other
        transport.setTcpKeepAlive(True)  # so that a dead peer is noticed eventually
        give_up_after(transport, self.timing.silence)
        self._readable.begin(transport)
        if self._turns is not None:
            self._readable.read_at_once(UNPROVED_BYTES)
        self._writable.begin(transport)
        if self._watcher is not None:
            self._watcher.entered(self)
        self.session = self._new_session(self)
        if self._securing.from_first_byte:
            self._start_tls()
        else:
            self._begin()

    def dataReceived(self, data: bytes) -> None:
        turns = self._turns
        if turns is None or len(data) <= self._taken_at_once:
            self._received(data)
        else:
            self._receive_in_turn(turns, data)

    def _received(self, data: bytes) -> None:
        layer = self._layer
        if layer is None:
            self._read(data)
        else:
            self._read_secured(layer, data)
        if self._writable.is_overfull and self.stream.is_open and not self._readable.is_paused:
            room = self._writable.wait()
            if room is not None:
                self._wait_before_reading(room)

    def _receive_in_turn(self, turns: ReadingTurns, data: bytes) -> None:
        if self._unread:  # what is there has its turn first, and this comes with it
            self._unread += data
            return
        began = turns.begin()
        if began is None:
            self._unread = data
            self._taken_at_once = _NOTHING
            self._readable.wait_for(turns.take_later(self.peer_address, self._receive_unread))
            return
        try:
            self._received(data)
        finally:
            turns.end(began)

    def _receive_unread(self) -> None:
        data, self._unread = self._unread, b""
        if not data:
            return  # the connection is lost
        self._taken_at_once = _NOTHING if self.life is _NEGOTIATING else SMALL_BYTES
        try:
            self._received(data)
        except Exception:
            self.abort("a failure of the gateway")  # as Twisted does where it calls us
            raise
        if self._writable.has_ended:
            self._readable.release()

    def _receive_rest(self) -> None:
        """Take what is left when the connection is gone: what was read counts, also behind our closing tag."""
        if self.life is not _NEGOTIATING:
            self._receive_unread()
        self._unread = b""

    def _read_secured(self, layer: TLSLayer, data: bytes) -> None:
        before = layer.state
        data = layer.received(data)
        if before is TLSState.HANDSHAKE and layer.is_established and self.session is not None:
            self._secured(self.session)
        if data:
            self._read(data)
        layer.send_answers()
        if layer.state is not _TLS_OPEN:
            self._end_with(layer)

    def _end_with(self, layer: TLSLayer) -> None:
        """End TCP when TLS has ended, once everything that was read is carried out."""
        if layer.has_ended and self._shares is None:
            self._out.send_now()
            layer.unregisterProducer()  # otherwise TCP would wait for it
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
        outputs = self.stream.received(data)
        if self._shares is not None:  # our side of the stream is closed, and reading goes on
            self._shares.put(outputs)
        elif len(data) > SMALL_BYTES and is_much(outputs):
            self._carry_out_in_shares(outputs)
        else:
            self._carry_out(outputs)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_writing()
        self._readable.close()
        try:
            self._receive_rest()
        finally:
            self._connection_ended(reason)

    def _connection_ended(self, reason: Failure) -> None:
        reason = self._securing.true_reason(reason)
        ending = ending_of(
            self.stream,
            self._ended_because or self._securing.in_words(reason),
            # The peer's system ends a connection properly only if everything that had arrived was read.
            answered=self.life is Life.CLOSE_SENT and reason.check(ConnectionDone) is not None,
            reading=self._stall.reading,
        )
        if self._shares is not None:  # what was read counts
            self._shares.ending = ending
        else:
            self._lost(ending)

    def _lost(self, ending: Ending) -> None:
        self._move(Move.LOSE)
        self._stall.end()
        if self._watcher is not None:
            self._watcher.left(self)
        if self._idle_parsers is not None:
            self._idle_parsers.forget(self)
        self._until_lost.release()
        session, self.session = self.session, None  # no reference cycles: everything is freed at once
        if session is not None:
            session.lost(ending)
        self._writable.release()  # nobody has to wait for room any longer

    # -- called by the session --------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write stanzas as bytes, on an established stream."""
        if self.session is not None:
            self.bytes_out += len(data)
            self.last_activity = now = self._clock.seconds()
            self._out.write(data, now)

    @property
    def is_lost(self) -> bool:
        """Return whether the connection is gone."""
        return self.life is Life.LOST

    @property
    def has_room(self) -> bool:
        """Return whether stanzas may be written, and the transport takes more without its buffer growing too large."""
        return self._writable.is_open

    def room(self) -> Deferred[None] | None:
        """Return None if there is room, else a Deferred that fires when there is, or the connection is gone."""
        return self._writable.wait()

    def answer(self, answer: object) -> None:
        """Take the answer to an order that was a question; ignore one that comes too late.

        The next question may be answered while this answer is being taken. It is answered here, in a loop: the other
        side decides how many questions one read asks, and the interpreter's stack is limited.
        """
        answers = self._answers
        answers.append(answer)
        if len(answers) > 1:
            return
        try:
            while answers and self.session is not None:
                outputs = self.stream.answer(answers[0])
                if is_much(outputs):
                    self._carry_out_in_shares(outputs)
                else:
                    self._carry_out(outputs)
                del answers[0]
        finally:
            answers.clear()

    def perform(self, step: Callable[[Facts], Step]) -> None:
        """Have a feature act on its own initiative."""
        self._carry_out(self.stream.perform(step))

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream properly: error if any, closing tag, then TCP."""
        if self.stream.state in (State.CLOSING, State.CLOSED):
            return
        self._end_for(f"closed by us: {error}" if error is not None else "closed by us")
        self._carry_out(self.stream.close(error))

    def finish(self, because: str) -> None:
        """End the connection properly, as soon as everything is written, without waiting for the other side."""
        self._end_for(because)
        self._end()

    def dismiss(self, error: StreamError) -> None:
        """Close the stream and the connection without waiting for the other side."""
        self.close(error)
        self._end()

    def when_lost(self) -> Deferred[None]:
        """Return a Deferred that fires when the connection is gone."""
        return succeed(None) if self.is_lost else self._until_lost.wait()

    def abort(self, because: str) -> None:
        """Cut the connection."""
        self._end_for(because)
        self._unread = b""
        self._stop_writing()
        self.transport.abortConnection()

    # -- carrying out ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self.stream.facts.role is Role.INITIATING:
            self._carry_out(self.stream.open())

    def _carry_out(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            session = self.session
            if session is None:
                return  # the connection is lost, and so is the session
            self._handlers.get(type(output), _happened)(self, session, output)
        if self._shares is not None:
            return
        stream = self.stream
        if self.life is _NEGOTIATING and stream.is_established:
            self._established()
        if stream.state is _ANSWERING:
            self._answer_and_end()
        if stream.state is _CLOSED:
            self._end()  # only after our own closing tag is written

    def _carry_out_in_shares(self, outputs: Sequence[Output]) -> None:
        """Carry out much, a share in each turn, and read nothing more before it is done."""
        if self._shares is not None:
            self._shares.put_first(outputs)
            return
        if self.life is _NEGOTIATING and self.stream.is_established:
            self._established()  # its time does not run while the other shares wait
        self._shares = TurnShares(self._clock, self._carry_out_one, self._carried_out, self.abort, self._later)
        self._shares.put(outputs)
        wait = self._shares.take()
        if wait is not None:
            self._wait_before_reading(wait)

    def _later(self, take: Callable[[], None]) -> None:
        if self._turns is not None:
            self._turns.take_later(self.peer_address, take)
        else:
            self._clock.callLater(0, take)

    def _carry_out_one(self, output: Output) -> None:
        if self.session is not None:
            self._handlers.get(type(output), _happened)(self, self.session, output)

    def _carried_out(self, shares: TurnShares) -> None:
        self._shares = None
        if shares.ending is not None:
            self._lost(shares.ending)
            return
        self._carry_out(())  # and go where the stream has gone
        if shares.until_done is not None and self._layer is not None and self._layer.state is not _TLS_OPEN:
            self._end_with(self._layer)

    def _stanzas_received(self, session: Session, received: StanzasReceived) -> None:
        wait = session.stanzas_received(received.stanzas)
        if wait is not None:
            self._wait_before_reading(wait)

    def _send(self, session: Session, order: Send) -> None:
        if self._writable.has_ended:
            return  # it was ordered before our closing tag, which has overtaken it
        self.bytes_out += len(order.data)
        self._out.follow(order.data)

    def _secure_transport(self, session: Session, order: SecureTransport) -> None:
        self._start_tls()

    def _close_transport(self, session: Session, order: CloseTransport) -> None:
        if order.error is not None:
            self._end_for(f"closed by us: {order.error}")
        self._writable.end()
        if self._move(Move.CLOSE):
            # The other side has some time for its own closing tag (RFC 6120 §4.4).
            self._deadline.start(self.timing.close, self._end)
        if not self._unread:  # else reading goes on after its turn, and what waits does not grow
            self._readable.release()  # everything on its way is read to the end
        session.happened(order)

    def _stream_closed(self, session: Session, event: StreamClosed) -> None:
        session.happened(event)
        self._end_for("the other side closed the stream")

    # -- from state to state -----------------------------------------------------------------------------------------

    def _move(self, move: Move) -> bool:
        """Make a move; return whether it led to another state, whose predecessor's deadline is then off."""
        before, self.life = self.life, after(TRANSITIONS, self.life, move)
        if self.life is before:
            return False
        self._deadline.stop()
        return True

    def _established(self) -> None:
        self._move(Move.ESTABLISH)
        if self._shares_of_reading is not None:
            self._turns = self._shares_of_reading.large
            self._taken_at_once = SMALL_BYTES
            self._readable.read_at_once()
        self._watch_idleness()
        if self._watcher is not None:
            self._watcher.established(self)
        if self._idle_parsers is not None:
            self.rest()

    def _answer_and_end(self) -> None:
        """Close our stream, after the other side has closed its own, once its requests are answered (RFC 6120 §4.4)."""
        if self.life is Life.ANSWERING or self.session is None:
            return
        wait = self.session.outstanding() if self.life is Life.OPEN else None
        if wait is None:
            self._carry_out(self.stream.finish())
        else:
            self._move(Move.ANSWER)
            self._deadline.start(self.timing.close, self._end_stream)
            wait.addCallback(lambda _: self._end_stream())

    def _end_stream(self) -> None:
        if not self.is_lost:
            self._carry_out(self.stream.finish())

    def _end(self) -> None:
        """End TCP once everything is written, or soon: a TLS connection waits for the other side's close_notify."""
        if not self._move(Move.END):
            return
        self._out.send_now()
        if self._securing.has_to_finish(self.stream.facts):
            # nothing can be sent in the middle of a handshake
            self.abort("closed by us in the middle of the TLS handshake")
            return
        transport = self.transport
        transport.unregisterProducer()
        transport.loseConnection()
        self._deadline.start(self.timing.close, lambda: self.abort("the other side stopped reading"))

    def _end_for(self, because: str) -> None:
        """Remember why the connection ends; the first reason is the true one."""
        self._ended_because = self._ended_because or because

    def _stop_writing(self) -> None:
        self._out.end()
        self._writable.close()

    # -- TLS ---------------------------------------------------------------------------------------------------------

    def _start_tls(self) -> None:
        facts = self.stream.facts
        self._layer = layer = self._securing.start(self.transport, facts, self._writable.write)
        self.transport, self._out = layer, Gathering(self._clock, layer.write)
        if facts.role is Role.INITIATING:
            layer.begin()

    def _secured(self, session: Session) -> None:
        stream = self.stream
        secured = self._securing.shown(stream)
        if self._securing.from_first_byte:
            stream.facts = replace(stream.facts, tls=secured.tls, certificate=secured.certificate)
            session.happened(secured)
            self._begin()
        else:
            session.happened(secured)
            self._carry_out(stream.answer(secured))

    def _find_evidence(self, session: Session, order: FindEvidence) -> None:
        def found(answer: EvidenceFound) -> None:
            if self.session is not None:
                self.session.happened(answer)
                self.answer(answer)

        self._securing.evidence(self.stream.facts, order).addCallback(found)

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def _negotiation_timed_out(self) -> None:
        if self._securing.from_first_byte and self.stream.facts.tls is None:
            self.abort(f"the TLS handshake took more than {self.timing.negotiate:g} s")
            return
        self._ended_because = f"negotiation took more than {self.timing.negotiate:g} s"
        self.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "negotiation took too long"))

    def _watch_idleness(self) -> None:
        """Close the stream once nothing has passed for as long as its terms allow (RFC 6120 §4.6.3)."""
        idle_seconds = self.stream.facts.terms.idle_seconds
        if idle_seconds:
            if self._readable.is_paused:  # it may be sending all the time
                self.last_activity = self._clock.seconds()
            left = self.last_activity + idle_seconds - self._clock.seconds()
            if left <= 0:
                self._ended_because = f"closed by us: nothing passed for {idle_seconds:g} s"
                self.close()
            else:
                self._deadline.start(left, self._watch_idleness)

    # -- rest --------------------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Release what is needed only for reading, because nothing comes for now."""
        self._is_resting = True
        self.stream.rest()
        if self._layer is not None:
            self._layer.rest()

    def _wake(self) -> None:
        self._is_resting = False
        if self._idle_parsers is not None:
            self._idle_parsers.awake(self)

    # -- back-pressure -----------------------------------------------------------------------------------------------

    def _wait_before_reading(self, wait: Deferred[None]) -> None:
        if self.stream.is_open:
            self._readable.wait_for(wait)

    # The handler of each output of the stream; all others go to the session.
    _handlers: ClassVar[Mapping[type, Callable[..., None]]] = {
        StanzasReceived: _stanzas_received,
        Send: _send,
        SecureTransport: _secure_transport,
        FindEvidence: _find_evidence,
        CloseTransport: _close_transport,
        StreamClosed: _stream_closed,
    }


def _happened(_: StreamProtocol, session: Session, output: Output) -> None:
    session.happened(output)


def _address(peer: Any) -> str:
    return endpoint_text(peer.host, peer.port) if hasattr(peer, "host") else str(peer)
