"""ComponentSlots: the places for the connections of one component, and the outflows to them as one.

A component with one connection has one slot, and its outflow is used as it is. With several, each has its own outflow,
so a connection that reads slowly stops only the senders whose stanzas go there. A conversation stays with one
connection: the sender's bare JID decides the slot, and the answer to a request goes to the connection that asked. While
a slot is vacant its conversations are spread over the others, and return when it is taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, DeferredList

from gateway.bounds.tables import Bounded, family
from gateway.outbox.settlement import Proof
from gateway.outbox.waiting import Waiting
from gateway.routing.outflow import Channel, Lately, Outflow
from gateway.routing.requests import RequestKey, request_key
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import AddressedStanza, Stanza

MOST_ASKED_BY_COMPONENT = 10_000
"""The most requests of one component for which we remember which of its connections asked."""


class Attachable(Channel, Protocol):
    """A connection that may be attached: a component's session, as the route sees it."""

    address: str
    written: Lately

    @property
    def proof(self) -> Proof:
        """Return what `prove` proves."""

    @property
    def is_elsewhere(self) -> bool:
        """Return whether the component is attached at another node."""

    def accept(self) -> None:
        """Give the domain to this connection."""

    def refuse(self) -> None:
        """Refuse this connection, because others keep the domain."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def replaced(self) -> None:
        """End this connection, because another one has taken over."""

    def end(self, error: StreamError, *, disowned: bool) -> None:
        """Close this connection, attached or not; if it is disowned, accept nothing more that it sends."""

    def write_kept(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Write stanzas that are kept, and have already been recorded."""

    def prove(self, ping: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        """Call `answered` when everything written before has certainly arrived: with the answer to a ping."""


class WithoutConnection:
    """The part of `Attachable` that concerns a connection alone, for what is attached without one: it does nothing."""

    proof = Proof.TAKEN_OVER

    def accept(self) -> None:
        """Do nothing: it has the domain already."""

    def refuse(self) -> None:
        """Do nothing: nobody else can have the domain here."""

    def ping(self) -> None:
        """Do nothing: no connection can fall silent here."""

    def replaced(self) -> None:
        """Do nothing: its owner gives it up by itself."""

    def end(self, error: StreamError, *, disowned: bool) -> None:
        """Do nothing: it ends with what is behind it."""


class Slot:
    """The place of one connection."""

    __slots__ = ("number", "outflow", "session", "settled_until")

    def __init__(self, number: int, outflow: Outflow) -> None:
        self.number = number
        self.outflow = outflow
        self.session: Attachable | None = None
        self.settled_until: float | None = None  # after a takeover: who is attached keeps the place


class ComponentSlots:
    """The slots of one component; with several, also the outflow that divides stanzas among them."""

    def __init__(self, outflows: Sequence[Outflow]) -> None:
        self._slots = [Slot(number, outflow) for number, outflow in enumerate(outflows)]
        self._asked: Bounded[RequestKey, Attachable] = Bounded(MOST_ASKED_BY_COMPONENT)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    @property
    def are_several(self) -> bool:
        """Return whether the component may have more than one connection."""
        return len(self._slots) > 1

    @property
    def vacant(self) -> Slot | None:
        """Return a slot without a connection."""
        return next((slot for slot in self._slots if slot.session is None), None)

    @property
    def sessions(self) -> list[Attachable]:
        """Return the attached connections."""
        return [slot.session for slot in self._slots if slot.session is not None]

    def of_session(self, session: Attachable) -> Slot | None:
        """Return the slot that this connection has."""
        return next((slot for slot in self._slots if slot.session is session), None)

    # -- which slot --------------------------------------------------------------------------------------------------

    def note_requests(self, session: Attachable, stanzas: Sequence[Stanza]) -> None:
        """Remember which connection made these requests, because their answers are for nobody else."""
        for stanza in stanzas:
            if stanza.name == "iq" and stanza.is_request and stanza.sender is not None and stanza.recipient is not None:
                key = request_key(stanza.sender, stanza.recipient, stanza.id)
                self._asked.put(key, session, family(stanza.recipient.domain))

    def note_answer(self, stanza: AddressedStanza) -> None:
        """Forget a request whose answer is being written."""
        self._asked.pop(request_key(stanza.to, stanza.from_, stanza.id))

    def slot_of(self, stanza: AddressedStanza) -> Slot:
        """Return the slot for a stanza; at least one must have a connection."""
        if stanza.name == "iq" and stanza.is_response:
            asker = self._asked.get(request_key(stanza.to, stanza.from_, stanza.id))
            if asker is not None and (slot := self.of_session(asker)) is not None:
                return slot
        bare = stanza.from_.bare
        slot = self._slots[hash(bare) % len(self._slots)]
        if slot.session is not None:
            return slot
        # The attached one with the highest rank for this address: when another one goes, nothing else changes.
        return max(
            (each for each in self._slots if each.session is not None), key=lambda each: hash((bare, each.number))
        )

    def divided(self, stanzas: Sequence[AddressedStanza]) -> dict[Slot, list[AddressedStanza]]:
        """Return the stanzas by slot, in order."""
        found: dict[Slot, list[AddressedStanza]] = {}
        for stanza in stanzas:
            found.setdefault(self.slot_of(stanza), []).append(stanza)
        return found

    # -- as the outflow of all ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return sum(len(slot.outflow) for slot in self._slots)

    @property
    def flows(self) -> bool:
        """Return whether a connection is attached, and every one takes stanzas at once."""
        flows = False
        for slot in self._slots:
            if slot.session is not None:
                flows = slot.outflow.flows
                if not flows:
                    break
        return flows

    @property
    def is_diverted(self) -> bool:
        """As `Outflow.is_diverted`."""
        return self._slots[0].outflow.is_diverted

    @property
    def refused(self) -> int:
        """As `Outflow.refused`."""
        return sum(slot.outflow.refused for slot in self._slots)

    def take(self, stanzas: Sequence[AddressedStanza]) -> bool:
        """As `Outflow.take`, but only while all connections take stanzas at once."""
        if not self.flows:
            return False
        for stanza in stanzas:
            self.slot_of(stanza).outflow.add(stanza)
        return True

    def add(self, stanza: AddressedStanza) -> None:
        """As `Outflow.add`."""
        self.slot_of(stanza).outflow.add(stanza)

    def enqueue(self, stanza: AddressedStanza) -> bool:
        """As `Outflow.enqueue`; where nothing waits, the next flush writes the stanza."""
        outflow = self.slot_of(stanza).outflow
        if len(outflow):
            return outflow.enqueue(stanza)
        outflow.add(stanza)
        return True

    def flush(self) -> Deferred[None] | None:
        """As `Outflow.flush`."""
        waits = [wait for slot in self._slots if (wait := slot.outflow.flush()) is not None]
        if len(waits) <= 1:
            return waits[0] if waits else None
        return DeferredList(waits).addCallback(lambda _: None)

    def flush_ahead(self) -> None:
        """As `Outflow.flush_ahead`."""
        for slot in self._slots:
            slot.outflow.flush_ahead()

    def drain(self) -> None:
        """As `Outflow.drain`."""
        for slot in self._slots:
            slot.outflow.drain()

    def divert(self, diverted: bool) -> None:
        """As `Outflow.divert`."""
        for slot in self._slots:
            slot.outflow.divert(diverted)

    def take_all(self) -> list[AddressedStanza]:
        """As `Outflow.take_all`; the stanzas of one conversation are in order."""
        return [stanza for slot in self._slots for stanza in slot.outflow.take_all()]

    # -- what is written to all --------------------------------------------------------------------------------------

    def room(self) -> Deferred[None] | None:
        """Return None if every connection has room, else a Deferred that fires when one has more."""
        return next((wait for session in self.sessions if (wait := session.room()) is not None), None)

    def divided_by_session(
        self, batch: Sequence[AddressedStanza]
    ) -> Iterator[tuple[Attachable, list[AddressedStanza]]]:
        """Yield each connection with those of the batch that it is to be sent; kept ones remember where they went."""
        for slot, stanzas in self.divided(batch).items():
            assert slot.session is not None
            for stanza in stanzas:
                if isinstance(stanza, Waiting):
                    stanza.written_to = slot.session
            yield slot.session, stanzas
