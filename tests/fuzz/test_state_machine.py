"""The state machine of a stream under hypothesis: any words of the language in any order, and our own wishes.

Each step keeps the promises of `fuzz_stream.Owner`; besides, a stream moves only along `stream.states.TRANSITIONS`.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gateway.stream.states import TRANSITIONS, State
from gateway.xmpp.errors import StreamCondition, StreamError
from tests.fuzz.fuzz_stream import CERTIFICATES, KINDS, TERMS, Owner
from tests.fuzz.transcripts import BOUND, CLIENTS, COMPONENT, ELEMENTS, INBOUND, MARKUP, OUTBOUND

SAID = sorted({said for talks in (INBOUND, OUTBOUND, COMPONENT, CLIENTS, BOUND) for talk in talks for said in talk})
ERRORS = (None, StreamError(StreamCondition.POLICY_VIOLATION, "enough"))


def beyond(state: State) -> set[State]:
    """Every state that can come after this one, at once or later."""
    found: set[State] = {state}
    while more := {after for each in found for after in TRANSITIONS[each].values()} - found:
        found |= more
    return found


class Talk(RuleBasedStateMachine):
    """One stream, and everything that may happen to it."""

    @initialize(kind=st.sampled_from(KINDS), terms=st.sampled_from(TERMS), certificate=st.sampled_from(CERTIFICATES))
    def begin(self, kind, terms, certificate) -> None:  # type: ignore[no-untyped-def]
        self.owner = Owner(kind, terms, certificate)
        self.before = self.owner.stream.state

    @rule(said=st.sampled_from([*SAID, *ELEMENTS, *MARKUP]))
    def hear(self, said: str) -> None:
        self.owner.hear([said.encode()])

    @rule(said=st.sampled_from(SAID), at=st.integers(1, 400))
    def hear_in_two_pieces(self, said: str, at: int) -> None:
        data = said.encode()
        self.owner.hear([piece for piece in (data[:at], data[at:]) if piece])

    @rule(data=st.binary(max_size=40))
    def hear_noise(self, data: bytes) -> None:
        self.owner.hear([data])

    @rule(error=st.sampled_from(ERRORS))
    def close(self, error: StreamError | None) -> None:
        if self.owner.stream.state not in (State.CLOSING, State.DISCARDING, State.CLOSED):
            self.owner._note(self.owner.stream.close(error))

    @invariant()
    def moves_along_the_table(self) -> None:
        if hasattr(self, "owner"):
            after = self.owner.stream.state
            assert after in beyond(self.before)
            self.before = after


def test_talks_keep_all_promises() -> None:
    run_state_machine_as_test(Talk, settings=settings(max_examples=150, stateful_step_count=25, deadline=None))
