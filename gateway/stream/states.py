"""The states of a stream, as one table (RFC 6120 §4.2 to §4.4).

A stream waits for the other side's header, negotiates features (with a restart of the stream after TLS and SASL, which
leads back to the header), is established once stanzas may pass, and closes. Anything that is not in the table is an
error. Stanzas have no cell during negotiation, so they are always answered with `not-authorized`.

A stream that the other side has closed is ANSWERING if its owner has promised the last answers to come: we read nothing
more, and still send, until our own closing tag ends the stream.

CLOSING and DISCARDING are states of our side only: we have sent our closing tag, so nothing more may be sent (§4.4). In
CLOSING the stream accepts what the other side had already sent, until its closing tag or the end of the connection. In
DISCARDING it only looks for that closing tag and drops everything else: after an error, or before stanzas could pass.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The states, each by what may come next on a stream."""

    AWAITING_HEADER = "awaiting header"
    NEGOTIATING = "negotiating"
    ESTABLISHED = "established"
    ANSWERING = "answering"
    CLOSING = "closing"
    DISCARDING = "discarding"
    CLOSED = "closed"


class Move(StrEnum):
    """The moves from one state to another."""

    HEADER = "their header"
    ELEMENT = "an element of a feature"
    STANZA = "a stanza"
    RESTART = "a restart"
    COMPLETE = "negotiation complete"
    CLOSE = "we close"
    FAIL = "we close with an error"
    ANSWER = "they close, before the last answers"
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
        Move.ANSWER: State.ANSWERING,
        Move.CLOSED: State.CLOSED,
    },
    State.ANSWERING: {
        Move.CLOSE: State.CLOSED,
        Move.FAIL: State.CLOSED,
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
