"""Budgets: what an element may cost is counted exactly, and only where it could be too much."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream.budget import Budget, IncompleteElement
from gateway.stream.framing import Count
from gateway.xmpp.errors import StreamCondition, StreamError
from tests.unit.stream.test_framing import NAMES, element

SMALL = Budget(stanza_bytes=400, depth=4, elements=12, attributes=3)


def problem(budget: Budget, raw: bytes) -> str:
    try:
        budget.check_whole(raw)
    except StreamError as error:
        return f"{error.condition}: {error.text}"
    return ""


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"<a>" + b"x" * 393 + b"</a>", ""),
        (b"<a>" + b"x" * 394 + b"</a>", "400 bytes in one element"),
        (b"<a>" * 4 + b"</a>" * 4, ""),
        (b"<a>" * 5 + b"</a>" * 5, "4 nested elements"),
        (b"<a>" + b"<a/>" * 11 + b"</a>", ""),
        (b"<a>" + b"<a/>" * 12 + b"</a>", "12 elements in one"),
        (b"<a a='' b='' c=''/>", ""),
        (b"<a a='' b='' c='' d=''/>", "3 attributes in one tag"),
        (b"<a><b a='=' b='==' c='===='/>=====</a>", ""),
        (b"<a><![CDATA[<b a='' b='' c='' d='' e=''/>]]></a>", ""),
        (b"<a>" + b"<![CDATA[<b>]]>" * 20 + b"</a>", ""),
    ],
)
def test_a_limit_is_what_it_says(raw: bytes, what: str) -> None:
    assert problem(SMALL, raw) == (f"policy-violation: more than {what}" if what else "")


@given(element(st.sampled_from(NAMES)), st.sampled_from([(4, 12, 3), (1, 1, 1), (2, 100, 1), (50, 5, 2)]))
def test_what_is_harmless_need_not_be_counted(raw: bytes, limits: tuple[int, int, int]) -> None:
    depth, elements, attributes = limits
    budget = Budget(stanza_bytes=10_000, depth=depth, elements=elements, attributes=attributes)
    if len(raw) <= budget.harmless_bytes:
        assert problem(budget, raw) == ""
        count = Count()
        count.end(raw, 0, len(raw))
        assert count.deepest <= depth
        assert count.elements <= elements


@pytest.mark.parametrize(("depth", "searched"), list(product([1, 3, 10], [b"message", None])))
def test_what_is_under_way_is_refused_at_the_tag_that_is_too_much(depth: int, searched: bytes | None) -> None:
    budget = Budget(depth=depth)
    raw = b"<message>" + b"<a>" * 20
    under_way = IncompleteElement(searched, len(b"<message>"))
    for end in range(len(b"<message>"), len(raw), 3):
        begun = raw[:end]
        assert not under_way.is_complete(begun, end, counts=False)
        if begun.count(b"<") > depth:
            with pytest.raises(StreamError) as raised:
                under_way.check(begun, budget, end)
            assert raised.value.condition is StreamCondition.POLICY_VIOLATION
            return
        under_way.check(begun, budget, end)
    raise AssertionError
