"""Conflict: whether a further connection of a component replaces one that is attached (RFC 6120 §4.9.3.3).

Where a component may have one connection, a second one that knows the secret is not simply refused, because a component
whose old connection is half dead would be locked out. Nor does it simply win, because two would replace each other in
turn. Instead the old connection is asked for a sign of life (an XEP-0199 ping). If anything comes from it within some
seconds, the new one gets `conflict`; otherwise the old one is closed with `conflict`, and the new one is attached.

That happens only once, because two live components that answer no pings would otherwise take turns. After a takeover
silence counts against nobody for an hour, which starts again with each attempt; if the connection is dead, the system
ends it long before that.

Where a component may have several connections, one more than that is treated in the same way: each of the others is
asked for a sign of life, and the first that gives none is replaced.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from gateway.components.slots import Attachable, ComponentSlots, Slot
from gateway.notices.notices import Level
from gateway.timing.timers import Timer

SIGN_OF_LIFE_SECONDS = 5.0
SETTLED_SECONDS = 3600.0


class ConnectionConflict:
    """The conflict over a slot, one at a time; `candidate` is the connection that wants one, if there is any."""

    def __init__(
        self,
        slots: ComponentSlots,
        clock: IReactorTime,
        replace: Callable[[Attachable], None],
        tell: Callable[[str, Level], None],
    ) -> None:
        """`replace` ends the connection that it is given; when its slot is vacant, `end` returns who gets it."""
        self.candidate: Attachable | None = None
        self._slots = slots
        self._clock = clock
        self._replace = replace
        self._tell = tell
        self._silent: list[Slot] = []  # those that were asked for a sign of life, and have given none
        self._timer = Timer(clock)

    def begin(self, candidate: Attachable) -> None:
        """Ask the attached connections for a sign of life; refuse the candidate if another one is waiting."""
        if self.candidate is not None:
            candidate.refuse()
            return
        self.candidate = candidate
        self._silent = [*self._slots]
        for session in self._slots.sessions:
            session.ping()
        self._timer.start(SIGN_OF_LIFE_SECONDS, self._decide)

    def heard(self, session: Attachable) -> None:
        """Note a sign of life; refuse the candidate once every attached connection has given one."""
        self._silent = [slot for slot in self._silent if slot.session is not session]
        if not self._silent and (candidate := self.end()) is not None:
            self._tell(f"{self._further} connection was refused, because {self._present} alive", Level.WARN)
            candidate.refuse()

    def end(self) -> Attachable | None:
        """Stop waiting for a sign of life; return the connection that waited for the outcome."""
        self._timer.stop()
        candidate, self.candidate = self.candidate, None
        return candidate

    def _decide(self) -> None:
        """Replace a connection that gave no sign of life, unless all of these have taken over less than an hour ago."""
        now = self._clock.seconds()
        settled = [slot for slot in self._silent if slot.settled_until is not None and now < slot.settled_until]
        slot = next((each for each in self._silent if each not in settled), None)
        for each in settled if slot is None else (slot,):
            each.settled_until = now + SETTLED_SECONDS
        old = slot.session if slot is not None else None
        if old is None:
            self._refuse()
            return
        self._tell("the old connection gave no sign of life and is replaced", Level.WARN)
        self._replace(old)

    def _refuse(self) -> None:
        """Refuse the candidate although attached connections gave no sign of life."""
        candidate = self.end()
        self._tell(
            f"{self._further} connection was refused: the first one gives no sign of life, but took over from another"
            " less than an hour ago, so two processes seem to be running: stop one of them",
            Level.WARN,
        )
        if candidate is not None:
            candidate.refuse()

    @property
    def _further(self) -> str:
        return "a further" if self._slots.are_several else "a second"

    @property
    def _present(self) -> str:
        if self._slots.are_several:
            return f"all {len([*self._slots])} ([domains] connections) are"
        return "the first one is"
