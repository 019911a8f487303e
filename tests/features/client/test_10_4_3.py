"""Feature 10.4-3 [stanza-iq-reply], as a client: every request gets one answer, by us too (RFC 6120 §8.2.3)."""

from __future__ import annotations

import pytest

from tests.support.stays import Stay

REQUESTS = {
    "known": "<iq type='get' id='1' from='a@b.test/c'><ping xmlns='urn:xmpp:ping'/></iq>",
    "unknown": "<iq type='set' id='1' from='a@b.test/c'><x xmlns='urn:nonsense'/></iq>",
    "malformed": "<iq type='set' id='1' from='a@b.test/c'/>",
    "from our server": "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_one_answer_with_the_id_of_the_request(request_: str) -> None:
    answers = Stay().hears(request_)
    assert len(answers) == 1
    assert " id='1'" in answers[0]
    assert "type='result'" in answers[0] or "type='error'" in answers[0]


@pytest.mark.parametrize("kind", ["result", "error"])
def test_answers_get_none(kind: str) -> None:
    assert Stay().hears(f"<iq type='{kind}' id='1' from='a@b.test/c'/>") == []
