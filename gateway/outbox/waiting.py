"""Waiting: a stanza as it is sent from the outbox, with its number there."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.xmpp.stanzas import AddressedStanza


class Waiting(AddressedStanza):
    """A kept stanza that is to be sent, or is in flight.

    `backlog` is the KeptBacklog that sends it; `written_to` is its connection, where there are several.
    """

    __slots__ = ("accepted", "backlog", "expires", "number", "written_to")
    accepted: float
    backlog: object
    expires: float
    number: int
    written_to: object

    def __init__(
        self, stanza: AddressedStanza, backlog: object, *, number: int, accepted: float, expires: float
    ) -> None:
        """Take over a stanza, with its number and times in the outbox."""
        # As the constructor of Stanza does: one is made for each stanza that passes with `keep = "all"`.
        self.name = stanza.name
        self.raw = stanza.raw
        self.to = stanza.to
        self.from_ = stanza.from_
        self.type = stanza.type
        self._id = stanza._id
        self.flaw = None
        self._element = None
        self.accepted = accepted
        self.expires = expires
        self.number = number
        self.backlog = backlog
        self.written_to = None


def without_kept(stanzas: Sequence[AddressedStanza]) -> list[AddressedStanza]:
    """Return the stanzas that no backlog has: the others are written again by theirs."""
    return [stanza for stanza in stanzas if not isinstance(stanza, Waiting)]
