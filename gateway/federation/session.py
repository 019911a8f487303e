"""ServerSession: the common part of inbound and outbound streams between servers.

It reports the stream's events to the log of the stream, holds the questions to an authoritative server that were sent
on this stream, counts what passes on a managed stream, and is the channel for the routes that send on it. The table
`_on` at the end says what happens for each event; subclasses add to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from gateway.features.dialback import Dialback
from gateway.features.sasl import Compute, carry_out
from gateway.features.stream_management import (
    Acknowledged,
    AcknowledgementRequested,
    LastAcknowledgement,
    acknowledgement,
)
from gateway.federation.admission import Admission
from gateway.federation.broken_streams import BrokenStream, TakeBack
from gateway.federation.key_questions import KeyQuestions
from gateway.federation.life import TRANSITIONS, Life, Move
from gateway.federation.managed_stream import ManagedStream
from gateway.federation.rate_limit import RateLimit
from gateway.federation.stream_end import Headway, StreamEnd, by_pair
from gateway.notices.attempts.elsewhere import Elsewhere
from gateway.notices.attempts.known_keys import KnownKeys
from gateway.notices.attempts.narration import Narrator
from gateway.notices.attempts.stream_log import StreamLog
from gateway.outbox.window import Break
from gateway.stream.acknowledgements import Acknowledgements
from gateway.stream.events import PairChecked, VerificationAnswered
from gateway.stream.facts import ServerFacts
from gateway.stream.lives import after
from gateway.stream.sessions import Connection, Ending
from gateway.stream.stream import Output
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import AddressedStanza, Stanza

# Errors that end a stream although nothing sent on it was wrong.
_BLAMELESS = {
    StreamCondition.CONFLICT,
    StreamCondition.CONNECTION_TIMEOUT,
    StreamCondition.HOST_GONE,
    StreamCondition.INTERNAL_SERVER_ERROR,
    StreamCondition.REMOTE_CONNECTION_FAILED,
    StreamCondition.RESET,
    StreamCondition.RESOURCE_CONSTRAINT,
    StreamCondition.SEE_OTHER_HOST,
    StreamCondition.SYSTEM_SHUTDOWN,
}

MOST_READ_ON = 1 << 20
"""The bytes of stanzas that a stream may bring on while an acknowledgement is missing that only it can bring."""
_HEARING = Life.HEARING  # looked up once, not with every batch


@dataclass(frozen=True, kw_only=True)
class SessionTools:
    """What all streams between servers share."""

    admission: Admission
    clock: IReactorTime
    patience: float = 60  # seconds to wait for a requested acknowledgement
    verifications: int = 100  # at a time for one stream
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    keys: KnownKeys | None = None
    unsafe: Callable[[], Deferred[None] | None] = lambda: None  # until when what came would not survive a crash


@dataclass(frozen=True, kw_only=True)
class StreamUser:
    """A route that sends on a stream: it learns how the stream ended, and gets back what must be sent again."""

    ended: Callable[[StreamEnd], None]
    take_back: TakeBack


class ServerSession:
    """One stream to or from another server."""

    def __init__(self, connection: Connection, log: StreamLog, dialback: Dialback, tools: SessionTools) -> None:
        self.log = log
        self.connection = connection
        self.narrator = Narrator(log, tools.elsewhere, tools.keys)
        self.narrator.connected(connection)
        self._dialback = dialback
        self._tools = tools
        self._questions = KeyQuestions()
        self._managed: ManagedStream | None = None
        self._rate_limit: RateLimit | None = None
        self._users: dict[DomainPair, StreamUser] = {}
        self._told: dict[DomainPair, Callable[[Sequence[AddressedStanza]], None]] = {}  # of what is acknowledged
        self._life = Life.HEARING
        self._read_on = 0  # bytes of stanzas, since the last acknowledgement, behind which nothing should be read

    @property
    def facts(self) -> ServerFacts:
        """The facts that the stream has proved and negotiated."""
        return ServerFacts.of(self.connection.stream.facts)

    @property
    def is_usable(self) -> bool:
        """Return whether the stream is established and open in both directions."""
        return self.connection.stream.is_established

    def ask(self, pair: DomainPair, stream_id: str, key: str) -> Deferred[PairChecked]:
        """Send a question about a dialback key on this stream, which leads to the authoritative server."""
        wait = self._questions.put(pair, stream_id)
        if not wait.called:
            self.connection.perform(lambda facts: self._dialback.ask(facts, pair, stream_id, key))
        return wait

    # -- for the routes that send on this stream ---------------------------------------------------------------------

    def carry(self, pair: DomainPair, user: StreamUser) -> None:
        """Register a route of this pair that sends on this stream from now on."""
        self._users[pair] = user

    def watch(self, pair: DomainPair, acknowledged: Callable[[Sequence[AddressedStanza]], None]) -> None:
        """Call `acknowledged` with every acknowledged stanza of this pair, of all that is sent on this stream."""
        self._told[pair] = acknowledged

    def unacknowledged(self, pair: DomainPair) -> Sequence[AddressedStanza]:
        """Return what was sent for this pair and not acknowledged, oldest first."""
        sent = self._managed.acknowledgements.unacknowledged() if self._managed is not None else []
        return by_pair(sent).get(pair, [])

    def replace(self, others: Mapping[int, AddressedStanza]) -> Collection[int]:
        """As `Acknowledgements.replace`."""
        return self._managed.acknowledgements.replace(others) if self._managed is not None else ()

    @property
    def is_managed(self) -> bool:
        """Return whether stanzas that are sent are acknowledged (XEP-0198)."""
        return self._managed is not None

    @property
    def managed(self) -> ManagedStream | None:
        """The stream management of this stream, for those who look at it."""
        return self._managed

    @property
    def was_resumed(self) -> bool:
        """Return whether it resumes a stream that broke."""
        return self._managed is not None and self._managed.was_resumed

    def be_careful(self, count: int) -> None:
        """As `ManagedStream.be_careful`."""
        if self._managed is not None:
            self._managed.be_careful(count)

    @property
    def largest(self) -> int | None:
        """The most bytes that the other side accepts in one stanza, as announced (XEP-0478) or assumed; None: any."""
        facts = self.facts
        return facts.peer_limits.stanza_bytes or facts.terms.assumed_stanza_bytes or None

    @property
    def has_room(self) -> bool:
        """As `Channel.has_room`; a stream that is being closed has none."""
        return self.is_usable and self.connection.has_room and (self._managed is None or self._managed.has_room)

    def room(self) -> Deferred[None] | None:
        """As `Channel.room`."""
        if not self.is_usable:
            return Deferred()  # stanzas waiting here take another stream when this one is gone
        if self._managed is not None and not self._managed.has_room:
            return self._managed.room()
        return self.connection.room()

    def send(self, batch: Sequence[AddressedStanza], data: bytes | None = None) -> None:
        """Write a batch; `data` are its bytes, if the caller has joined them already."""
        if data is None:
            data = b"".join([stanza.raw for stanza in batch])
        if self._managed is not None:
            data = self._managed.sending(batch, data)
        self.log.stanzas("went out")
        self.connection.write(data)

    # -- as a Session ------------------------------------------------------------------------------------------------

    def happened(self, output: Output) -> None:
        self.narrator.happened(output)
        action = self._on.get(type(output))
        if action is not None:
            action(self, output)

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Admit a batch, and read nothing more while its receivers have no room, or too much has come."""
        if self._life is not _HEARING:
            return None
        self.log.stanzas("came in")
        handled, error = self._tools.admission.admit(stanzas, self.facts)
        room = self._tools.admission.flush()
        if self._managed is not None:
            late = self._managed.handled(handled, self._tools.unsafe())
            if late is not None:
                late.addCallback(lambda _: self._acknowledge(None))
        if error is not None:
            self.connection.close(error)
        if room is not None and self._may_read_on(stanzas):
            room = None
        return self._paced(len(stanzas), room) if self.facts.terms.stanzas_per_second else room

    def _may_read_on(self, stanzas: Sequence[Stanza]) -> bool:
        """Return whether to read on although a receiver has no room: that may be this stream, which waits for an
        acknowledgement, and what comes next may be that.
        """
        if self._managed is None or not self._managed.acknowledgements.is_full:
            return False
        self._read_on += sum([len(stanza.raw) for stanza in stanzas])
        return self._read_on <= MOST_READ_ON

    def outstanding(self) -> Deferred[None] | None:
        """Session.outstanding: what could be answered at once has been."""
        return None

    def lost(self, ending: Ending) -> None:
        self._move(Move.LOSE)
        self._questions.lost(ending.reason)
        self.narrator.lost(ending.reason)
        if self._managed is not None:
            self._managed.close()

    def _move(self, move: Move) -> None:
        self._life = after(TRANSITIONS, self._life, move)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _broken(self, ending: Ending) -> BrokenStream | None:
        """Return what can be resumed of this stream, if anything."""
        managed = self._managed
        if managed is None or managed.id is None or ending.closed or _is_blamed(ending) or not self._users:
            return None
        routes = {pair: user.take_back for pair, user in self._users.items()}
        facts = self.facts
        return BrokenStream(
            facts.pair,
            managed.id,
            managed.acknowledgements,
            routes,
            role=facts.role,
            bidirectional=facts.bidirectional,
            in_vain=managed.in_vain,
        )

    def _tell_users(self, ending: Ending, *, resuming: bool) -> None:
        """Tell every route that sent on this stream that it has ended."""
        users, self._users = self._users, {}
        self._told.clear()
        managed = self._managed
        headway, given_up = Headway.NONE, False
        left: list[AddressedStanza] = []
        if managed is not None:
            headway, given_up = managed.headway, managed.has_given_up
            sent = managed.acknowledgements
            left = sent.unacknowledged() if resuming else sent.take_back()
        # Of several, nobody knows which: the first one may have been handled and not acknowledged yet.
        blamed = left.pop() if len(left) == 1 and not resuming and _is_blamed(ending) else None
        end = StreamEnd(
            reason=self.narrator.last_error or ending.reason,
            made=Break.THEIRS if ending.is_theirs and not given_up else Break.OTHER,
            reading=ending.reading,
            headway=headway,
            cleanly=ending.closed_properly,
            resuming=resuming,
            unacknowledged=by_pair(left),
            blamed=blamed,
        )
        for user in users.values():
            user.ended(end)

    # -- stream management -------------------------------------------------------------------------------------------

    def _manage(
        self,
        acknowledgements: Acknowledgements[AddressedStanza],
        resumed: str | None = None,
        acknowledged_before: int | None = None,
        in_vain: int = 0,
    ) -> ManagedStream:
        """Start to count, or continue the counts of a stream that is resumed by its id."""
        silent = f"it acknowledged nothing for {self._tools.patience:g} s ([peers] stream_management)"
        self._managed = ManagedStream(
            acknowledgements,
            self._tools.clock,
            self._tools.patience,
            lambda: self.connection.abort(silent),
            acknowledged_before,
            in_vain,
        )
        if resumed is not None:
            self._managed.id, self._managed.counts = resumed, True
        return self._managed

    def _acknowledge(self, _: AcknowledgementRequested | None) -> None:
        if self._managed is not None and self.connection.stream.is_open:
            self.connection.write(acknowledgement(self._managed.asked()))

    def _acknowledge_last(self, _: LastAcknowledgement) -> None:
        if self._managed is not None:
            self.connection.write(acknowledgement(self._managed.acknowledgements.h))
            self._move(Move.LAST_WORD)

    def _acknowledged(self, acknowledged: Acknowledged) -> None:
        if self._managed is None:
            return
        try:
            more = self._managed.acknowledged(acknowledged.h)
        except StreamError as error:
            self.connection.close(error)
            return
        self._read_on = 0
        if more and self.connection.stream.is_open:
            self.connection.write(more)
        if self._told and self._managed.latest:
            for told in tuple(self._told.values()):
                told(self._managed.latest)

    # -- other -------------------------------------------------------------------------------------------------------

    def _paced(self, count: int, room: Deferred[None] | None) -> Deferred[None] | None:
        clock = self._tools.clock
        if self._rate_limit is None:
            self._rate_limit = RateLimit(self.facts.terms.stanzas_per_second, clock.seconds())
        seconds = self._rate_limit.took(count, clock.seconds())
        if not seconds:
            return room
        waits = [deferLater(clock, seconds), *([room] if room is not None else [])]
        return DeferredList(waits).addCallback(lambda _: None)

    def _compute(self, order: Compute) -> None:
        self.connection.answer(carry_out(order))  # two digests: DIGEST-MD5

    def _verification_answered(self, answer: VerificationAnswered) -> None:
        self._questions.answered(answer)

    # The handler of each event; subclasses override entries.
    _on: ClassVar[Mapping[type, Callable[..., None]]] = {
        VerificationAnswered: _verification_answered,
        Compute: _compute,
        AcknowledgementRequested: _acknowledge,
        Acknowledged: _acknowledged,
        LastAcknowledgement: _acknowledge_last,
    }


def _is_blamed(ending: Ending) -> bool:
    """Return whether the other side ended the stream because of something that was sent on it."""
    return ending.error is not None and ending.error not in _BLAMELESS
