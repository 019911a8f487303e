"""Iqs: what RFC 6120 §8.2.3 asks of every one."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.xmpp.errors import StanzaCondition
from gateway.xmpp.iqs import check_iq
from tests.support.trees import stanza

CHILDREN = {0: "", 1: "<a xmlns='x'/>", 2: "<a xmlns='x'/><error type='cancel'/>", 3: "<a/><b/><c/>"}
ALLOWED = {"get": {1}, "set": {1}, "result": {0, 1}, "error": {1, 2}}


@pytest.mark.parametrize(("type_", "count"), list(product(ALLOWED, CHILDREN)))
def test_an_iq_has_as_many_children_as_its_type_allows(type_: str, count: int) -> None:
    problem = check_iq(stanza(f"<iq id='1' type='{type_}'> {CHILDREN[count]} </iq>"))
    assert (problem is None) == (count in ALLOWED[type_])
    assert problem is None or problem.condition is StanzaCondition.BAD_REQUEST


PIECES = [
    "<a/>",
    "<a></a>",
    "<a></a >",
    "<a><a/></a>",
    "<ab></ab>",
    "<a>]]&gt;<![CDATA[</a>]]></a>",
    "<a x='/>'> </a>",
    " ",
]


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_children_are_counted_however_they_are_written(length: int) -> None:
    for pieces in product(PIECES, repeat=length):
        iq = stanza(f"<iq id='1' type='get'>{''.join(pieces)}</iq>")
        children = len(list(iq.element.elements()))
        assert (check_iq(iq) is None) == (children == 1), iq.raw


@pytest.mark.parametrize("attributes", ["type='get'", "id='1'", "id='1' type='chat'", "id='1' type=''"])
def test_an_iq_needs_an_id_and_a_known_type(attributes: str) -> None:
    problem = check_iq(stanza(f"<iq {attributes}><a xmlns='x'/></iq>"))
    assert problem is not None
    assert problem.condition is StanzaCondition.BAD_REQUEST
