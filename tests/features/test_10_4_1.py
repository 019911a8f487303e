"""Feature 10.4-1: an iq needs an id [stanza-iq-id] and a type, get, set, result or error [stanza-iq-type]; else it is
answered with bad-request (RFC 6120 §8.2.3).
"""

from __future__ import annotations

import pytest

from tests.support.neighbours import Neighbours

ADDRESSES = "from='a@theirs.test/r' to='b@ours.test'"


@pytest.mark.parametrize("type_", ["get", "set", "result", "error"])
def test_an_iq_with_both_is_delivered(type_: str) -> None:
    verona = Neighbours().route(f"<iq {ADDRESSES} id='1' type='{type_}'><q xmlns='q'/></iq>")
    assert [(stanza.type, stanza.id) for stanza in verona.inside.got] == [(type_, "1")]
    assert not verona.outside.got


@pytest.mark.parametrize("attributes", ["type='get'", "type='set'", "id='1'", "id='1' type=''", "id='1' type='chat'"])
def test_an_iq_without_is_answered(attributes: str) -> None:
    verona = Neighbours().route(f"<iq {ADDRESSES} {attributes}><q xmlns='q'/></iq>")
    assert not verona.inside.got
    (answer,) = verona.outside.got
    assert (answer.type, str(answer.from_), str(answer.to)) == ("error", "b@ours.test", "a@theirs.test/r")
    assert b"<bad-request " in answer.raw


def test_a_result_without_an_id_is_dropped() -> None:
    """RFC 6120 §8.3.1: no error answers it."""
    verona = Neighbours().route(f"<iq {ADDRESSES} type='result'/>")
    assert not verona.inside.got
    assert not verona.outside.got
