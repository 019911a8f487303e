"""How kept stanzas end that are not delivered."""

from __future__ import annotations

import pytest

from gateway.outbox.endings import AGREE_SECONDS, expired, failed, not_taken
from gateway.outbox.records import Failing
from gateway.xmpp.addresses import Domain

FAR = Domain("far.example")


@pytest.mark.parametrize(
    ("tries", "bounced"),
    [
        ([(0, True)], [False]),
        ([(0, False), (1000, False), (9000, False)], [False] * 3),
        ([(0, True), (AGREE_SECONDS - 1, True)], [False, False]),
        ([(0, True), (300, True), (AGREE_SECONDS, True), (700, True)], [False, False, True, True]),
        ([(0, True), (300, False), (AGREE_SECONDS, True), (1000, True)], [False] * 4),
        ([(0, False), (AGREE_SECONDS, True)], [False, False]),
    ],
)
def test_what_is_kept_is_bounced_when_definite_verdicts_agree(
    tries: list[tuple[float, bool]], bounced: list[bool]
) -> None:
    failing: Failing | None = None
    found = []
    for now, definite in tries:
        failing, final = failed(failing, verdict="no-such-domain", reason="why", definite=definite, now=now)
        found.append(final)
    assert found == bounced
    assert failing is not None
    assert (failing.failures, failing.since, failing.reason) == (len(tries), tries[0][0], "why")


def test_sender_is_told_since_when_and_that_trying_again_is_no_use() -> None:
    error = expired(FAR, 1_800_000_000.0)
    assert (error.condition, error.error_type) == ("remote-server-timeout", "cancel")
    assert error.text == "the server of far.example could not be reached since 2027-01-15 08:00 UTC, when this was sent"


def test_stanza_that_is_blamed_is_not_acceptable() -> None:
    assert not_taken(FAR).condition == "not-acceptable"
