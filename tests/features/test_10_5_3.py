"""Feature 10.5-3: an error is never answered by an error [stanza-error-reply] (RFC 6120 §8.3.1)."""

from __future__ import annotations

import pytest

from gateway.xmpp.errors import StanzaCondition, StanzaError
from tests.support.neighbours import Neighbours
from tests.support.trees import stanza

ERROR = StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
ADDRESSES = "from='a@theirs.test/r' to='b@ours.test' id='1'"


@pytest.mark.parametrize("condition", StanzaCondition)
@pytest.mark.parametrize("name", ["message", "presence", "iq"])
def test_nothing_answers_an_error(name: str, condition: StanzaCondition) -> None:
    verona = Neighbours()
    verona.router.bounce(
        stanza(f"<{name} {ADDRESSES} type='error'><error type='cancel'/></{name}>"), StanzaError(condition)
    )
    assert not verona.outside.got


def test_not_even_one_that_is_not_as_it_should_be() -> None:
    verona = Neighbours().route(
        f"<iq {ADDRESSES} type='error'/>", "<iq from='a@theirs.test' to='ours.test' type='error'/>"
    )
    assert not verona.outside.got


def test_an_answer_is_not_answered_either() -> None:
    """Two gateways that refuse everything exchange two stanzas, and no more."""
    here, there = Neighbours(), Neighbours()
    asked = stanza(f"<message {ADDRESSES}><body>hi</body></message>")
    here.router.bounce(asked, ERROR)
    (answer,) = here.outside.got
    there.router.bounce(answer, ERROR)
    assert not there.outside.got
