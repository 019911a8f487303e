"""ComponentRoute: the route to the external component of one domain (XEP-0114).

While no component is attached, stanzas to be kept wait in the outbox, and senders of others get
`remote-server-timeout`. When a component goes away, its unanswered requests are answered with an error (RFC 6120
§8.2.3). When it is attached again, kept stanzas are sent before new ones, and settled by a ping behind them (XEP-0199)
or, if the component answers none, by time.

A component may have several connections (`[domains."..."] connections`), which all speak for the domain. `slots`
decides which of them gets a stanza, and `conflict` whether one more than may be attached replaces another. When one
goes, the others take over what waited for it in memory, and what was kept, written to it and not settled; requests that
it had not answered are answered with an error.

A component that reads slowly slows down those who send to it. One that reads nothing is cut off: the waiting stanzas
are answered with an error, and a notice names what was written and may not have been read. It was certainly read if the
component has closed its stream, or has at least ended the connection after we had closed ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from gateway.components.conflict import ConnectionConflict
from gateway.components.slots import Attachable, ComponentSlots, Slot
from gateway.notices.attempts.records import Kind
from gateway.notices.notices import (
    ComponentChanged,
    Level,
    MaybeLost,
    Publish,
    StanzasPassed,
    TakenForDelivered,
    TooMuch,
)
from gateway.outbox.backlog_owner import KeepTerms, WhenProved
from gateway.outbox.backlogs import Backlogs
from gateway.outbox.keeper import Keeper
from gateway.outbox.settlement import Proof
from gateway.outbox.waiting import without_kept
from gateway.outbox.window import Break
from gateway.routing.disposition import Disposition
from gateway.routing.interfaces import IStreamRoute
from gateway.routing.outflow import Lately, Outflow
from gateway.routing.router import NOBODY_THERE, Router
from gateway.stream.sessions import Ending, PeerReading
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError, StreamError
from gateway.xmpp.namespaces import PING
from gateway.xmpp.stanzas import CONTENT, AddressedStanza, Stanza

_TOO_MUCH = StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too much is already waiting there")


@implementer(IStreamRoute)
class ComponentRoute:
    """The route to the component of one domain."""

    def __init__(
        self,
        domain: Domain,
        router: Router,
        outflows: Sequence[Outflow],
        clock: IReactorTime,
        publish: Publish,
        silence_seconds: float = 65,
        *,
        keeper: Keeper,
        keep: Callable[[], KeepTerms] = KeepTerms,
        greeting: Callable[[], Sequence[AddressedStanza]] = tuple,
    ) -> None:
        """Each of `outflows` is for one connection that the component may have.

        Anything written more than `silence_seconds` ago has arrived, or the connection has been given up.

        `keeper` has the outbox, and `keep` returns what goes there.
        `greeting` returns what each connection gets first.
        """
        self.domain = domain
        self.sent = 0
        self._slots = ComponentSlots(outflows)
        self.outflow: Outflow | ComponentSlots = self._slots if self._slots.are_several else outflows[0]
        self._router = router
        self._clock = clock
        self._publish = publish
        self._silence_seconds = silence_seconds
        self.watcher: Callable[[ComponentRoute], None] | None = None  # told when it is attached here, or no longer
        self._conflict = ConnectionConflict(self._slots, clock, self._replace, self._tell)
        self._ended_by: StreamError | None = None  # then nobody is attached any longer
        self._keep_rules = keep
        self._greeting = greeting
        self._soon = Timer(clock)
        self._backlogs = Backlogs(domain, keeper, self)
        for outflow in outflows:
            outflow.overdue = self._spill

    @property
    def sessions(self) -> Sequence[Attachable]:
        """Return the attached connections."""
        return self._slots.sessions

    @property
    def connections(self) -> int:
        """Return how many connections there may be."""
        return len([*self._slots])

    @property
    def is_attached(self) -> bool:
        """Return whether at least one connection is attached."""
        return any(slot.session is not None for slot in self._slots)

    @property
    def is_attached_here(self) -> bool:
        """Return whether a connection of this process is attached."""
        return any(not session.is_elsewhere for session in self._slots.sessions)

    # -- as an IRoute ------------------------------------------------------------------------------------------------

    def deliver(self, stanza: AddressedStanza) -> None:
        """Write it with the next flush, let it wait for room, keep it, or tell the sender that nobody is there."""
        if self.outflow.flows:
            self.outflow.add(stanza)
        elif self._backlogs.takes(stanza):
            pass
        elif not self.is_attached:
            self._router.bounce(stanza, NOBODY_THERE)
        elif self.outflow.is_diverted and not len(self.outflow):
            self.outflow.add(stanza)
        elif not self.outflow.enqueue(stanza):
            if self.outflow.refused == 1:
                why = f"{len(self.outflow)} are already waiting ([limits] component_buffer_bytes, queue_bytes)"
                self._publish(TooMuch(domain=self.domain, why=why))
            self._router.bounce(stanza, _TOO_MUCH)

    def deliver_all(self, stanzas: Sequence[AddressedStanza]) -> None:
        """As `IStreamRoute.deliver_all`."""
        for stanza in stanzas:
            self.deliver(stanza)

    def flush(self) -> Deferred[None] | None:
        """Write the batch, or put it into the outbox."""
        wait = self.outflow.flush()
        for_the_disk = self._backlogs.flush()
        return for_the_disk or wait

    def sending(self, session: Attachable, batch: Sequence[AddressedStanza]) -> bytes:
        """Record a batch that is being written to a connection; return its bytes."""
        data = b"".join([stanza.raw for stanza in batch])
        for stanza in batch:
            if stanza.name == "iq":
                if stanza.is_request:
                    self._router.requests.asked(self, stanza, session)
                elif self._slots.are_several:
                    self._slots.note_answer(stanza)
        session.written.add(len(batch), self._clock.seconds())
        self._count(batch, len(data))
        return data

    def came(self, session: Attachable, stanzas: Sequence[Stanza]) -> None:
        """Note what came from an attached connection, before it is routed."""
        self.heard(session)
        if self._slots.are_several:
            self._slots.note_requests(session, stanzas)

    def _count(self, batch: Sequence[AddressedStanza], size: int) -> None:
        self.sent += len(batch)
        self._publish(
            StanzasPassed(
                came_in=False, via=Kind.COMPONENT, source="others", target=self.domain, stanzas=batch, size=size
            )
        )

    # -- what is kept ------------------------------------------------------------------------------------------------

    @property
    def target(self) -> Domain:
        """Return the domain to which the route leads."""
        return self.domain

    @property
    def disposition(self) -> Disposition:
        """Return what happens to a stanza to be kept."""
        if not self.is_attached:
            return Disposition.WAITING
        return Disposition.CATCHING_UP if self.outflow.is_diverted else Disposition.SENDING

    @property
    def kept_by_pair(self) -> dict[DomainPair, int]:
        """Return how many stanzas of each domain are kept for the component."""
        return self._backlogs.waiting

    @property
    def kept(self) -> int:
        """Return how many stanzas are kept for the component."""
        return sum(self.kept_by_pair.values())

    def know(self, pair: DomainPair) -> None:
        """Note that an earlier process has kept something of this pair."""
        self._backlogs.know(pair)

    def learn(self, pair: DomainPair) -> None:
        """Send what another node has left for the component: somebody has put it into the outbox behind our back."""
        if self.is_attached:
            self.outflow.divert(True)
        self._backlogs.learn(pair)

    @property
    def queued(self) -> int:
        """Return how many stanzas wait, including those that are kept and not settled."""
        return len(self.outflow) + self.kept

    def has_hold_of(self, pair: DomainPair, number: int) -> bool:
        """Return whether a kept stanza is being sent, so that nobody else may end it."""
        return self._backlogs.has_hold_of(pair, number)

    def look(self) -> None:
        """Ask the outbox for its content, because it can be read again and may have more than we know of."""
        if self.is_attached:
            self.outflow.divert(True)
            self._backlogs.look()

    def outbox_opened(self) -> None:
        """Put what waits in memory behind what the outbox has, now that it is known; or continue without the outbox."""
        if self.is_attached:
            self.outflow.divert(True)
        self._backlogs.outbox_opened()
        if not self.is_attached:
            for stanza in self._backlogs.take_followers():
                self.bounce(stanza, NOBODY_THERE)

    def retry(self) -> None:
        """Do nothing: a component comes by itself."""

    def hold(self) -> None:
        """Send no kept stanzas, and keep new ones, because the operator holds the domain."""
        if self.is_attached and self.keep_terms.level != "no":
            self.outflow.divert(True)

    def release(self) -> None:
        """Send kept stanzas, because the operator has released the domain."""
        self._backlogs.release()

    def dropped(self) -> None:
        """Forget what was read of the stanzas that the operator has dropped."""
        self._backlogs.dropped()

    def _spill(self) -> None:
        """Keep stanzas that have waited too long in memory for room on an open stream."""
        if self.keep_terms.level != "no" and self._backlogs.keeper.takes:
            self.outflow.divert(True)
            self._backlogs.spill(self.outflow.take_all())

    # -- as the owner of backlogs ------------------------------------------------------------------------------------

    @property
    def keep_terms(self) -> KeepTerms:
        """As `BacklogsOwner.keep_terms`."""
        return self._keep_rules()

    def bounce(self, stanza: AddressedStanza, error: StanzaError) -> None:
        """As `BacklogsOwner.bounce`."""
        self._router.bounce(stanza, error)
        if not self._soon.is_running:
            self._soon.start(0, self._flush_router)

    def _flush_router(self) -> None:
        self._router.flush()

    def room(self) -> Deferred[None] | None:
        """As `BacklogsOwner.room`."""
        return self._slots.room()

    def write_kept(self, batch: Sequence[AddressedStanza]) -> Collection[AddressedStanza]:
        """As `BacklogsOwner.write_kept`: what is kept is not lost with the stream, so no doubt about it is noted."""
        self._slots.flush_ahead()
        for session, stanzas in self._slots.divided_by_session(batch):
            if not session.is_elsewhere:
                self._count(stanzas, sum([len(stanza.raw) for stanza in stanzas]))
            session.write_kept(stanzas)
        return ()

    def write_follower(self, stanza: AddressedStanza) -> None:
        """As `BacklogsOwner.write_follower`."""
        self.outflow.add(stanza)
        self.outflow.flush()

    @property
    def proof(self) -> Proof:
        """As `BacklogsOwner.proof`."""
        takes_over = all(session.proof is Proof.TAKEN_OVER for session in self._slots.sessions)
        return Proof.TAKEN_OVER if takes_over else Proof.READ

    def ask(self, resource: str, answered: WhenProved) -> None:
        """As `BacklogsOwner.ask`: in the component's own name, since no other domain's is ours to use.

        Each connection is asked, and all must answer, because each proves only what was written to itself.
        """
        sessions = self._slots.sessions
        proof = self.proof
        open_pings = {f"{resource}-{number}" if number else resource: each for number, each in enumerate(sessions)}

        def take(answer: AddressedStanza) -> None:
            open_pings.pop(answer.id or "", None)
            if not open_pings:
                answered(proof)

        for id_, session in [*open_pings.items()]:
            sender = Address.make("", self.domain, id_).full
            attributes = {"type": "get", "id": id_, "from": sender, "to": self.domain}
            ping = AddressedStanza.from_element(Element(CONTENT, "iq", attributes, [Element(PING, "ping")]))
            session.prove(ping, take)

    def doubted(self, count: int) -> None:
        """As `BacklogsOwner.doubted`."""
        self._publish(TakenForDelivered(domain=self.domain, count=count))

    def remember_only(self, stanzas: Sequence[AddressedStanza]) -> None:
        """As `BacklogsOwner.remember_only`."""
        for stanza in stanzas:
            if not self.is_attached:
                self.bounce(stanza, NOBODY_THERE)
            elif not self.outflow.enqueue(stanza):
                self.bounce(stanza, _TOO_MUCH)
        self.outflow.flush()
        self.outflow.drain()

    def caught_up(self) -> None:
        """As `BacklogsOwner.caught_up`."""
        self.outflow.divert(False)

    # -- who is attached ---------------------------------------------------------------------------------------------

    def attach(self, session: Attachable) -> None:
        """Attach a connection that knows the secret, now or if another one shows no life, or refuse it."""
        if self._ended_by is not None:
            session.end(self._ended_by, disowned=True)
        elif elsewhere := [each for each in self._slots.sessions if each.is_elsewhere]:
            self.move(elsewhere[0], session)
            for other in elsewhere[1:]:
                self.move(other, None)
            for each in elsewhere:
                each.replaced()
        elif (slot := self._slots.vacant) is not None:
            self._take(slot, session)
        else:
            self._conflict.begin(session)

    def attach_elsewhere(self, session: Attachable) -> bool:
        """Attach a component that is at another node; return False if there is no slot for it."""
        slot = self._slots.vacant
        if slot is None or self._ended_by is not None:
            return False
        self._take(slot, session)
        return True

    def move(self, old: Attachable, new: Attachable | None, left: Sequence[AddressedStanza] = ()) -> None:
        """Replace one that is at another node by a different session, or by none.

        `left` was written to the old one, in this order, and is ours again: it is written first, or has the end of what
        waits. Of this, what is kept is written again in its place.
        """
        slot = self._slots.of_session(old)
        if slot is None:
            for stanza in without_kept(left):
                self.deliver(stanza)
        else:
            slot.session = None
            slot.outflow.shut()
            if self._slots.sessions:
                slot.outflow.put_first(without_kept(left))
                if new is None:
                    self._take_over(slot, old)
                else:
                    self._backlogs.moved(old)
            elif new is None:
                self._tell(f"no longer attached at {old.address}", Level.WARN)
                self._leave_none(slot, Break.OTHER, left)
            else:
                self._leave_to_next(slot, Break.OTHER, left)
            if new is not None:
                self._take(slot, new)
        self.flush()
        self._router.flush()

    def heard(self, session: Attachable) -> None:
        """Note that something came from a connection; for an attached one, that is the sign of life."""
        if self._conflict.candidate is not None:
            self._conflict.heard(session)

    def detach(self, session: Attachable, reason: str, made: Break = Break.OTHER) -> None:
        """Note that nothing more can be written to a connection; `made` says who ended it. Something may still come
        from it.
        """
        if session is self._conflict.candidate:
            self._conflict.end()
        elif (slot := self._slots.of_session(session)) is not None:
            slot.session = None
            slot.outflow.shut()
            left = len(self._slots.sessions)
            self._tell(f"detached: {reason}{self._of_several(left, 'remain attached')}", Level.WARN)
            if left:
                self._take_over(slot, session)
            else:
                self._leave_none(slot, made)
            self.flush()
            self._router.flush()
            if (candidate := self._conflict.end()) is not None:
                self._take(slot, candidate)
            elif self.watcher is not None:
                self.watcher(self)

    def _leave_none(self, slot: Slot, made: Break, unacknowledged: Sequence[AddressedStanza] = ()) -> None:
        """Keep or bounce what waits, because no connection is attached any longer."""
        self._leave_to_next(slot, made, unacknowledged)
        following = self._backlogs.take_followers()
        for stanza in [*following, *slot.outflow.take_all()]:
            if not self._backlogs.takes(stanza):
                self._router.bounce(stanza, NOBODY_THERE)

    def _leave_to_next(self, slot: Slot, made: Break, unacknowledged: Sequence[AddressedStanza]) -> None:
        """Let everything wait, each stanza in its place, because the only connection has gone."""
        waiting = slot.outflow.take_all()
        rest = self._backlogs.broke(made, unacknowledged, waiting, is_behind=slot.outflow.is_diverted)
        slot.outflow.put_first([*rest.first, *rest.left])

    def _take_over(self, slot: Slot, lost: Attachable) -> None:
        """Have the other connections take over what was in flight to a lost one, and what waited for it."""
        self._backlogs.moved(lost)
        for stanza in slot.outflow.take_all():
            if not slot.outflow.is_diverted:
                self.deliver(stanza)
            elif not self._slots.enqueue(stanza):  # it comes before everything that has not been written
                self._router.bounce(stanza, _TOO_MUCH)

    def end(self, error: StreamError, *, disowned: bool = True) -> None:
        """Close every connection, also one that waits for a sign of life of others, and attach nobody from now on.

        The domain is gone, or another route takes its place. A proof of the old secret does not count for the new one:
        unless the secret is still the same, connections are `disowned`, and what they still send is not accepted.
        """
        self._ended_by = error
        candidate = self._conflict.end()
        for session in (*self.sessions, *(() if candidate is None else (candidate,))):
            if session.is_elsewhere:
                self.move(session, None)  # nobody will detach it
            session.end(error, disowned=disowned)

    def gone(self, session: Attachable, ending: Ending) -> None:
        """Bounce the unanswered requests of a lost connection, and report what may not have arrived."""
        doubt = session.written.take(self._clock.seconds(), stuck=ending.reading is not PeerReading.READ)
        if doubt.count and not ending.closed_properly:
            self._publish(MaybeLost(domain=self.domain, count=doubt.count, seconds=doubt.seconds, reason=ending.reason))
        if unanswered := self._router.requests.waiting(self, session):
            self._router.abandon(self, NOBODY_THERE, unanswered)
            self._router.flush()

    def _replace(self, old: Attachable) -> None:
        """Replace a connection that gave no sign of life by the one that waits for its place."""
        old.replaced()
        self.detach(old, "replaced by a new connection")
        self.gone(old, Ending(reason="it gave no sign of life"))

    def _take(self, slot: Slot, session: Attachable) -> None:
        is_first = not self.is_attached
        slot.session = session
        session.written = Lately(self._silence_seconds)
        session.accept()
        self._tell(f"attached from {session.address}{self._of_several(len(self._slots.sessions), 'are attached')}")
        self._greet(session)
        if is_first:
            self.outflow.divert(True)
        slot.outflow.open(session)
        if is_first:
            self._backlogs.begin()
        if self.watcher is not None and not session.is_elsewhere:
            self.watcher(self)

    def _greet(self, session: Attachable) -> None:
        if not session.is_elsewhere and (greeting := self._greeting()):
            self._count(greeting, sum([len(stanza.raw) for stanza in greeting]))
            session.write_kept(greeting)

    def send_greeting(self) -> None:
        """Send the greeting again, because it has changed."""
        for session in self.sessions:
            self._greet(session)

    def _of_several(self, count: int, are: str) -> str:
        return f"; {count} of {self.connections} connections {are}" if self._slots.are_several else ""

    def _tell(self, text: str, weight: Level = Level.INFO) -> None:
        self._publish(ComponentChanged(domain=self.domain, text=text, weight=weight))
