"""Feature 10.4-2: an iq has exactly one child in get and set, none or one in result, one or two in error
[stanza-iq-child]; else it is answered with bad-request (RFC 6120 §8.2.3).
"""

from __future__ import annotations

import pytest

from tests.support.neighbours import Neighbours

PAYLOADS = {
    "nothing": "",
    "space": " \n ",
    "one": "<q xmlns='q'/>",
    "one, with more inside": "<q xmlns='q'><q/><q xmlns='r'/></q>",
    "one, in CDATA too": "<q xmlns='q'><![CDATA[</q><q>]]></q>",
    "one, opened and closed": "\n<q xmlns='q'>text</q >\n",
    "two": "<q xmlns='q'/><error type='cancel'/>",
    "two of a name": "<q xmlns='q'></q><q xmlns='q'></q>",
    "three": "<q/><q/><q/>",
}
COUNTS = dict.fromkeys(PAYLOADS, 1) | {"nothing": 0, "space": 0, "two": 2, "two of a name": 2, "three": 3}
ALLOWED = {"get": (1,), "set": (1,), "result": (0, 1), "error": (1, 2)}


@pytest.mark.parametrize("type_", ALLOWED)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_children_are_counted(type_: str, payload: str) -> None:
    verona = Neighbours().route(
        f"<iq from='a@theirs.test/r' to='b@ours.test' id='1' type='{type_}'>{PAYLOADS[payload]}</iq>"
    )
    fine = COUNTS[payload] in ALLOWED[type_]
    assert bool(verona.inside.got) == fine
    assert bool(verona.outside.got) == (not fine and type_ in ("get", "set"))
    assert all(b"<bad-request " in answer.raw for answer in verona.outside.got)


def test_an_empty_element_has_none() -> None:
    verona = Neighbours().route("<iq from='a@theirs.test/r' to='b@ours.test' id='1' type='get'/>")
    assert len(verona.outside.got) == 1
    verona = Neighbours().route("<iq from='a@theirs.test/r' to='b@ours.test' id='1' type='result'/>")
    assert len(verona.inside.got) == 1
