"""Feature 10.5-1: errors have type='error' [stanza-error] and an `<error/>` child with a type and a condition
[stanza-error-child] (RFC 6120 §8.3.1, §8.3.2).
"""

from __future__ import annotations

import pytest

from gateway.xmpp.elements import Element
from gateway.xmpp.errors import ERROR_TYPES, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import SERVER, STANZA_ERRORS, XML
from gateway.xmpp.stanzas import error_reply
from tests.support.trees import element, stanza

SENT = {
    "message": "<message from='a@theirs.test/r' to='b@ours.test' type='chat'><body>hi</body></message>",
    "iq": "<iq from='a@theirs.test/r' to='b@ours.test' id='1' type='get'><q xmlns='q'/></iq>",
    "presence": "<presence from='a@theirs.test' to='b@ours.test' type='subscribe'/>",
}


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("condition", StanzaCondition)
def test_type_child_and_condition(name: str, condition: StanzaCondition) -> None:
    reply = error_reply(stanza(SENT[name]), StanzaError(condition, "why <not>", reason="our secret"))
    assert reply is not None
    assert (reply.name, reply.type) == (name, "error")
    on_their_stream = element(reply.raw.decode(), SERVER)
    (error,) = on_their_stream.elements()
    assert error == Element(
        SERVER,
        "error",
        {"type": ERROR_TYPES[condition]},
        [Element(STANZA_ERRORS, str(condition)), Element(STANZA_ERRORS, "text", {(XML, "lang"): "en"}, ["why <not>"])],
    )
    assert b"secret" not in reply.raw


def test_every_error_type_is_one_of_five() -> None:
    assert set(ERROR_TYPES) == set(StanzaCondition)
    assert set(ERROR_TYPES.values()) <= {"auth", "cancel", "continue", "modify", "wait"}


def test_another_type_may_fit_better() -> None:
    error = StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, error_type="cancel")
    reply = error_reply(stanza(SENT["message"]), error)
    assert reply is not None
    assert b"<error type='cancel'>" in reply.raw
