"""Domain pairs for which there is no room."""

from __future__ import annotations

from gateway.federation.crowded import CrowdedOut
from gateway.notices.notices import Notice
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

MESSAGE = stanza("<message id='1' from='a@here.test' to='b@far.test'><body>Hi</body></message>")


class CrowdedHarness:
    """Which senders get an answer, and what is logged."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[Notice] = []
        self.bounced: list[str] = []
        self.route = CrowdedOut(7, lambda: self, self.told.append, lambda: self.now)  # type: ignore[arg-type, return-value]

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        self.bounced.append(f"{stanza.id} {error.condition}")


def test_every_stanza_is_answered_and_it_is_told_once_in_a_while() -> None:
    harness = CrowdedHarness()
    for _ in range(3):
        harness.route.deliver(MESSAGE)
        assert harness.route.flush() is None
    assert harness.bounced == ["1 resource-constraint"] * 3
    assert [notice.sentence for notice in harness.told] == [
        "stanzas for far.test are answered with resource-constraint: 7 other routes are in use ([limits] routes)"
    ]
    harness.now += 11
    harness.route.deliver(MESSAGE)
    assert len(harness.told) == 2
