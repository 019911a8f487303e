"""The states of a stream, as one table (RFC 6120 §4.2 to §4.4).

A stream waits for the other side's header, negotiates features (with a restart of the stream after TLS and SASL,
which leads back to the header), is established once stanzas may pass, and closes. What is not in the table is an
error. A stanza has no cell while negotiating: it is answered by `not-authorized`, by construction.

CLOSING and DISCARDING are ours alone: our closing tag has been sent, so nothing more may be sent (§4.4). In CLOSING
what the other side had still on its way is taken, until its own closing tag or the end of the connection. DISCARDING
looks for that closing tag and throws away all else: after an error, or before stanzas could pass.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What may come next on a stream."""

    AWAITING_HEADER = "awaiting header"
    NEGOTIATING = "negotiating"
    ESTABLISHED = "established"
    CLOSING = "closing"
    DISCARDING = "discarding"
    CLOSED = "closed"


class Move(StrEnum):
    """What takes a stream from one state to another."""

    HEADER = "their header"
    ELEMENT = "an element of a feature"
    STANZA = "a stanza"
    RESTART = "a restart"
    COMPLETE = "negotiation complete"
    CLOSE = "we close"
    FAIL = "we close with an error"
    CLOSED = "they close"


TRANSITIONS: dict[State, dict[Move, State]] = {
    State.AWAITING_HEADER: {
        Move.HEADER: State.NEGOTIATING,
        Move.CLOSE: State.DISCARDING,
        Move.FAIL: State.DISCARDING,
        Move.CLOSED: State.CLOSED,
    },
    State.NEGOTIATING: {
        Move.ELEMENT: State.NEGOTIATING,
        Move.RESTART: State.AWAITING_HEADER,
        Move.COMPLETE: State.ESTABLISHED,
        Move.CLOSE: State.DISCARDING,
        Move.FAIL: State.DISCARDING,
        Move.CLOSED: State.CLOSED,
    },
    State.ESTABLISHED: {
        Move.ELEMENT: State.ESTABLISHED,
        Move.STANZA: State.ESTABLISHED,
        Move.CLOSE: State.CLOSING,
        Move.FAIL: State.DISCARDING,
        Move.CLOSED: State.CLOSED,
    },
    State.CLOSING: {
        Move.ELEMENT: State.CLOSING,
        Move.STANZA: State.CLOSING,
        Move.FAIL: State.CLOSED,
        Move.CLOSED: State.CLOSED,
    },
    State.DISCARDING: {
        Move.HEADER: State.DISCARDING,
        Move.ELEMENT: State.DISCARDING,
        Move.STANZA: State.DISCARDING,
        Move.FAIL: State.CLOSED,
        Move.CLOSED: State.CLOSED,
    },
    State.CLOSED: {},
}
