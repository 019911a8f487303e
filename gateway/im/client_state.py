"""HoldingBack: stanzas that need not wake an inactive client (XEP-0352).

A client that says it is inactive wants its radio to sleep. Presence and chat states can wait, and only the latest of
each sender counts. Everything else passes at once, after the stanzas that were held back, so that order is preserved.
The stream's side of a session asks here what to write.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.im.offline import CHAT_STATES
from gateway.xmpp.stanzas import AddressedStanza

MOST = 500

_MARK = CHAT_STATES.encode()


class HoldingBack:
    """Decides, stanza by stanza, what is written to one client now."""

    def __init__(self, most: int = MOST) -> None:
        self.is_active = True
        self._most = most
        self._held: dict[tuple[str, str], AddressedStanza] = {}

    def pass_on(self, stanza: AddressedStanza) -> Sequence[AddressedStanza]:
        """Return the stanzas to write now that this one has come, in order."""
        if self.is_active:
            return (stanza,)
        if not _can_wait(stanza):
            return (*self._release(), stanza)
        key = (stanza.name, str(stanza.from_))
        self._held.pop(key, None)  # the latest goes to the end
        self._held[key] = stanza
        return () if len(self._held) <= self._most else self._release()

    def activate(self) -> Sequence[AddressedStanza]:
        """Note that the client is active; return the stanzas to write now."""
        self.is_active = True
        return self._release()

    def deactivate(self) -> None:
        """Note that the client is inactive."""
        self.is_active = False

    def _release(self) -> tuple[AddressedStanza, ...]:
        held, self._held = tuple(self._held.values()), {}
        return held


def _can_wait(stanza: AddressedStanza) -> bool:
    if stanza.name == "presence":
        return stanza.type in (None, "unavailable")
    if stanza.name != "message" or stanza.type == "error" or _MARK not in stanza.raw or b"<body" in stanza.raw:
        return False
    return all(child.namespace == CHAT_STATES for child in stanza.element.elements())
