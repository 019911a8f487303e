"""ISession: everything that a domain with accounts needs from a client's stream.

Two providers: the client door's stream, and the recording one of the tests. With XEP-0198 a session outlives its
connection: the door keeps it, goes on taking stanzas for it, and lets it end when it cannot be resumed any longer.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from zope.interface import Interface

from gateway.im.kept import KeptMessage
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import Stanza


class ISession(Interface):
    """A client's stream with a bound resource. It never calls back into the domain while it is being called."""

    def deliver(stanza: Stanza) -> None:
        """Take over a stanza for this client. Nothing need be written before `flush`. After the end: do nothing."""

    def deliver_kept(messages: Sequence[KeptMessage]) -> None:
        """As `deliver`, for what the store keeps until the client has it.

        When it has, as far as that can be known, `AccountDomain.taken` follows; what it never took is given back with
        `AccountDomain.unbind`. Neither happens before this call, or a `flush`, has returned.
        """

    def flush() -> Deferred[None] | None:
        """Write what was delivered. None while there is room; else a Deferred that fires when there is room again.

        It fires too when the session ends, and a client that takes nothing for too long is ended: nobody waits forever.
        """

    def close(error: StreamError) -> None:
        """End the stream; `AccountDomain.unbind` follows, not before this call has returned."""
