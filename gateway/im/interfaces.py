"""IBoundClient: everything that a domain with accounts needs from a client's stream.

It has two providers: the stream of a client port, and a recording one for tests. With XEP-0198 a session outlives its
connection: `clients` keeps it, still takes stanzas for it, and ends it when it can no longer be resumed.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from zope.interface import Interface

from gateway.im.kept import KeptMessage
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import AddressedStanza


class IBoundClient(Interface):
    """A client's stream with a bound resource. It never calls back into the domain while it is being called."""

    def deliver(stanza: AddressedStanza) -> None:
        """Take over a stanza for this client. Nothing need be written before `flush`. After the end: do nothing."""

    def deliver_kept(messages: Sequence[KeptMessage]) -> None:
        """Take messages, as `deliver` does, that the store keeps until the client has them.

        When it has them, as far as that can be known, `AccountDomain.taken` follows; those that it never received are
        given back with `AccountDomain.unbind`. Neither happens before this call, or a `flush`, has returned.
        """

    def flush() -> Deferred[None] | None:
        """Write what was delivered. Return None while there is room, else a Deferred that fires when there is room
        again.

        It also fires when the session ends, and a client that reads nothing for too long is ended: nobody waits
        forever.
        """

    def close(error: StreamError) -> None:
        """End the stream; `AccountDomain.unbind` follows, not before this call has returned."""
