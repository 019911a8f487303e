"""Client: a bound client, as its domain sees it; it outlives its connections.

Delivered stanzas are gathered and written with the next flush. For an inactive client some of them are held back
(XEP-0352). With stream management every written stanza is kept until the client has acknowledged it. When its
connection breaks, the client is *parked*: its session continues, stanzas for it are gathered, and a new connection may
resume it and gets what the old one has lost (XEP-0198 §5). When a client ends, everything that it has not received is
given back.

Messages that the store keeps stay there until the client has acknowledged them; for a client that acknowledges nothing,
`handover` decides.

Memory is bounded: a client that does not acknowledge is waited for, then ended; a parked client that gets too much is
ended, and the messages wait in the store instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from gateway.clients.answer_shares import ANSWERS_AT_ONCE, SECONDS_AT_ONCE, AnswerShares
from gateway.clients.handover import Handover
from gateway.clients.life import RESOURCES, Life, Move
from gateway.features.stream_management import REQUEST
from gateway.im.account import Resource
from gateway.im.client_state import HoldingBack
from gateway.im.domain import AccountDomain
from gateway.im.interfaces import IBoundClient
from gateway.im.kept import KeptMessage
from gateway.notices.attempts.stream_log import StreamLog
from gateway.stream.acknowledgements import Acknowledgements
from gateway.stream.lives import after
from gateway.stream.sessions import Connection
from gateway.timing.timers import Timer
from gateway.timing.waiters import Waiters
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import Misuse, StreamCondition, StreamError
from gateway.xmpp.stanzas import AddressedStanza, Stanza

ACKNOWLEDGE_SECONDS = 60.0
PARKED_BYTES = 1 << 20
_FEW = 8  # stanzas, between two looks at the clock
_CLOSING, _ENDED = Life.CLOSING, Life.ENDED  # looked up once, not with every stanza


@implementer(IBoundClient)
class Client:
    """One resource of an account; made when it is bound, over when it `has_ended`."""

    def __init__(self, account: Address, domain: AccountDomain, clock: IReactorTime, wish: str | None) -> None:
        """Bind a resource; raise StanzaError if the account cannot have another one."""
        self.account = account
        self.life = Life.BOUND
        self.owner: object = None  # the session whose connection it uses
        self.log: StreamLog | None = None  # of that session's stream
        self._domain = domain
        self._clock = clock
        self._connection: Connection | None = None
        self._error: StreamError | None = None  # the error to close its next connection with
        self._outgoing: list[AddressedStanza] = []
        self._outgoing_bytes = 0  # counted while it is parked
        self._acknowledgements: Acknowledgements[AddressedStanza] | None = None
        self._holding: HoldingBack | None = None  # while nobody looks at the client
        self._handover: Handover | None = None
        self._asked: Address | None = None  # the last question that was not answered at once
        self._until_acknowledged = Waiters()
        self._patience = Timer(clock)
        self._resource: Resource = domain.bind(account, self, wish)
        self._shares = AnswerShares(clock, self._take_share, domain.settle, self._until_ready, self._is_unacknowledged)

    @property
    def address(self) -> Address:
        """The full JID."""
        return self._resource.address

    @property
    def is_parked(self) -> bool:
        """Return whether it has no connection."""
        return self._connection is None

    @property
    def is_resumable(self) -> bool:
        """Return whether it outlives its connection."""
        return self.life is Life.RESUMABLE

    @property
    def has_ended(self) -> bool:
        """Return whether it is gone for good."""
        return self.life is Life.ENDED

    def grant(self) -> None:
        """Let it outlive its connection."""
        self._move(Move.GRANT)

    def _move(self, move: Move) -> None:
        self.life = after(RESOURCES, self.life, move)

    # -- IBoundClient --------------------------------------------------------------------------------------------------

    def deliver(self, stanza: AddressedStanza) -> None:
        """Gather a stanza for the next flush."""
        if self._connection is not None and self._holding is None:
            self._outgoing.append(stanza)
        elif not self.has_ended:
            self._gather((stanza,) if self._holding is None else self._holding.pass_on(stanza))

    def deliver_kept(self, messages: Sequence[KeptMessage]) -> None:
        """Gather messages for the next flush, and report each when the client has it."""
        if self.has_ended:
            return
        for message in messages:
            self.deliver(message)
        if self._acknowledgements is None:
            if self._handover is None:
                self._handover = Handover(self._clock, self._is_written, self._taken)
            self._handover.add(messages)

    def _is_written(self) -> bool:
        return self._connection is not None and self._connection.has_room and not self._outgoing

    def _taken(self, messages: Sequence[KeptMessage]) -> None:
        self._domain.taken(self._resource, messages)

    def said_goodbye(self) -> None:
        """Note that the client has ended its stream properly."""
        if self._handover is not None and self._is_written():
            self._handover.confirm()

    def _gather(self, stanzas: Sequence[AddressedStanza]) -> None:
        self._outgoing.extend(stanzas)
        self._outgoing_bytes += _size(stanzas)
        if self.is_resumable and self.is_parked and self._outgoing_bytes > PARKED_BYTES:
            self._end_later()

    def flush(self) -> Deferred[None] | None:
        """Write what was gathered, unless our side of the stream is closed (RFC 6120 §4.4)."""
        if self._connection is None or not self._connection.stream.is_open:
            return None
        if self._outgoing:
            outgoing, self._outgoing = self._outgoing, []
            self._write(outgoing, self._connection)
        if self._acknowledgements is not None and self._acknowledgements.is_full:
            return self._wait_for_acknowledgement()
        return self._connection.room()

    def close(self, error: StreamError) -> None:
        """End the stream; a parked client has none, and ends at once."""
        self._move(Move.CLOSE)
        if self._connection is not None:
            self._connection.close(error)
        elif not self.has_ended:
            self._error = error
            self._end_later()

    # -- its connections ---------------------------------------------------------------------------------------------

    def attach(self, connection: Connection) -> None:
        """Use an established connection, the first or a later one: what an earlier one has lost is sent first."""
        if self._error is not None:
            connection.close(self._error)
            return
        self._connection = connection
        lost = self._acknowledgements.unacknowledged() if self._acknowledgements is not None else []
        if lost:
            connection.write(b"".join(stanza.raw for stanza in lost))
            self._ask()
        self.activate()

    def detach(self) -> None:
        """Note that the connection is gone."""
        self._connection = None
        self._outgoing_bytes = _size(self._outgoing)
        if self._acknowledgements is not None:
            self._acknowledgements.forget_question()
        self._stop_waiting()

    def end(self) -> None:
        """End the client for good, and give back what it never received."""
        if self.has_ended:
            return
        self.detach()
        self._take_the_rest()
        lost = self._acknowledgements.take_back() if self._acknowledgements is not None else []
        handed_over = self._handover.take_back() if self._handover is not None else []
        unread = [*lost, *handed_over, *self._outgoing, *self._held_back()]
        self._move(Move.END)
        self._outgoing = []
        self._domain.unbind(self._resource, unread)
        self._domain.settle()

    def _end_later(self) -> None:
        """End it, but not while the domain is calling this object."""
        self._take_the_rest()
        self._move(Move.CLOSE)
        self._clock.callLater(0, self.end)

    # -- what it sends -----------------------------------------------------------------------------------------------

    def take(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Take stanzas from the client; return a Deferred if it should wait."""
        return self._shares.take(stanzas)

    def taken(self) -> Deferred[None] | None:
        """Return None if everything that was read is taken, else a Deferred that fires when it is."""
        return self._shares.taken()

    def _take_share(self, stanzas: Iterable[Stanza]) -> int:
        """Take stanzas until their answers are large or have to be waited for, or they have taken long; return how many
        are done with.
        """
        resource, from_client = self._resource, self._domain.from_client
        taken = dropped = 0
        room, until = ANSWERS_AT_ONCE, self._clock.seconds() + SECONDS_AT_ONCE
        for stanza in stanzas:
            if self.life is _CLOSING or self.life is _ENDED:
                dropped += 1  # nothing is taken behind an error
                continue
            taken += 1
            before = len(self._outgoing)
            from_client(resource, stanza)
            if len(self._outgoing) > before:
                room -= _size(self._outgoing[before:])
                if room <= 0:
                    break
            elif _asks(stanza) and self._domain.is_answered_later(resource, stanza.to):
                self._asked = stanza.to
                break
            if not taken % _FEW and self._clock.seconds() >= until:
                break
        if self._acknowledgements is not None:
            self._acknowledgements.handled(taken)
        return taken + dropped

    def _until_ready(self) -> Deferred[None] | None:
        return self._domain.answered(self._resource, self._asked) or self.flush()

    def _is_unacknowledged(self) -> bool:
        acknowledgements = self._acknowledgements
        return acknowledgements is not None and acknowledgements.is_full and self._connection is not None

    def _take_the_rest(self) -> None:
        """Take the stanzas that were read and not yet taken, except questions: the client cannot be answered."""
        for stanza in self._shares.end():
            if self.life is not _CLOSING and not _asks(stanza):
                self._domain.from_client(self._resource, stanza)

    def activate(self) -> None:
        """Send what was held back, because somebody looks at the client."""
        self._gather(self._held_back())
        self.flush()

    def deactivate(self) -> None:
        """Hold back stanzas, because nobody looks at the client."""
        if self._holding is None:
            self._holding = HoldingBack()
            self._holding.deactivate()

    def _held_back(self) -> Sequence[AddressedStanza]:
        holding, self._holding = self._holding, None
        return holding.activate() if holding is not None else ()

    # -- acknowledgements --------------------------------------------------------------------------------------------

    def manage(self) -> None:
        """Start counting, in both directions."""
        self._acknowledgements = Acknowledgements()

    @property
    def h(self) -> int:
        """The number of the client's stanzas that we have handled."""
        if self._acknowledgements is None:
            raise Misuse("nothing is counted on a stream that is not managed")
        return self._acknowledgements.h

    def cleared(self) -> Deferred[None] | None:
        """Return None if everything received is processed and stored, else a Deferred that fires when it is."""
        taken = self.taken()
        return self._cleared(None) if taken is None else taken.addCallback(self._cleared)

    def _cleared(self, _: None) -> Deferred[None] | None:
        return self._domain.cleared(self.account)

    def acknowledged(self, h: int) -> None:
        """Take an acknowledgement of the stanzas up to `h`; raise StreamError if it is impossible."""
        if self._acknowledgements is None:
            raise Misuse("nothing is counted on a stream that is not managed")
        sent_since = self._acknowledgements.sent_since_asked
        handled = self._acknowledgements.acknowledge(h)
        kept = [stanza for stanza in handled if isinstance(stanza, KeptMessage)]
        if kept:
            self._taken(kept)
        if not self._acknowledgements.is_full:
            self._stop_waiting()
        if sent_since:
            self._ask()

    def _write(self, stanzas: Sequence[AddressedStanza], connection: Connection) -> None:
        data = b"".join([stanza.raw for stanza in stanzas])
        if self.log is not None:
            self.log.passed(stanzas, len(data), came_in=False)
        if self._acknowledgements is not None:
            self._acknowledgements.add(stanzas, len(data))
            data += self._question()
        connection.write(data)

    def _ask(self) -> None:
        if self._connection is not None and self._connection.stream.is_open and (question := self._question()):
            self._connection.write(question)

    def _question(self) -> bytes:
        """Return a request for an acknowledgement, unless one is already open or nothing is counted."""
        return REQUEST if self._acknowledgements is not None and self._acknowledgements.ask() else b""

    def _wait_for_acknowledgement(self) -> Deferred[None]:
        if not self._patience.is_running:
            self._patience.start(ACKNOWLEDGE_SECONDS, self._lose_patience)
        return self._until_acknowledged.wait()

    def _stop_waiting(self) -> None:
        self._patience.stop()
        self._until_acknowledged.release()

    def _lose_patience(self) -> None:
        seconds = f"{ACKNOWLEDGE_SECONDS:g} s"
        self.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, f"nothing was acknowledged for {seconds}"))


def _asks(stanza: Stanza) -> bool:
    """Return whether this only asks for something."""
    return stanza.name == "iq" and stanza.type == "get"


def _size(stanzas: Sequence[AddressedStanza]) -> int:
    return sum([len(stanza.raw) for stanza in stanzas])
