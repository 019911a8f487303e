"""Waiting: a stanza as it is sent from the outbox, with its number there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from gateway.xmpp.stanzas import AddressedStanza


class Waiting(AddressedStanza):
    """A kept stanza that is to be sent, or is in flight.

    `sending` is the Sending of its backlog; `written_to` is its connection, where there are several.
    """

    __slots__ = ("accepted", "expires", "number", "sending", "written_to")
    accepted: float
    expires: float
    number: int
    sending: object
    written_to: object

    @classmethod
    def run(
        cls,
        stanzas: Sequence[AddressedStanza],
        numbers: Sequence[int],
        sending: object,
        *,
        accepted: float,
        expires: float,
    ) -> list[Waiting]:
        """Take over stanzas that were put together, with their numbers and times in the outbox."""
        # As the constructor of Stanza does, but without a call: one is made of each stanza with `keep = "all"`.
        run = list(map(object.__new__, repeat(cls, len(stanzas))))
        for each, stanza, number in zip(run, stanzas, numbers, strict=True):
            each.name = stanza.name
            each.raw = stanza.raw
            each.to = stanza.to
            each.from_ = stanza.from_
            each.type = stanza.type
            each._id = stanza._id
            each.flaw = None
            each._element = None
            each.accepted = accepted
            each.expires = expires
            each.number = number
            each.sending = sending
            each.written_to = None
        return run


def without_kept(stanzas: Sequence[AddressedStanza]) -> list[AddressedStanza]:
    """Return the stanzas that no backlog has: the others are written again by theirs."""
    return [stanza for stanza in stanzas if not isinstance(stanza, Waiting)]
