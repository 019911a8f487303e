"""KeptMessage: a message on its way to a client that the store keeps until the client has it (XEP-0160)."""

from __future__ import annotations

from gateway.xmpp.stanzas import AddressedStanza


class KeptMessage(AddressedStanza):
    """A message that waited for its account; `number` is its id in the store."""

    __slots__ = ("number",)

    def __init__(self, number: int, message: AddressedStanza) -> None:
        super().__init__(message.name, message.raw, message.to, message.from_, message.type, message.id)
        self.number = number
