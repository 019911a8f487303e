"""ServerSession: what inbound and outbound streams between servers have in common.

It has the stream's events told to the attempt record, and holds the questions to an authoritative server that were put
on this stream. What becomes of an event beyond that is the table `_on`, to which subclasses add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from gateway.addresses import DomainPair
from gateway.attempts.narration import Narrator
from gateway.attempts.records import AttemptLog
from gateway.features.dialback import Dialback
from gateway.features.sasl import Compute, carry_out
from gateway.federation.verification import Questions
from gateway.sessions import Connection
from gateway.stream.events import PairChecked, VerificationAnswered
from gateway.stream.facts import Facts
from gateway.stream.stream import Output


class ServerSession:
    """One stream to or from another server."""

    def __init__(self, attempt: AttemptLog, dialback: Dialback) -> None:
        self.attempt = attempt
        self.connection: Connection | None = None
        self.narrator = Narrator(attempt)
        self._dialback = dialback
        self._questions = Questions()
        self._on: dict[type, Callable[[Any], None]] = {
            VerificationAnswered: self._questions.answered,
            Compute: self._compute,
        }

    @property
    def facts(self) -> Facts:
        """What has been shown on the stream."""
        assert self.connection is not None
        return self.connection.stream.facts

    @property
    def is_usable(self) -> bool:
        """Whether the stream is established and open in both directions."""
        return self.connection is not None and self.connection.stream.is_established

    def ask(self, pair: DomainPair, stream_id: str, key: str) -> Deferred[PairChecked]:
        """Put a question about a dialback key on this stream, which leads to the authoritative server."""
        assert self.connection is not None
        wait = self._questions.put(pair, stream_id)
        if not wait.called:
            self.connection.perform(lambda facts: self._dialback.ask(facts, pair, stream_id, key))
        return wait

    # -- as a Session ------------------------------------------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        self.connection = connection
        self.narrator.connected(connection)

    def happened(self, output: Output) -> None:
        self.narrator.happened(output)
        action = self._on.get(type(output))
        if action is not None:
            action(output)

    def _compute(self, order: Compute) -> None:
        assert self.connection is not None
        self.connection.answer(carry_out(order))  # two digests: DIGEST-MD5

    def lost(self, reason: str) -> None:
        self._questions.lost(reason)
        self.narrator.lost(reason)
